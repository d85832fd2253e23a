//! Named keys: made, brought in, shown.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;

use super::error::{KeyError, UnknownKey};
use super::material::{self, KeyKind, Pem};
use super::protection::Protection;
use super::record::KeyRecord;
use super::ring::MasterRing;
use super::seal;
use crate::domain::{Failure, KeyName};
use crate::ports::{AuditLog, Changed, HostTrust, KeyRecords, NewKey, SealedMaterial};

/// All that a store keeps.
pub trait Records: KeyRecords + HostTrust + AuditLog {}

impl<T: KeyRecords + HostTrust + AuditLog> Records for T {}

/// Named keys in a store. Cheap to clone; nothing read from the store is kept.
#[derive(Clone)]
pub struct KeyService {
    pub(super) records: Arc<dyn Records>,
    pub(super) ring: Arc<MasterRing>,
    /// Passphrases that were given from outside.
    pub(super) given: Arc<HashMap<KeyName, SecretString>>,
    /// What this process is called among the users of a key.
    pub(super) user: Arc<str>,
}

impl KeyService {
    /// The service over `records`, sealed with the master keys of `ring`. [`KeyService::open`] builds both.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, ring: Arc<MasterRing>) -> Self {
        Self { records, ring, given: Arc::default(), user: "somebody".into() }
    }

    /// The same, knowing the passphrase of a key.
    #[must_use]
    pub fn with_passphrase(mut self, name: KeyName, passphrase: SecretString) -> Self {
        Arc::make_mut(&mut self.given).insert(name, passphrase);
        self
    }

    /// The same, on behalf of `user`: `environment of prod`.
    #[must_use]
    pub fn on_behalf_of(mut self, user: &str) -> Self {
        self.user = user.into();
        self
    }

    /// The host keys that people have trusted.
    #[must_use]
    pub fn host_trust(&self) -> Arc<dyn HostTrust> {
        self.records.clone()
    }

    /// The log of what was done.
    #[must_use]
    pub fn audit_log(&self) -> Arc<dyn AuditLog> {
        self.records.clone()
    }

    /// Makes a key and stores it under `name`.
    ///
    /// # Errors
    /// [`KeyError::Taken`] if there is a key of that name (it stays as it is), [`KeyError::Generate`],
    /// [`KeyError::Store`].
    pub async fn generate(&self, name: &KeyName, kind: KeyKind, protection: Protection) -> Result<KeyRecord, KeyError> {
        self.must_be_free(name).await?; // before the seconds that a large key takes
        let sealed = self.seal_in_background(move || Ok((material::generate(kind)?, protection))).await?;
        self.add(name, sealed, "generated").await
    }

    /// All keys, sorted by name.
    ///
    /// # Errors
    /// [`KeyError::Store`].
    pub async fn list(&self) -> Result<Vec<KeyRecord>, KeyError> {
        Ok(self.records.rows(None).await?.into_iter().map(KeyRecord::from).collect())
    }

    /// What is shown of the key of exactly this name.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn show(&self, name: &KeyName) -> Result<KeyRecord, KeyError> {
        match self.records.rows(Some(name)).await?.pop() {
            Some(row) => Ok(row.into()),
            None => Err(self.absent(name).await),
        }
    }

    /// The public key line of the key of exactly this name; during a rotation, that of the new key pair.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn public(&self, name: &KeyName) -> Result<String, KeyError> {
        Ok(self.show(name).await?.pair.public_key)
    }

    /// Makes `names` the keys that `user` (`environment of prod`, `tunnel db`) uses, and none else; a key that is in use
    /// cannot be deleted. A name without a key is no error: the key is in use from the moment it is made.
    ///
    /// # Errors
    /// [`KeyError::Store`].
    pub async fn mark_used_by(&self, user: &str, names: &[KeyName]) -> Result<(), KeyError> {
        Ok(self.records.claim(user, names).await?)
    }

    /// Writes back and lets go of the store. Calls after it fail.
    pub async fn close(&self) {
        self.records.close().await;
    }

    /// That there is no key of this name, with the names there are.
    pub(super) async fn absent(&self, asked: &KeyName) -> KeyError {
        match self.records.rows(None).await {
            Ok(rows) => {
                let names = rows.into_iter().map(|row| row.name.to_string()).collect();
                UnknownKey { asked: asked.to_string(), names }.into()
            }
            Err(failure) => failure.into(),
        }
    }

    pub(super) async fn must_be_free(&self, name: &KeyName) -> Result<(), KeyError> {
        if self.records.rows(Some(name)).await?.is_empty() {
            Ok(())
        } else {
            Err(KeyError::Taken { name: name.clone() })
        }
    }

    /// Runs `make`, which may take long, and seals what comes of it.
    pub(super) async fn seal_in_background(
        &self,
        make: impl FnOnce() -> Result<(Pem, Protection), KeyError> + Send + 'static,
    ) -> Result<SealedMaterial, KeyError> {
        let ring = Arc::clone(&self.ring);
        let made = tokio::task::spawn_blocking(move || {
            let (pem, protection) = make()?;
            seal::seal(&ring, &pem, &protection)
        });
        made.await.map_err(Failure::internal)?
    }

    pub(super) async fn add(
        &self,
        name: &KeyName,
        material: SealedMaterial,
        origin: &'static str,
    ) -> Result<KeyRecord, KeyError> {
        let id = seal::new_id().map_err(KeyError::random)?;
        let key = NewKey { id, name: name.clone(), created_ms: Timestamp::now().as_millisecond(), material, origin };
        match self.records.add(key).await? {
            Changed::Done => self.show(name).await,
            _ => Err(KeyError::Taken { name: name.clone() }),
        }
    }
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").field("master_keys", &self.ring.ids()).finish_non_exhaustive()
    }
}
