//! Keys in the key-value engine (version 2) of `HashiCorp` Vault or `OpenBao`: a secret a key, with the fields `private_key`
//! and `passphrase`.

mod answer;
mod client;
mod json_text;
mod refusal;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use self::answer::Secret;
use self::client::Client;
use crate::config::VaultSettings;
use crate::domain::{Failure, KeyName};
use crate::ports::{KeySource, SourceKey, Stamp};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct VaultTimes {
    /// For one question and its whole answer.
    pub answer: Duration,
    /// How long the version of a key that was read is believed: so late is a new version noticed, at most.
    pub believed: Duration,
}

impl Default for VaultTimes {
    fn default() -> Self {
        Self { answer: Duration::from_secs(10), believed: Duration::from_secs(30) }
    }
}

/// A Vault. No key is kept; of those that were read, the versions are.
pub struct VaultSource {
    client: Client,
    believed: Duration,
    seen: Mutex<HashMap<KeyName, Seen>>,
}

/// The version of a key, and when it was looked at.
struct Seen {
    stamp: Stamp,
    at: Instant,
}

impl VaultSource {
    /// The Vault of `settings`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`FailureClass::Key`](crate::domain::FailureClass::Key): the address or the namespace cannot be used.
    pub fn new(settings: &VaultSettings, times: VaultTimes) -> Result<Self, Failure> {
        let client = Client::new(settings, times.answer)?;
        Ok(Self { client, believed: times.believed, seen: Mutex::default() })
    }

    async fn read(&self, name: &KeyName) -> Result<Option<Secret>, Failure> {
        let found = self.client.read(name).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &found {
            Some(secret) => seen.insert(name.clone(), Seen { stamp: secret.stamp.clone(), at: Instant::now() }),
            None => seen.remove(name),
        };
        Ok(found)
    }

    /// The stamp that was seen last, if it is younger than `age`.
    fn seen_within(&self, name: &KeyName, age: Duration) -> Option<Stamp> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(name).filter(|seen| seen.at.elapsed() < age).map(|seen| seen.stamp.clone())
    }

    /// The stamp that was seen last, which holds until the next look.
    fn keep_believing(&self, name: &KeyName) -> Option<Stamp> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.get_mut(name)?;
        seen.at = Instant::now();
        Some(seen.stamp.clone())
    }
}

#[async_trait]
impl KeySource for VaultSource {
    fn word(&self) -> &'static str {
        "vault"
    }

    async fn find(&self, name: &KeyName) -> Result<Option<SourceKey>, Failure> {
        let found = self.read(name).await?;
        Ok(found.map(|secret| SourceKey {
            private: secret.private,
            passphrase: secret.passphrase,
            place: secret.place,
            notice: None,
        }))
    }

    async fn names(&self) -> Result<Vec<KeyName>, Failure> {
        self.client.list().await
    }

    async fn stamp(&self, name: &KeyName) -> Option<Stamp> {
        if let Some(stamp) = self.seen_within(name, self.believed) {
            return Some(stamp);
        }
        match self.read(name).await {
            Ok(found) => found.map(|secret| secret.stamp),
            // The key is not there for us any more, or never was: `find` says why.
            Err(failure) if failure.class.is_permanent() => None,
            // Sessions that are open need no key: a Vault that is sealed or away does not stop them.
            Err(failure) => {
                let stamp = self.keep_believing(name)?;
                tracing::warn!(key = %name, %failure, "the key's version cannot be asked for; the one seen last is believed");
                Some(stamp)
            }
        }
    }
}
