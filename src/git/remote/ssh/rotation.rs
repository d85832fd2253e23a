//! A key that is being rotated, as one repository sees it.
//!
//! That a server lets the new key pair in says little: it may be another account's. Only when both services of the
//! repository answered to it is it seen to work. Where a service refuses it, the pair before is used for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::error::Asking;
use crate::domain::{Failure, FailureClass};
use crate::ports::{GitService, KeyVersion, Pair, UsedKey};

/// What is known of the rotation that is under way, if there is one.
pub(super) struct Rotation {
    again: Duration,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    version: KeyVersion,
    read: Service,
    write: Service,
}

/// How one service takes the new key pair.
#[derive(Default)]
struct Service {
    answered: Option<Instant>,
    refused: Option<Instant>,
    refusal_told: bool,
    /// When it was asked for no other reason than to know.
    checked: Option<Instant>,
}

impl Rotation {
    /// Nothing is known yet. What was refused is tried again after `again`.
    pub(super) fn new(again: Duration) -> Self {
        Self { again, seen: Mutex::default() }
    }

    /// The pair to ask the service with.
    pub(super) fn pair(&self, asking: Asking) -> Pair {
        let refused = self.locked().as_mut().is_some_and(|seen| self.is_recent(seen.service(asking).refused));
        if refused { Pair::Previous } else { Pair::Current }
    }

    /// Notes which key a command runs with; what was known of another state of that key is forgotten.
    pub(super) fn runs_with(&self, used: &UsedKey) {
        let mut seen = self.locked();
        if seen.as_ref().is_some_and(|seen| seen.version != used.version) {
            *seen = None;
        }
        if seen.is_none() && used.version.previous.is_some() {
            let version = used.version.clone();
            *seen = Some(Seen { version, read: Service::default(), write: Service::default() });
        }
    }

    /// Notes that a service answered to the new pair. Answers whether that is news, and not just another poll.
    pub(super) fn answered(&self, used: &UsedKey, asking: Asking) -> bool {
        let mut seen = self.locked();
        let Some(service) = of_new_pair(&mut seen, used, asking) else { return false };
        service.refused = None;
        let news = !self.is_recent(service.answered);
        if news {
            service.answered = Some(Instant::now());
        }
        news
    }

    /// Notes that a service refused the new pair: from now on the one before is used.
    pub(super) fn refused(&self, used: &UsedKey, asking: Asking, failure: &Failure) {
        let mut seen = self.locked();
        let Some(service) = of_new_pair(&mut seen, used, asking) else { return };
        service.refused = Some(Instant::now());
        if !std::mem::replace(&mut service.refusal_told, true) {
            let (new, old) = (&used.version.fingerprint, used.version.previous.as_deref().unwrap_or_default());
            tracing::warn!(
                %failure,
                "{} refuses the new key pair ({new}), so the one before ({old}) is used",
                asking.service()
            );
        }
    }

    /// The pair before was of no help: both are tried the next time. Answers its fingerprint.
    pub(super) fn forget_refusal(&self, asking: Asking) -> Option<String> {
        let mut seen = self.locked();
        let seen = seen.as_mut()?;
        seen.service(asking).refused = None;
        seen.version.previous.clone()
    }

    /// A person asks for something: what was refused to the new pair may be granted by now.
    pub(super) fn try_at_once(&self) {
        if let Some(seen) = self.locked().as_mut() {
            for service in [&mut seen.read, &mut seen.write] {
                (service.refused, service.checked) = (None, None);
            }
        }
    }

    /// Whether reading is proved and writing is not, and it is time to ask. Whoever gets `true` asks.
    pub(super) fn write_is_to_be_checked(&self) -> bool {
        let mut seen = self.locked();
        let Some(seen) = seen.as_mut().filter(|seen| seen.read.answered.is_some()) else { return false };
        let write = &mut seen.write;
        let known = write.answered.is_some() || self.is_recent(write.refused) || self.is_recent(write.checked);
        if !known {
            write.checked = Some(Instant::now());
        }
        !known
    }

