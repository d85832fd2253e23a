//! Ways to bastions: tunnels that log in alike share what became of their logins, as a server counts those that it refuses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::domain::{Backoff, Failure, FailureClass};
use crate::ports::{SshTarget, TunnelLink, TunnelLinks};

/// What a client is told.
pub(super) type Answer = Result<Arc<dyn TunnelLink>, Failure>;

/// After a failure that lasts until somebody changes something: each attempt is a failed login in the server's log, which tools
/// such as fail2ban count. Doubled up to the limit; with little jitter that makes fewer than the five in ten minutes it bans for.
const LASTING_FIRST: Duration = Duration::from_secs(75);
const LASTING_LIMIT: Duration = Duration::from_mins(5);

/// An attempt through several hops ends after so long, whatever it hangs in.
const LONGEST: Duration = Duration::from_mins(1);

/// Where the last login was let in, the next ones wait so long for what becomes of one that runs: many come at once when a
/// bastion was lost, and by then it may refuse them.
const MOMENT: Duration = Duration::from_millis(300);

/// The same where nobody was told anything yet: a client that asks meanwhile has 2 s in all (rule 26).
const FIRST_MOMENT: Duration = Duration::from_secs(1);

/// The ways that are in use.
#[derive(Default)]
pub(super) struct Ways(Mutex<HashMap<Vec<SshTarget>, Weak<Way>>>);

/// The logins at one bastion after another, and how the last of them went.
pub(super) struct Way {
    links: Arc<dyn TunnelLinks>,
    hops: Vec<SshTarget>,
    /// Held by the one who logs in while others wait for what becomes of it.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

struct Known {
    last: Last,
    /// How often a refusal was over: part of the ground, so that all notice.
    mended: u64,
    lasting: Backoff,
}

/// How the last attempt went.
#[derive(Clone)]
enum Last {
    Unknown,
    NotRefused,
    Refused { failure: Failure, ground: u64, until: Instant },
}

/// How an attempt went.
pub(super) struct Outcome {
    pub(super) answer: Answer,
    /// What it stood on.
    pub(super) ground: u64,
    /// When the next one is due, where all who share the way wait for the same time.
    pub(super) again: Option<Instant>,
}

impl Ways {
    /// The way over these hops.
    pub(super) fn over(&self, hops: Vec<SshTarget>, links: &Arc<dyn TunnelLinks>) -> Arc<Way> {
        let mut ways = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(&hops).and_then(Weak::upgrade) {
            return way;
        }
        ways.retain(|_, way| way.strong_count() > 0);
        let way = Arc::new(Way::new(hops.clone(), Arc::clone(links)));
        ways.insert(hops, Arc::downgrade(&way));
        way
    }
}

impl Way {
    pub(super) fn new(hops: Vec<SshTarget>, links: Arc<dyn TunnelLinks>) -> Self {
        let lasting = Backoff::new(LASTING_FIRST, LASTING_LIMIT);
        let known = Mutex::new(Known { last: Last::Unknown, mended: 0, lasting });
        Self { links, hops, turn: tokio::sync::Mutex::default(), known }
    }

    /// What an attempt would stand on now.
    pub(super) async fn ground(&self) -> u64 {
        let mended = self.known().mended;
        self.links.ground(&self.hops).await.wrapping_add(mended)
    }

    /// Connects for the tunnel `name`, unless that is known to be refused; a person is not held up by what is known. Who comes while
    /// another one is at it hears first what becomes of that: of many that come at once, all would be refused.
    pub(super) async fn open(&self, name: &str, by_a_person: bool) -> Outcome {
        // Before it, so that no change beside it is missed.
        let ground = timeout(LONGEST, self.ground()).await.unwrap_or_default();
        if by_a_person {
            return self.log_in(name, ground).await;
        }
        if let Some(refused) = self.refused(ground) {
            return refused;
        }
        let patience = match self.known().last {
            Last::NotRefused => MOMENT,
            Last::Unknown => FIRST_MOMENT,
            Last::Refused { .. } => LONGEST,
        };
        let turn = timeout(patience, self.turn.lock()).await;
        if let Some(refused) = self.refused(ground) {
            return refused;
        }
        // Where it was let in meanwhile, all that waited go at once, and not one after the other.
        let all_go = patience > MOMENT && matches!(self.known().last, Last::NotRefused);
        let turn = turn.ok().filter(|_| !all_go);
        let outcome = self.log_in(name, ground).await;
        drop(turn);
        outcome
    }

    /// What another one was told, until the time of the next attempt has come or something has changed here.
    fn refused(&self, ground: u64) -> Option<Outcome> {
        match &self.known().last {
            Last::Refused { failure, ground: before, until } if *before == ground && Instant::now() < *until => {
                Some(Outcome { answer: Err(failure.clone()), ground, again: Some(*until) })
            }
            _ => None,
        }
    }

    async fn log_in(&self, name: &str, ground: u64) -> Outcome {
        let answer = timeout(LONGEST, self.links.open(name, &self.hops)).await.unwrap_or_else(|_| Err(too_long()));
        let again = self.note(&answer, ground);
        Outcome { answer, ground, again }
    }

