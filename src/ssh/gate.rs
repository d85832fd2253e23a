//! When a connection may be tried again after a failure: one attempt at a time, and everybody in between is told at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::purpose::Purpose;
use super::settings::Settings;
use crate::domain::{Backoff, Failure, FailureClass};
use crate::ports::{KeyVersion, Pair, SshTarget};

/// Who connects, and what for: the classes of work for one purpose share what became of it, in the words of that purpose.
pub(super) type Who = (SshTarget, Purpose, Pair);

/// What an attempt stood on. When that has changed, another attempt may end differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    pub(super) version: KeyVersion,
    /// Stands for the host keys that were trusted.
    pub(super) host_keys: Option<u64>,
}

/// The right to try. An attempt is under way as long as this is there.
pub(super) struct Permit(#[expect(dead_code, reason = "it only has to be there")] Option<Arc<()>>);

/// What became of the last attempts of all who failed.
pub(super) struct Gates {
    first: Duration,
    limit: Duration,
    permanent: Duration,
    ask_again: Duration,
    failed: Mutex<HashMap<Who, Gate>>,
}

struct Gate {
    backoff: Backoff,
    failure: Failure,
    ground: Ground,
    failed_at: Instant,
    retry_at: Instant,
    trying: Weak<()>,
    /// That the key pair before stands in has been said.
    stand_in_told: bool,
}

impl Gates {
    /// All open.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            first: settings.retry_first,
            limit: settings.retry_limit,
            permanent: settings.permanent_retry,
            ask_again: settings.ask_again,
            failed: Mutex::default(),
        }
    }

    /// Whether an attempt may be made now, with the key as it is.
    ///
    /// # Errors
    /// The last failure, which says when it is tried again.
    pub(super) fn enter(&self, who: &Who, version: &KeyVersion) -> Result<Permit, Failure> {
        let mut gates = self.locked();
        let Some(gate) = gates.get_mut(who) else { return Ok(Permit(None)) };
        if !is_same_key(&gate.ground.version, version) {
            gates.remove(who);
            return Ok(Permit(None));
        }
        let now = Instant::now();
        if gate.trying.upgrade().is_some() || now < gate.retry_at {
            return Err(gate.told(now));
        }
        let permit = Arc::new(());
        gate.trying = Arc::downgrade(&permit);
        Ok(Permit(Some(permit)))
    }

    /// Notes that an attempt on this ground has failed.
    pub(super) fn failed(&self, who: &Who, failure: &Failure, ground: Ground) {
        let mut gates = self.locked();
        let now = Instant::now();
        let gate = gates.entry(who.clone()).or_insert_with(|| Gate {
            backoff: Backoff::new(self.first, self.limit),
            failure: failure.clone(),
            ground: ground.clone(),
            failed_at: now,
            retry_at: now,
            trying: Weak::new(),
            stand_in_told: false,
        });
        let passing = gate.backoff.after_failure(rand::random());
        let wait = match failure.class {
            // Looking for a key costs the host nothing, and it may be there at any moment (rule 21).
            FailureClass::Key => self.permanent.min(self.ask_again),
            class if class.is_permanent() => self.permanent,
            _ => passing,
        };
        gate.stand_in_told &= is_same_key(&gate.ground.version, &ground.version);
        (gate.failure, gate.ground, gate.failed_at, gate.retry_at) = (failure.clone(), ground, now, now + wait);
    }

    /// Notes that all is well.
    pub(super) fn opened(&self, who: &Who) {
        self.locked().remove(who);
    }

    /// Whether what holds `who` back is the host key: then it is worth looking whether another one is trusted now.
    pub(super) fn is_host_key(&self, who: &Who) -> bool {
        self.locked().get(who).is_some_and(|gate| gate.failure.class == FailureClass::HostKey)
    }

    /// The host keys that are trusted now; an attempt that failed on others may be made again.
    pub(super) fn host_keys_are(&self, who: &Who, host_keys: Option<u64>) {
        if let Some(gate) = self.locked().get_mut(who)
            && gate.ground.host_keys != host_keys
        {
            gate.retry_at = Instant::now();
        }
    }

    /// After a refusal: how long after it the next attempt is made.
    pub(super) fn hold(&self, who: &Who, wait: Duration) {
        if let Some(gate) = self.locked().get_mut(who) {
            gate.retry_at = gate.failed_at + wait;
        }
    }

    /// Whether it has not been said yet that the other key pair stands in for this one.
    pub(super) fn is_news_that_other_stands_in(&self, who: &Who) -> bool {
        self.locked().get_mut(who).is_some_and(|gate| !std::mem::replace(&mut gate.stand_in_told, true))
    }

    /// A person asks: the next attempt need not wait for its time, only a moment since the last one.
    pub(super) fn ask_again(&self, target: &SshTarget) {
        let mut gates = self.locked();
        for (_, gate) in gates.iter_mut().filter(|((whither, ..), _)| whither == target) {
            gate.retry_at = gate.retry_at.min(gate.failed_at + self.ask_again);
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Who, Gate>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// The failure, for somebody who may not try now. One that lasts is told in the same words each time: what has not
    /// changed is no news, and the next attempt would not help before a person has done something.
    fn told(&self, now: Instant) -> Failure {
        if self.failure.class.is_permanent() {
            return self.failure.clone();
        }
        let wait = self.retry_at.saturating_duration_since(now);
        let when = if wait.is_zero() {
            "another attempt is under way".to_owned()
        } else {
            format!("the next attempt is due in {} s", wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
        };
        let mut failure = self.failure.clone();
        failure.remedy = if failure.remedy.is_empty() { when } else { format!("{}; {when}", failure.remedy) };
        failure
    }
}

/// Whether both stand for the same key pair of now. The pair before is left out: whether there is one can be said
/// differently by a look at the key and by its opening, when the old pair cannot be opened.
fn is_same_key(one: &KeyVersion, other: &KeyVersion) -> bool {
    let of = |version: &KeyVersion| (version.generation, version.source);
    of(one) == of(other) && one.fingerprint == other.fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::KeyName;

    const HOUR: Duration = Duration::from_hours(1);

    fn gates(wait: Duration) -> Gates {
        Gates::new(&Settings { retry_first: wait, retry_limit: wait, permanent_retry: wait, ..Settings::default() })
    }

    fn who() -> Who {
        let key = KeyName::new("deploy").unwrap();
        (SshTarget { host: "git.example.com".into(), port: 22, user: "git".into(), key }, Purpose::Git, Pair::Current)
    }

    fn ground(generation: u32, host_keys: u64) -> Ground {
        let version = KeyVersion { generation, fingerprint: "SHA256:x".into(), previous: None, source: "test" };
        Ground { version, host_keys: Some(host_keys) }
    }

    fn failure(class: FailureClass) -> Failure {
        Failure::new(class, "no way", "look at it")
    }

    #[test]
    fn after_a_failure_everybody_is_told_when_the_next_attempt_is_due() {
        let gates = gates(HOUR);
        let ground = ground(1, 1);
        assert!(gates.enter(&who(), &ground.version).is_ok());
        gates.failed(&who(), &failure(FailureClass::Connect), ground.clone());
        let told = gates.enter(&who(), &ground.version).err().unwrap();
        assert_eq!((told.class, told.message.as_str()), (FailureClass::Connect, "no way"));
        assert!(told.remedy.starts_with("look at it; the next attempt is due in "), "{told}");
        gates.opened(&who());
        assert!(gates.enter(&who(), &ground.version).is_ok());
    }

    #[test]
    fn what_lasts_is_told_in_the_same_words_and_a_missing_key_is_looked_for_after_a_moment() {
        let gates = Gates::new(&Settings { ask_again: Duration::ZERO, ..Settings::default() });
        let ground = ground(1, 1);
        let refused = failure(FailureClass::HostKey);
        gates.failed(&who(), &refused, ground.clone());
        assert_eq!(gates.enter(&who(), &ground.version).err(), Some(refused));
        gates.failed(&who(), &failure(FailureClass::Key), ground.clone());
        assert!(gates.enter(&who(), &ground.version).is_ok());
    }

    #[test]
    fn a_pair_before_that_is_known_but_cannot_be_opened_opens_no_gate() {
        let gates = gates(HOUR);
        let ground = ground(2, 1);
        gates.failed(&who(), &failure(FailureClass::Authentication), ground.clone());
        let looked = KeyVersion { previous: Some("SHA256:old".into()), ..ground.version };
        assert!(gates.enter(&who(), &looked).is_err());
    }

    #[test]
    fn when_the_wait_is_over_one_may_try_at_a_time() {
        let gates = gates(Duration::ZERO);
        let ground = ground(1, 1);
        gates.failed(&who(), &failure(FailureClass::Connect), ground.clone());
        let permit = gates.enter(&who(), &ground.version).ok().unwrap();
        assert!(gates.enter(&who(), &ground.version).is_err_and(|told| told.remedy.contains("under way")));
        drop(permit); // however the attempt ended
        assert!(gates.enter(&who(), &ground.version).is_ok());
    }

    #[test]
    fn that_another_pair_stands_in_is_news_once_for_a_key() {
        let gates = gates(HOUR);
        for (generation, news) in [(2, true), (2, false), (3, true), (3, false)] {
            gates.failed(&who(), &failure(FailureClass::Authentication), ground(generation, 1));
            assert_eq!(gates.is_news_that_other_stands_in(&who()), news, "generation {generation}");
        }
    }

    #[test]
    fn another_key_or_other_host_keys_or_a_person_open_the_way_at_once() {
        let gates = gates(HOUR);
        let first = ground(1, 1);
        gates.failed(&who(), &failure(FailureClass::Authentication), first.clone());
        assert!(gates.enter(&who(), &first.version).is_err());
        assert!(gates.enter(&who(), &ground(2, 1).version).is_ok());

        gates.failed(&who(), &failure(FailureClass::HostKey), first.clone());
        gates.host_keys_are(&who(), Some(1));
        assert!(gates.is_host_key(&who()) && gates.enter(&who(), &first.version).is_err());
        gates.host_keys_are(&who(), Some(2));
        assert!(gates.enter(&who(), &first.version).is_ok());

        let gates = Gates::new(&Settings { ask_again: Duration::ZERO, ..Settings::default() });
        gates.failed(&who(), &failure(FailureClass::Authentication), first.clone());
        assert!(gates.enter(&who(), &first.version).is_err());
        gates.ask_again(&who().0);
        assert!(gates.enter(&who(), &first.version).is_ok());
    }
}
