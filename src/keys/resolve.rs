//! From a name to a key that can log in.

use async_trait::async_trait;
use secrecy::SecretString;

use super::error::KeyError;
use super::record::public_line;
use super::service::KeyService;
use super::{material, seal};
use crate::domain::{Failure, KeyName};
use crate::ports::{GitService, KeyUse, KeyVersion, Keyring, ResolvedKey, SealedMaterial};

const STORE: &str = "store";

#[async_trait]
impl Keyring for KeyService {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        Ok(self.from_store(name).await?)
    }

    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        let Some(row) = self.records.rows(Some(name)).await?.pop() else {
            return Err(self.absent(name).await.into());
        };
        Ok(KeyVersion {
            generation: row.current.generation,
            fingerprint: row.current.fingerprint,
            previous: row.previous.map(|previous| previous.fingerprint),
            source: STORE,
        })
    }

    async fn record_use(&self, name: &KeyName, used: KeyUse) {
        if let Err(failure) = self.records.note_use(name, &used).await {
            tracing::warn!(key = %name, purpose = used.purpose, %failure, "the use of a key could not be noted");
        }
    }

    async fn record_answer(&self, name: &KeyName, version: &KeyVersion, service: GitService) {
        if version.previous.is_none() || version.source != STORE {
            return;
        }
        match self.records.note_answer(name, version.generation, &self.user, service).await {
            Ok(true) => {
                tracing::info!(key = %name, new = version.fingerprint, "the rotated key was seen to work; the one before was dropped")
            }
            Ok(false) => {}
            Err(failure) => tracing::warn!(key = %name, %failure, "that a rotated key works could not be noted"),
        }
    }
}

impl KeyService {
    async fn from_store(&self, name: &KeyName) -> Result<ResolvedKey, KeyError> {
        let sealed = self.stored(name).await?;
        let mut key = self.unlocked(name, sealed.generation, sealed.current).await?;
        if let Some((generation, previous)) = sealed.previous {
            // A previous pair that cannot be opened is no reason to do without the new one.
            match self.unlocked(name, generation, previous).await {
                Ok(previous) => key.previous = Some(Box::new(previous)),
                Err(error) => tracing::warn!(key = %name, %error, "the key before the rotation cannot be used"),
            }
        }
        Ok(key)
    }

    /// The key pair in `sealed`, ready to log in.
    pub(super) async fn unlocked(
        &self,
        name: &KeyName,
        generation: u32,
        sealed: SealedMaterial,
    ) -> Result<ResolvedKey, KeyError> {
        let (ring, given) = (self.ring.clone(), self.given.get(name).cloned());
        let (public_line, fingerprint) = (public_line(&sealed.public_key, name), sealed.fingerprint.clone());
        let (name, asked) = (name.clone(), name.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let opened = seal::open(&ring, &asked, &sealed)?;
            unlock(&asked, opened, given)
        });
        let private_pem = opened.await.map_err(Failure::internal)??;
        Ok(ResolvedKey { name, generation, private_pem, public_line, fingerprint, source: STORE, previous: None })
    }
}

/// Takes the passphrase off, if there is one: the given one is tried first, then the remembered one. Blocks for a moment.
pub(super) fn unlock(
    name: &KeyName,
    opened: seal::Opened,
    given: Option<SecretString>,
) -> Result<SecretString, KeyError> {
    let encrypted = material::public_parts(&opened.pem).is_some_and(|public| public.encrypted);
    if !encrypted {
        return Ok(seal::secret(opened.pem));
    }
    let (was_given, was_remembered) = (given.is_some(), opened.passphrase.is_some());
    for passphrase in given.into_iter().chain(opened.passphrase) {
        if let Ok(pem) = material::unlock(&opened.pem, &passphrase) {
            return Ok(seal::secret(pem));
        }
    }
    let name = name.clone();
    Err(match (was_given, was_remembered) {
        (false, false) => KeyError::Locked { name },
        (true, _) => KeyError::WrongPassphrase {
            name,
            what: "the passphrase that was given",
            remedy: "correct GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE",
        },
        (false, true) => KeyError::WrongPassphrase {
            name,
            what: "the remembered passphrase",
            remedy: "put back a backup of the store, or import the key again",
        },
    })
}
