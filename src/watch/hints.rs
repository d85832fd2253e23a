//! Bounded, coalescing hints from the watching thread to whoever looks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::WatchMode;
use crate::domain::AppName;
use crate::ports::Hint;

/// More changed apps than this are "everything".
const MOST_APPS: usize = 256;

/// What was noted and not yet taken.
#[derive(Default)]
pub(super) struct Pending {
    noted: Mutex<Option<Hint>>,
    bell: Notify,
}

impl Pending {
    /// Notes a changed app.
    pub(super) fn app(&self, app: AppName) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *noted {
            Some(Hint::Everything) => return,
            Some(Hint::Apps(apps)) if apps.contains(&app) => return,
            Some(Hint::Apps(apps)) if apps.len() < MOST_APPS => {
                apps.insert(app);
                return;
            }
            Some(Hint::Apps(_)) => *noted = Some(Hint::Everything),
            None => *noted = Some(Hint::Apps(BTreeSet::from([app]))),
        }
        drop(noted);
        self.bell.notify_one();
    }

    /// Notes that anything may have changed.
    pub(super) fn everything(&self) {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hint::Everything);
        self.bell.notify_one();
    }

    fn take(&self) -> Option<Hint> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The hints of one [`Watcher`](super::Watcher).
pub struct Hints {
    pending: Arc<Pending>,
    mode: watch::Receiver<WatchMode>,
    last_everything: Instant,
}

impl Hints {
    pub(super) fn new(pending: Arc<Pending>, mode: watch::Receiver<WatchMode>) -> Self {
        Self { pending, mode, last_everything: Instant::now() }
    }

    /// Waits for the next hint: all that was noted since the last one, or [`Hint::Everything`] when its time has come.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Hint {
        loop {
            if let Some(hint) = self.pending.take() {
                return self.handed_out(hint);
            }
            let due = self.last_everything + self.mode.borrow_and_update().interval();
            tokio::select! { biased;
                () = self.pending.bell.notified() => {}
                () = tokio::time::sleep_until(due) => return self.handed_out(Hint::Everything),
                Ok(()) = self.mode.changed() => {}
            }
        }
    }

    fn handed_out(&mut self, hint: Hint) -> Hint {
        if hint == Hint::Everything {
            self.last_everything = Instant::now();
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_coalesce_and_too_many_are_everything() {
        let pending = Pending::default();
        let app = |number: usize| AppName::new(format!("app {number}")).unwrap();
        pending.app(app(1));
        pending.app(app(1));
        pending.app(app(2));
        assert_eq!(pending.take(), Some(Hint::Apps(BTreeSet::from([app(1), app(2)]))));
        (0..=MOST_APPS).for_each(|number| pending.app(app(number)));
        pending.app(app(1));
        assert_eq!(pending.take(), Some(Hint::Everything));
        assert_eq!(pending.take(), None);
    }
}
