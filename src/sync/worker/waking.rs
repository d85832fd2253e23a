//! A save while the remote cannot be reached is worth a try: nobody shall wait minutes for a server that is back.

use std::time::{Duration, Instant};

use super::Worker;
use crate::sync::engine::Look;

/// Not more often than this, however much is saved.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);
/// Not at once: a host that was tried within the last second is not tried again before that is over.
const SOON: Duration = Duration::from_millis(1_200);

impl Worker {
    /// Asks the remote soon, although its turn has not come.
    pub(super) fn wake_for(&mut self, look: Option<&Look>) {
        let waits = self.link.failure().is_some_and(|error| !error.failure.class.is_permanent());
        let saved = matches!(look, Some(Look::Apps(_)));
        if waits && saved && self.woken_at.is_none_or(|at| at.elapsed() >= AT_MOST_EVERY) {
            self.woken_at = Some(Instant::now());
            self.remote.try_at_once();
            self.schedule.poll_within(SOON);
        }
    }
}
