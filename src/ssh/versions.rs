//! Which key pair a name stands for, looked up not more often than needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::{KeyVersion, Keyring};

type Known = Arc<tokio::sync::Mutex<Option<(Instant, KeyVersion)>>>;

/// What the keyring said last, for a while.
pub(super) struct Versions {
    keyring: Arc<dyn Keyring>,
    fresh_for: Duration,
    known: Mutex<HashMap<KeyName, Known>>,
}

impl Versions {
    /// Asks `keyring`, and believes each answer `fresh_for`.
    pub(super) fn new(keyring: Arc<dyn Keyring>, fresh_for: Duration) -> Self {
        Self { keyring, fresh_for, known: Mutex::default() }
    }

    /// The version of now, or of a moment ago. Many who ask at once cost one question. A store that does not answer for a
    /// while does not end what was begun with the version that was known.
    ///
    /// # Errors
    /// [`FailureClass::Key`] when there is no such key; any other when nothing is known and the store does not answer.
    pub(super) async fn of(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        let known = self.slot(name);
        let mut known = known.lock().await;
        if let Some((at, version)) = &*known
            && at.elapsed() < self.fresh_for
        {
            return Ok(version.clone());
        }
        match (self.keyring.version(name).await, &*known) {
            (Ok(version), _) => {
                *known = Some((Instant::now(), version.clone()));
                Ok(version)
            }
            (Err(failure), Some((_, version))) if failure.class != FailureClass::Key => {
                tracing::warn!(key = %name, %failure, "the key could not be checked; its sessions go on");
                Ok(version.clone())
            }
            (Err(failure), _) => {
                *known = None;
                Err(failure)
            }
        }
    }

    /// Notes a version that was learnt by opening the key.
    pub(super) async fn learn(&self, name: &KeyName, version: KeyVersion) {
        *self.slot(name).lock().await = Some((Instant::now(), version));
    }

    fn slot(&self, name: &KeyName) -> Known {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry(name.clone()).or_default())
    }
}