    fn is_recent(&self, at: Option<Instant>) -> bool {
        at.is_some_and(|at| at.elapsed() < self.again)
    }

    fn locked(&self) -> MutexGuard<'_, Option<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    const fn service(&mut self, asking: Asking) -> &mut Service {
        match asking {
            Asking::Read => &mut self.read,
            Asking::Write => &mut self.write,
        }
    }
}

fn of_new_pair<'a>(seen: &'a mut Option<Seen>, used: &UsedKey, asking: Asking) -> Option<&'a mut Service> {
    let seen = seen.as_mut().filter(|seen| used.is_being_proved() && seen.version == used.version)?;
    Some(seen.service(asking))
}

/// Whether a failure says that the service does not serve this key: another one may be welcome.
pub(super) const fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::RepositoryAbsent | FailureClass::Refused)
}

/// The port's word for it.
pub(super) const fn service(asking: Asking) -> GitService {
    match asking {
        Asking::Read => GitService::Read,
        Asking::Write => GitService::Write,
    }
}

/// Both pairs were refused.
pub(super) fn neither(new: Failure, old: Option<&str>, second: &Failure) -> Failure {
    let old = old.unwrap_or_default();
    Failure { message: format!("{}; with the key pair before ({old}): {}", new.message, second.message), ..new }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn used(generation: u32, pair: Pair, previous: Option<&str>) -> UsedKey {
        let previous = previous.map(str::to_owned);
        UsedKey {
            pair,
            version: KeyVersion { generation, fingerprint: generation.to_string(), previous, source: "test" },
        }
    }

    fn refusal() -> Failure {
        Failure::new(FailureClass::RepositoryAbsent, "no such repository", "")
    }

    #[test]
    fn a_refusal_of_the_new_pair_counts_for_that_service_until_it_is_time_or_the_key_changes() {
        let rotation = Rotation::new(HOUR);
        let new = used(2, Pair::Current, Some("1"));
        rotation.runs_with(&new);
        rotation.refused(&new, Asking::Write, &refusal());
        assert_eq!((rotation.pair(Asking::Read), rotation.pair(Asking::Write)), (Pair::Current, Pair::Previous));
        rotation.runs_with(&used(3, Pair::Current, Some("2")));
        assert_eq!(rotation.pair(Asking::Write), Pair::Current);
        rotation.runs_with(&new);
        rotation.refused(&new, Asking::Read, &refusal());
        rotation.try_at_once();
        assert_eq!(rotation.pair(Asking::Read), Pair::Current);
        let impatient = Rotation::new(Duration::ZERO);
        impatient.runs_with(&new);
        impatient.refused(&new, Asking::Write, &refusal());
        assert_eq!(impatient.pair(Asking::Write), Pair::Current);
    }

    #[test]
    fn an_answer_is_news_once_and_only_to_the_new_pair_of_a_rotation() {
        let rotation = Rotation::new(HOUR);
        for (key, news) in [
            (used(1, Pair::Current, None), false),
            (used(2, Pair::Previous, Some("1")), false),
            (used(2, Pair::Current, Some("1")), true),
            (used(2, Pair::Current, Some("1")), false),
        ] {
            rotation.runs_with(&key);
            assert_eq!(rotation.answered(&key, Asking::Read), news, "{key:?}");
        }
    }

    #[test]
    fn writing_is_checked_once_reading_is_proved_and_not_at_each_poll() {
        let rotation = Rotation::new(HOUR);
        let new = used(2, Pair::Current, Some("1"));
        rotation.runs_with(&new);
        assert!(!rotation.write_is_to_be_checked());
        rotation.answered(&new, Asking::Read);
        assert!(rotation.write_is_to_be_checked());
        assert!(!rotation.write_is_to_be_checked());
    }
}
