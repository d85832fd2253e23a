//! From a name to a key that can log in.

use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;

use super::error::KeyError;
use super::record::public_line;
use super::service::{HeldBack, KeyService};
use super::{material, seal};
use crate::domain::{Failure, KeyName};
use crate::ports::{
    AuditEntry, GitService, KeyPairs, KeyUse, KeyVersion, Keyring, PairId, ResolvedKey, SealedKey, SealedMaterial,
};

const STORE: &str = "store";

#[async_trait]
impl Keyring for KeyService {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        let found = self.find(name).await;
        match &found {
            Ok(_) if !self.held_back().contains_key(name) => drop(self.reported().remove(name)),
            Ok(_) => {}
            Err(error) => self.report_lock(name, error).await,
        }
        Ok(found?)
    }

    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        let (elsewhere, given) = (&self.elsewhere, self.given.get(name));
        if let Some(version) = elsewhere.version(elsewhere.before(), name, given).await? {
            return Ok(version);
        }
        if let Some(KeyPairs { current, previous }) = self.records.pairs(name).await? {
            let state = HeldBack { generation: current.generation, remembered: current.remembered };
            let of = |pair: PairId, previous| KeyVersion {
                generation: pair.generation,
                fingerprint: pair.fingerprint,
                previous,
                source: STORE,
            };
            return Ok(match previous {
                Some(previous) if self.is_held_back(name, state) => of(previous, None),
                previous => of(current, previous.map(|previous| previous.fingerprint)),
            });
        }
        match elsewhere.version(elsewhere.after(), name, given).await? {
            Some(version) => Ok(version),
            None => Err(self.absent(name).await.into()),
        }
    }

    async fn record_use(&self, name: &KeyName, used: KeyUse) {
        if let Err(failure) = self.records.note_use(name, &used).await {
            tracing::warn!(key = %name, purpose = used.purpose, %failure, "the use of a key could not be noted");
        }
    }

    async fn record_answer(&self, name: &KeyName, version: &KeyVersion, service: GitService) {
        // A check by hand is nobody's proof.
        let Some(user) = self.user.as_deref().filter(|_| version.previous.is_some() && version.source == STORE) else {
            return;
        };
        match self.records.note_answer(name, &version.fingerprint, user, service).await {
            Ok(true) => {
                tracing::info!(key = %name, new = version.fingerprint, "the rotated key was seen to work; the one before was dropped");
            }
            Ok(false) => {}
            Err(failure) => tracing::warn!(key = %name, %failure, "that a rotated key works could not be noted"),
        }
    }
}

impl KeyService {
    /// The secrets folder, then the store, then the Vault.
    async fn find(&self, name: &KeyName) -> Result<ResolvedKey, KeyError> {
        let (elsewhere, given) = (&self.elsewhere, self.given.get(name));
        if let Some(key) = elsewhere.resolve(elsewhere.before(), name, given).await? {
            return Ok(key);
        }
        if let Some(sealed) = self.records.sealed(name).await? {
            return self.open_stored(name, sealed).await;
        }
        match elsewhere.resolve(elsewhere.after(), name, given).await? {
            Some(key) => Ok(key),
            None => Err(self.absent(name).await),
        }
    }

    async fn open_stored(&self, name: &KeyName, sealed: SealedKey) -> Result<ResolvedKey, KeyError> {
        let state = HeldBack { generation: sealed.generation, remembered: sealed.current.sealed_passphrase.is_some() };
        let mut key = match (self.unlocked(name, sealed.generation, sealed.current).await, &sealed.previous) {
            (Ok(key), _) => key,
            // The one before is valid until the new one has been seen to work.
            (Err(error), Some((generation, previous))) if is_lock(&error) => {
                let Ok(previous) = self.unlocked(name, *generation, previous.clone()).await else { return Err(error) };
                tracing::warn!(key = %name, %error, "the key before the rotation is used");
                self.report_lock(name, &error).await;
                self.held_back().insert(name.clone(), state);
                return Ok(previous);
            }
            (Err(error), _) => return Err(error),
        };
        self.held_back().remove(name);
        if let Some((generation, previous)) = sealed.previous {
            // A previous pair that cannot be opened is no reason to do without the new one.
            match self.unlocked(name, generation, previous).await {
                Ok(previous) => key.previous = Some(Box::new(previous)),
                Err(error) => tracing::warn!(key = %name, %error, "the key before the rotation cannot be used"),
            }
        }
        Ok(key)
    }

    /// That a key stays locked is a row in the audit log: once, until it was opened again.
    async fn report_lock(&self, name: &KeyName, error: &KeyError) {
        if is_lock(error) && self.reported().insert(name.clone()) {
            self.note_lock(name, error).await;
        }
    }

    /// A row in the audit log that a key was not opened.
    pub(super) async fn note_lock(&self, name: &KeyName, error: &KeyError) {
        let entry = AuditEntry {
            event: "ssh_key_unlock_failed",
            key_name: Some(name.to_string()),
            outcome: "key".to_owned(),
            detail: Some(error.to_string()),
            ..AuditEntry::default()
        };
        if let Err(failure) = self.records.append(entry).await {
            tracing::warn!(key = %name, %failure, "that a key is locked could not be noted");
        }
    }

    fn reported(&self) -> MutexGuard<'_, HashSet<KeyName>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_back(&self) -> MutexGuard<'_, HashMap<KeyName, HeldBack>> {
        self.held_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_held_back(&self, name: &KeyName, state: HeldBack) -> bool {
        self.held_back().get(name) == Some(&state)
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

/// Whether it is the passphrase that keeps the key closed.
pub(super) fn is_lock(error: &KeyError) -> bool {
    match error {
        KeyError::Locked { .. } | KeyError::WrongPassphrase { .. } => true,
        KeyError::Elsewhere { error, .. } => error.is_about_the_passphrase(),
        _ => false,
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
            remedy: "put back a backup of the store, or bring the key again with `appferry keys rotate NAME --file`",
        },
    })
}
