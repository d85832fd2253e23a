//! The one task that makes a tunnel's connection, watches it, and makes it again.

mod look;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::look::{LOOK_EVERY, Seen};
use super::attempts::{Attempts, FRESH, Waiter};
use super::facts::Facts;
use super::ways::{Outcome, Way};
use crate::domain::tunnel::TunnelState;
use crate::domain::{Backoff, Failure, FailureClass};
use crate::ports::TunnelLink;

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Looking for a key that is missing here costs the server nothing.
const KEY_WAIT: Duration = Duration::from_secs(15);

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
    pub(super) way: Arc<Way>,
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

impl Connector {
    /// Runs until the tunnel ends.
    pub(super) async fn run(self, mut asks: mpsc::Receiver<Ask>) {
        let mut now = self.at_first();
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
                    Outcome { answer: Ok(link), .. } => self.is_open(&mut now, link),
                    Outcome { answer: Err(failure), ground, again } => self.failed(&mut now, failure, ground, again),
                },
                () = lost(link.as_ref()) => self.is_lost(&mut now, "the connection to the bastion was lost"),
                () = due(next_try) => self.try_again(&mut now),
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

    fn at_first(&self) -> Standing {
        Standing {
            attempts: Attempts::new(self.name.clone(), Arc::clone(&self.way)),
            link: None,
            was_open: false,
            failure: None,
            ground: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            next_try: self.eager.then(Instant::now),
            last_needed: Instant::now(),
            looking: None,
        }
    }

    /// Its own time has come. An attempt that somebody began counts: the first of all has all the time that it needs, and where
    /// logins are refused, a second one beside it would be refused, too. Else one that is not of this moment may hang in
    /// something that has passed.
    fn try_again(&self, now: &mut Standing) {
        let may_hang = now.failure.as_ref().is_some_and(|failure| !failure.class.is_permanent());
        if now.attempts.are_running() && !may_hang {
            now.next_try = None; // how it ends says when the next one is due
        } else if now.attempts.are_running() && now.attempts.began_just_now() {
            now.next_try = Some(Instant::now() + FRESH);
        } else {
            now.next_try = None;
            self.begin(now, false);
        }
    }

    fn begin(&self, now: &mut Standing, by_a_person: bool) {
        if now.link.is_none() {
            if now.failure.is_none() {
                self.facts.is(TunnelState::Opening);
            }
            now.attempts.begin(by_a_person);
        }
    }

    fn asked(&self, now: &mut Standing, ask: Ask) {
        now.last_needed = Instant::now();
        let (waiter, by_a_person) = match ask {
            Ask::Link(waiter) => (waiter, false),
            Ask::Now(waiter) => (waiter, true),
            Ask::Suspect(suspect) => {
                if now.link.as_ref().is_some_and(|link| Arc::ptr_eq(link, &suspect)) {
                    drop(suspect);
                    self.give_up(now); // it may only be slow: then those who use it go on, else its keepalive ends it
                    self.is_lost(now, "the bastion does not answer any more");
                }
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
            // One that hangs may hang in what has passed; where logins are refused, another one would be refused, too.
            Some(failure) if running => !just_now && !failure.class.is_permanent(),
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
            self.begin(now, by_a_person);
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

    fn failed(&self, now: &mut Standing, failure: Failure, ground: u64, again: Option<Instant>) {
        let news = now.failure.as_ref() != Some(&failure);
        self.facts.went_wrong(&failure);
        self.facts.is(TunnelState::Down);
        if news {
            tracing::warn!(tunnel = self.name, class = failure.class.words(), %failure, "the tunnel is down");
        }
        now.next_try = Some(again.unwrap_or_else(|| Instant::now() + now.wait_after(failure.class)));
        now.ground = Some(ground);
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
}

impl Standing {
    fn wait_after(&mut self, class: FailureClass) -> Duration {
        if class == FailureClass::Key {
            return KEY_WAIT;
        }
        self.backoff.after_failure(rand::random())
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
