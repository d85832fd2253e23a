//! Whether the remote can be talked to, and when that is tried again.

use std::time::{Duration, Instant};

use crate::domain::status::ErrorStatus;
use crate::domain::{Backoff, Failure, FailureClass};

/// The first wait after a failure, and the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);
/// After a failure that lasts until a person changes something, the wait is at least this: whoever is refused does not hammer.
const PERMANENT: Duration = Duration::from_secs(15);

/// A key that is not in the store may be put there at any moment, and looking costs nothing (rule 21). The same goes for a
/// host key that a person may trust at any moment, where the remote holds back by itself.
const LOOK_FOR_KEY: Duration = Duration::from_secs(1);

/// What the log says of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    failed: &'static str,
    again: &'static str,
}

pub(super) const READING: Words =
    Words { failed: "the remote cannot be used", again: "the remote can be reached again" };
pub(super) const PUSHING: Words = Words { failed: "nothing can be pushed", again: "pushing works again" };

/// The line to the remote, for one kind of talk: reading, or pushing. A key may be allowed the one and not the other.
#[derive(Debug)]
pub(super) struct Link {
    /// See [`Remote::holds_back`](crate::ports::Remote::holds_back).
    remote_holds_back: bool,
    backoff: Backoff,
    failure: Option<ErrorStatus>,
    retry_at: Option<Instant>,
    /// What became of the last talk is not known: the remote is asked where it is before it goes on.
    pub(super) in_doubt: bool,
    words: Words,
    last_success: Option<jiff::Timestamp>,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(false, READING)
    }
}

impl Link {
    pub(super) fn new(remote_holds_back: bool, words: Words) -> Self {
        let backoff = Backoff::new(FIRST, LONGEST);
        Self { remote_holds_back, backoff, failure: None, retry_at: None, in_doubt: false, words, last_success: None }
    }

    /// Whether the last talk went well, or none was tried yet.
    pub(super) fn is_up(&self) -> bool {
        self.failure.is_none()
    }

    /// Whether the next talk need not wait.
    pub(super) fn may_try(&self) -> bool {
        !self.in_doubt && self.retry_at.is_none_or(|at| at <= Instant::now())
    }

    /// How long the next talk is to wait still, if it is.
    pub(super) fn waits(&self) -> Option<Duration> {
        let wait = self.retry_at?.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// There is nothing to talk of any more: what went wrong is past. The next talk still keeps its distance.
    pub(super) fn nothing_left(&mut self) {
        self.failure = None;
    }

    /// Somebody asks for it now.
    pub(super) fn try_at_once(&mut self) {
        self.retry_at = None;
    }

    pub(super) fn failure(&self) -> Option<&ErrorStatus> {
        self.failure.as_ref()
    }

    pub(super) fn last_success(&self) -> Option<jiff::Timestamp> {
        self.last_success
    }

    pub(super) fn succeeded(&mut self) {
        if let Some(failure) = self.failure.take() {
            tracing::info!(class = failure.failure.class.words(), "{}", self.words.again);
        }
        self.backoff.reset();
        self.retry_at = None;
        self.last_success = Some(jiff::Timestamp::now());
    }

    /// Notes the failure. Answers how long to wait.
    pub(super) fn failed(&mut self, failure: Failure) -> Duration {
        let mut wait = self.backoff.after_failure(rand::random());
        let host_key_held = failure.class == FailureClass::HostKey && self.remote_holds_back;
        if failure.class == FailureClass::Key || host_key_held {
            wait = LOOK_FOR_KEY;
        } else if failure.class.is_permanent() {
            wait = wait.max(PERMANENT);
        }
        let known = self.failure.as_ref().filter(|known| known.failure.class == failure.class);
        if known.is_none() {
            tracing::warn!(class = failure.class.words(), %failure, retry_in_ms = wait.as_millis(), "{}", self.words.failed);
        }
        let now = jiff::Timestamp::now();
        let since = known.map_or_else(|| now.to_string(), |known| known.since.clone());
        let next_try = now.checked_add(wait).ok().map(|time| time.to_string());
        self.failure = Some(ErrorStatus { failure, since, next_try });
        self.retry_at = Some(Instant::now() + wait);
        wait
    }
}
