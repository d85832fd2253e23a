//! Named keys: made, shown, found.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::{KeyError, UnknownKey};
use super::material::{self, KeyKind};
use super::record::{KeyRecord, public_line};
use super::ring::MasterRing;
use super::seal;
use crate::domain::{Failure, KeyName};
use crate::ports::{Added, KeyRecords, KeyUse, KeyVersion, Keyring, NewKey, ResolvedKey};

/// Named keys in a store. Cheap to clone; nothing read from the store is kept.
#[derive(Clone)]
pub struct KeyService {
    records: Arc<dyn KeyRecords>,
    ring: Arc<MasterRing>,
}

impl KeyService {
    /// The service over `records`, sealed with the master keys of `ring`. [`KeyService::open`] builds both.
    #[must_use]
    pub fn new(records: Arc<dyn KeyRecords>, ring: Arc<MasterRing>) -> Self {
        Self { records, ring }
    }

    /// Makes a key and stores it under `name`.
    ///
    /// # Errors
    /// [`KeyError::Taken`] if there is a key of that name (it stays as it is), [`KeyError::Generate`],
    /// [`KeyError::Store`].
    pub async fn generate(&self, name: &KeyName, kind: KeyKind) -> Result<KeyRecord, KeyError> {
        let taken = || KeyError::Taken { name: name.clone() };
        if !self.records.rows(Some(name)).await?.is_empty() {
            return Err(taken()); // before the seconds that a large key takes
        }
        let ring = Arc::clone(&self.ring);
        let made = tokio::task::spawn_blocking(move || {
            let material = material::generate(kind)?;
            let id = seal::new_id().map_err(|e| KeyError::Generate(e.to_string()))?;
            let sealed = seal::seal(&ring, material).map_err(|e| KeyError::Generate(e.to_string()))?;
            Ok::<_, KeyError>((id, sealed))
        });
        let (id, material) = made.await.map_err(Failure::internal)??;
        let created_ms = Timestamp::now().as_millisecond();
        let key = NewKey { id, name: name.clone(), created_ms, material, origin: "generated" };
        match self.records.add(key).await? {
            Added::Stored => self.show(name).await,
            Added::NameTaken => Err(taken()),
        }
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
            None => Err(self.unknown(name).await?.into()),
        }
    }

    /// The public key line of the key of exactly this name.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn public(&self, name: &KeyName) -> Result<String, KeyError> {
        Ok(self.show(name).await?.public_key)
    }

    /// Makes `names` the keys that `user` (`environment`, `tunnel db`) uses, and none else; a key that is in use cannot be deleted. A
    /// name without a key is no error: the key is in use from the moment it is made.
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

    async fn unknown(&self, asked: &KeyName) -> Result<UnknownKey, KeyError> {
        let names = self.records.rows(None).await?.into_iter().map(|row| row.name.to_string()).collect();
        Ok(UnknownKey { asked: asked.to_string(), names })
    }

    async fn unseal(&self, name: &KeyName) -> Result<ResolvedKey, KeyError> {
        let Some(sealed) = self.records.sealed(name).await? else {
            return Err(self.unknown(name).await?.into());
        };
        let private_pem = seal::open(&self.ring, name, &sealed.material)?;
        Ok(ResolvedKey {
            name: name.clone(),
            generation: sealed.generation,
            private_pem,
            public_line: public_line(&sealed.material.public_key, name),
            fingerprint: sealed.material.fingerprint,
            source: "store",
            previous: None,
        })
    }
}

#[async_trait]
impl Keyring for KeyService {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        Ok(self.unseal(name).await?)
    }

    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        let record = self.show(name).await?;
        let (generation, fingerprint) = (record.generation, record.fingerprint);
        Ok(KeyVersion { generation, fingerprint, previous: None, source: "store" })
    }

    async fn record_use(&self, name: &KeyName, used: KeyUse) {
        if let Err(failure) = self.records.note_use(name, &used, Timestamp::now().as_millisecond()).await {
            tracing::warn!(key = %name, purpose = used.purpose, %failure, "the use of a key could not be noted");
        }
    }
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").field("master_keys", &self.ring.ids()).finish_non_exhaustive()
    }
}
