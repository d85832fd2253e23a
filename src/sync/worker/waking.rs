//! A save while the remote cannot be reached is worth a try: nobody shall wait minutes for a server that is back.

use std::time::{Duration, Instant};

use super::Worker;
use crate::sync::engine::Look;

/// Not more often than this, however much is saved.
const AT_MOST_EVERY: Duration = Duration::from_secs(5);

impl Worker {
    /// Whether to ask the remote now, although its turn has not come.
    pub(super) fn is_woken_by(&mut self, look: Option<&Look>) -> bool {
        let waits = self.link.failure().is_some_and(|error| !error.failure.class.is_permanent());
        let saved = matches!(look, Some(Look::Apps(_)));
        if !waits || !saved || self.woken_at.is_some_and(|at| at.elapsed() < AT_MOST_EVERY) {
            return false;
        }
        self.woken_at = Some(Instant::now());
        self.remote.try_at_once();
        true
    }
}