    /// Answers when the next one is due, if it was refused.
    fn note(&self, answer: &Answer, ground: u64) -> Option<Instant> {
        let mut known = self.known();
        match answer {
            Err(failure) if failure.class == FailureClass::Key => None, // nobody was asked
            Err(failure) if failure.class.is_permanent() => {
                if !matches!(known.last, Last::Refused { ground: before, .. } if before == ground) {
                    known.lasting.reset();
                }
                let until = Instant::now() + known.lasting.after_failure(0.6 + 0.4 * rand::random::<f64>());
                known.last = Last::Refused { failure: failure.clone(), ground, until };
                Some(until)
            }
            other => {
                if other.is_ok() && matches!(known.last, Last::Refused { .. }) {
                    known.mended = known.mended.wrapping_add(1);
                }
                known.lasting.reset();
                known.last = Last::NotRefused;
                None
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_long() -> Failure {
    let message = format!("the way to the bastion did not open within {} s", LONGEST.as_secs());
    Failure::new(FailureClass::TimeOut, message, "check each host on the way with `appferry tunnel test`")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use futures::FutureExt as _;
    use futures::future::join_all;

    use super::*;
    use crate::tunnel::fake::Bastion;

    fn way(bastion: &Arc<Bastion>) -> Way {
        Way::new(Vec::new(), Arc::new(Arc::clone(bastion)))
    }

    fn refusal(class: FailureClass) -> Answer {
        Err(Failure::new(class, "the key is refused", "let it in"))
    }

    #[tokio::test]
    async fn refused_logins_are_fewer_than_what_bans_an_address() {
        let way = way(&Arc::default());
        let wait_after = |class| way.note(&refusal(class), 0).map(|until| until - Instant::now());
        for class in [FailureClass::Authentication, FailureClass::HostKey] {
            assert!(wait_after(FailureClass::Connect).is_none());
            let waits: Vec<Duration> = (0..8).filter_map(|_| wait_after(class)).collect();
            for five in waits.windows(4) {
                assert!(five.iter().sum::<Duration>() > Duration::from_mins(10), "fail2ban counts to five: {waits:?}");
            }
            assert!(waits.iter().all(|wait| *wait <= LASTING_LIMIT), "{waits:?}");
            assert!(wait_after(FailureClass::Key).is_none());
        }
        assert!(wait_after(FailureClass::Connect).is_none());
        assert!(
            wait_after(FailureClass::Authentication) <= Some(LASTING_FIRST),
            "another failure in between begins anew"
        );
    }

    #[tokio::test]
    async fn of_many_tunnels_that_log_in_alike_one_is_refused_and_all_are_told() {
        let bastion: Arc<Bastion> = Arc::default();
        bastion.refuses.store(true, Ordering::SeqCst);
        let way = way(&bastion);
        let logins = || bastion.attempts.load(Ordering::SeqCst);
        let told = join_all((0..5).map(|_| way.open("t", false))).await;
        assert!(told.iter().all(|one| one.answer.is_err() && one.again.is_some() && one.again == told[0].again));
        assert_eq!(logins(), 1);
        assert!(way.open("t", true).await.answer.is_err());
        assert_eq!(logins(), 2, "a person passes");
        bastion.ground.store(1, Ordering::SeqCst);
        assert!(way.open("t", false).await.answer.is_err());
        assert_eq!(logins(), 3, "something has changed");
        // Somebody asks after a change on the server: all notice.
        bastion.refuses.store(false, Ordering::SeqCst);
        let before = way.ground().await;
        assert!(way.open("t", true).await.answer.is_ok());
        assert_ne!(way.ground().await, before);
        assert!(way.open("t", false).await.answer.is_ok());
    }

    #[tokio::test]
    async fn a_login_that_hangs_holds_up_others_for_a_moment_only() {
        let bastion: Arc<Bastion> = Arc::default();
        let way = way(&bastion);
        assert!(way.open("first", false).await.answer.is_ok());
        bastion.slow.store(true, Ordering::SeqCst);
        let mut hangs = std::pin::pin!(way.open("second", false));
        assert!(hangs.as_mut().now_or_never().is_none());
        bastion.slow.store(false, Ordering::SeqCst);
        assert!(way.open("third", false).await.answer.is_ok());
    }

    #[tokio::test]
    async fn the_first_login_of_all_holds_up_others_no_longer_than_a_client_can_wait() {
        let bastion: Arc<Bastion> = Arc::default();
        let way = way(&bastion);
        bastion.slow.store(true, Ordering::SeqCst);
        let mut hangs = std::pin::pin!(way.open("first", false));
        assert!(hangs.as_mut().now_or_never().is_none());
        bastion.slow.store(false, Ordering::SeqCst);
        let others = join_all((0..20).map(|_| way.open("other", false)));
        let others = timeout(Duration::from_secs(2), others).await.expect("before the clients give up");
        assert!(others.iter().all(|one| one.answer.is_ok()));
    }

    #[tokio::test]
    async fn ways_over_the_same_hops_are_one() {
        let links: Arc<dyn TunnelLinks> = Arc::new(Arc::<Bastion>::default());
        let ways = Ways::default();
        let one = ways.over(Vec::new(), &links);
        assert!(Arc::ptr_eq(&one, &ways.over(Vec::new(), &links)));
    }
}
