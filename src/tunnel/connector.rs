//! The one task that makes a tunnel's connection, watches it, and makes it again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempts::{Attempts, Waiter};
use super::facts::Facts;
use crate::domain::tunnel::TunnelState;
use crate::domain::{Backoff, Failure};
use crate::ports::{SshTarget, TunnelLink, TunnelLinks};

/// How old the knowledge may be whether keys and host keys still are what they were.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After a failure that lasts until somebody changes something: each attempt is a failed login in the server's log.
const LASTING_WAIT: Duration = Duration::from_secs(15);

/// What it is asked for.
pub(super) enum Ask {
    /// A client needs the connection.
    Link(Waiter),
    /// A person wants it open now.
    Now(Waiter),
    /// The connection is said not to answer any more.
    Suspect(Arc<dyn TunnelLink>),
}

pub(super) struct Connector {
    pub(super) name: String,
    pub(super) links: Arc<dyn TunnelLinks>,
    pub(super) hops: Vec<SshTarget>,
    pub(super) eager: bool,
    pub(super) idle_close: Option<Duration>,
    pub(super) facts: Arc<Facts>,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// Where it stands.
struct Standing {
    attempts: Attempts,
    link: Option<Arc<dyn TunnelLink>>,
    /// It was there before.
    was_open: bool,
    failure: Option<Failure>,
    /// What the last failure stood on.
    ground: Option<u64>,
    backoff: Backoff,
    next_try: Option<Instant>,
    last_needed: Instant,
    /// A look at what may have changed; the store may take its time.
    looking: Option<BoxFuture<'static, Seen>>,
}

/// What a look has shown.
enum Seen {
    /// Whether this connection still is as its keys say.
    Link(Arc<dyn TunnelLink>, bool),
    /// What an attempt would stand on now.
    Ground(u64),
}

impl Connector {
    /// Runs until the tunnel ends.
    pub(super) async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let mut now = Standing {
            attempts: Attempts::new(self.name.clone(), Arc::clone(&self.links), self.hops.clone()),
            link: None,
            was_open: false,
            failure: None,
            ground: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            next_try: self.eager.then(Instant::now),
            last_needed: Instant::now(),
            looking: None,
        };
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (link, next_try) = (now.link.clone(), now.next_try);
            tokio::select! {
                () = self.stop.cancelled() => break,
                ask = asks.recv() => match ask {
                    Some(ask) => self.asked(&mut now, ask),
                    None => break,
                },
                answer = now.attempts.next() => match answer {
                    Ok(link) => self.is_open(&mut now, link),
                    Err(failure) => self.failed(&mut now, failure),
                },
                () = lost(link.as_ref()) => self.is_lost(&mut now, "the connection to the bastion was lost"),
                () = due(next_try) => {
                    now.next_try = None;
                    self.begin(&mut now);
                }
                _ = look.tick() => self.look(&mut now),
                seen = looking(&mut now.looking) => {
                    now.looking = None;
                    self.seen(&mut now, seen);
                }
            }
        }
        if let Some(link) = now.link.take() {
            link.close().await;
        }
    }

    fn begin(&self, now: &mut Standing) {
        if now.link.is_none() {
            if now.failure.is_none() {
                self.facts.is(TunnelState::Opening);
            }
            now.attempts.begin();
        }
    }

    fn asked(&self, now: &mut Standing, ask: Ask) {
        now.last_needed = Instant::now();
        let (waiter, by_a_person) = match ask {
            Ask::Link(waiter) => (waiter, false),
            Ask::Now(waiter) => (waiter, true),
            Ask::Suspect(suspect) => {
                if now.link.as_ref().is_some_and(|link| Arc::ptr_eq(link, &suspect)) {
                    self.is_lost(now, "the bastion does not answer any more");
                }
                self.close_apart(suspect);
                return;
            }
        };
        if let Some(link) = &now.link {
            let _ = waiter.send(Ok(Arc::clone(link)));
            return;
        }
        let (running, just_now) = (now.attempts.are_running(), now.attempts.began_just_now());
        let begin = match &now.failure {
            // The first one of all has all the time that it needs.
            None => !running,
            Some(_) if by_a_person => !running || !just_now,
            // One that hangs may hang in what has passed.
            Some(_) if running => !just_now,
            Some(failure) => {
                // At most one a second, and none that could not turn out otherwise.
                let lasts = failure.class.is_permanent() && now.next_try.is_some_and(|at| at > Instant::now());
                if lasts || just_now {
                    let _ = waiter.send(Err(failure.clone()));
                    return;
                }
                true
            }
        };
        if begin {
            self.begin(now);
        }
        now.attempts.join(waiter);
    }

    fn is_open(&self, now: &mut Standing, link: Arc<dyn TunnelLink>) {
        if now.was_open {
            self.facts.reconnected();
        }
        tracing::info!(tunnel = self.name, "the connection to the bastion is open");
        now.link = Some(link);
        now.was_open = true;
        now.failure = None;
        now.next_try = None;
        now.last_needed = Instant::now();
        now.backoff.reset();
        self.facts.is(TunnelState::Open);
    }

    fn failed(&self, now: &mut Standing, failure: Failure) {
        let news = now.failure.as_ref() != Some(&failure);
        self.facts.went_wrong(&failure);
        self.facts.is(TunnelState::Down);
        if news {
            tracing::warn!(tunnel = self.name, class = failure.class.words(), %failure, "the tunnel is down");
        }
        let wait = now.backoff.after_failure(rand::random());
        let wait = if failure.class.is_permanent() { LASTING_WAIT } else { wait };
        now.next_try = Some(Instant::now() + wait);
        now.ground = None;
        now.failure = Some(failure);
    }

    fn is_lost(&self, now: &mut Standing, why: &str) {
        now.link = None;
        let failure = crate::ports::connection_lost("the tunnel was open");
        let failure = Failure { message: why.to_owned(), ..failure };
        tracing::warn!(tunnel = self.name, class = failure.class.words(), "{why}; it is made again by itself");
        self.facts.went_wrong(&failure);
        self.facts.is(TunnelState::Down);
        now.failure = Some(failure);
        now.next_try = Some(Instant::now() + now.backoff.after_failure(rand::random()));
    }

    /// What can change without a word: the need, a client that does not read, keys, host keys.
    fn look(&self, now: &mut Standing) {
        if self.facts.connections.load(Ordering::Relaxed) > 0 {
            now.last_needed = Instant::now();
        }
        let idle = !self.eager && self.idle_close.is_some_and(|limit| now.last_needed.elapsed() >= limit);
        match &now.link {
            Some(_) if idle => {
                tracing::info!(tunnel = self.name, "closed: no client needs it");
                self.give_up(now);
                now.was_open = false;
                self.facts.is(TunnelState::Waiting);
            }
            Some(link) if link.is_held_up() => {
                tracing::warn!(
                    tunnel = self.name,
                    "a client that does not read holds up others; new clients get a new connection"
                );
                self.give_up(now);
                self.begin(now);
            }
            Some(link) if now.looking.is_none() => {
                let link = Arc::clone(link);
                now.looking = Some(async move { Seen::Link(Arc::clone(&link), link.stands().await) }.boxed());
            }
            None if now.looking.is_none()
                && now.failure.as_ref().is_some_and(|failure| failure.class.is_permanent()) =>
            {
                let (links, hops) = (Arc::clone(&self.links), self.hops.clone());
                now.looking = Some(async move { Seen::Ground(links.ground(&hops).await) }.boxed());
            }
            _ => {}
        }
    }

    fn seen(&self, now: &mut Standing, seen: Seen) {
        match seen {
            Seen::Link(link, stands) => {
                if !stands && now.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, &link)) {
                    tracing::info!(
                        tunnel = self.name,
                        "another key is used now, or a host key is not trusted any more: connecting anew"
                    );
                    drop(link);
                    self.give_up(now);
                    self.begin(now);
                }
            }
            // Somebody has changed a key, or trusts another host key.
            Seen::Ground(ground) => {
                if now.ground.replace(ground).is_some_and(|before| before != ground) && now.link.is_none() {
                    now.next_try = Some(Instant::now());
                }
            }
        }
    }

    /// Clients that use the connection keep it as long as they need it.
    fn give_up(&self, now: &mut Standing) {
        let Some(link) = now.link.take() else { return };
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // This one, and nobody else who holds it.
            while Arc::strong_count(&link) > 1 {
                let wait = tokio::time::sleep(LOOK_EVERY);
                tokio::select! {
                    () = wait => {}
                    () = link.lost() => break,
                    () = stop.cancelled() => break,
                }
            }
            link.close().await;
        });
    }

    fn close_apart(&self, link: Arc<dyn TunnelLink>) {
        self.tracker.spawn(async move { link.close().await });
    }
}

async fn lost(link: Option<&Arc<dyn TunnelLink>>) {
    match link {
        Some(link) => link.lost().await,
        None => std::future::pending().await,
    }
}

async fn looking(look: &mut Option<BoxFuture<'static, Seen>>) -> Seen {
    match look {
        Some(look) => look.await,
        None => std::future::pending().await,
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
