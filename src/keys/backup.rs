//! All keys in one file, encrypted with age (<https://age-encryption.org/v1>), and back.
//!
//! The file holds private keys as they are in the store: behind their passphrases where they have some. It does not hold
//! the master key, and needs none: what is put back is sealed anew.

use std::collections::BTreeMap;
use std::iter;

use age::secrecy::SecretString;
use serde::Serialize;

use super::backup_file::{Content, FORMAT, HostEntry, KeyEntry, PairEntry, decrypt, encrypt, encryptor};
use super::error::KeyError;
use super::seal;
use super::service::KeyService;
use crate::domain::{Failure, KeyName};
use crate::ports::{AuditEntry, Changed, NewKey};

/// Who can open a backup.
pub enum Lock {
    /// The holders of these identities: `age1…`.
    Recipients(Vec<String>),
    /// Whoever knows a passphrase.
    Passphrase(SecretString),
}

/// What opens a backup.
pub enum Opener {
    /// The content of an age identity file (`AGE-SECRET-KEY-1…`).
    Identities(SecretString),
    /// A passphrase.
    Passphrase(SecretString),
}

/// What became of one key of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Restored {
    /// It is in the store now.
    Added,
    /// The same key was there already.
    AlreadyThere,
    /// Another key has the name, and stays.
    NameTaken,
}

/// Why a backup cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A recipient is not one.
    #[error("{0:?} is not an age recipient; give the public half of an identity, age1…, as `age-keygen` prints it")]
    Recipient(String),
    /// None was given.
    #[error("nobody could open the backup; name a recipient or a passphrase")]
    Nobody,
    /// An identity file holds none.
    #[error("the identity file holds no age identity; give the file that `age-keygen` wrote (AGE-SECRET-KEY-1…)")]
    Identity,
    /// It is not a backup.
    #[error("this is not a file encrypted with age; give the file that `appferry keys backup` wrote")]
    NotAge,
    /// It does not open.
    #[error("the backup does not open: {0}")]
    Locked(&'static str),
    /// It opens, but was altered or cut off, or is something else.
    #[error("the backup cannot be read: {0}; take another copy of it")]
    Damaged(&'static str),
    /// The library failed.
    #[error("the backup cannot be encrypted: {0}")]
    Encrypt(String),
    /// The store.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl KeyService {
    /// All keys and trusted host keys, encrypted. Answers the file's content and how many keys are in it.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn backup(&self, lock: Lock) -> Result<(Vec<u8>, usize), BackupError> {
        let encryptor = encryptor(lock)?; // before anything is opened
        let content = self.content().await?;
        let keys = content.keys.len();
        let encrypted = tokio::task::spawn_blocking(move || encrypt(encryptor, &content)).await.map_err(internal)??;
        let detail = Some(format!("{keys} keys"));
        let entry =
            AuditEntry { event: "ssh_keys_backed_up", outcome: "ok".to_owned(), detail, ..AuditEntry::default() };
        self.records.append(entry).await.map_err(KeyError::from)?;
        Ok((encrypted, keys))
    }

    /// Puts the keys of a backup back, each sealed anew; what is there already stays as it is.
    ///
    /// # Errors
    /// [`BackupError`]; nothing was changed if the backup does not open or is damaged.
    pub async fn restore(&self, file: Vec<u8>, opener: Opener) -> Result<BTreeMap<KeyName, Restored>, BackupError> {
        let content = tokio::task::spawn_blocking(move || decrypt(&file, &opener)).await.map_err(internal)??;
        let mut keys = Vec::new();
        for entry in content.keys {
            let name =
                KeyName::new(entry.name.as_str()).map_err(|_| BackupError::Damaged("a key's name is no name"))?;
            if iter::once(&entry.current).chain(&entry.previous).any(|pair| pair.fingerprint().is_none()) {
                return Err(BackupError::Damaged("a key in it is no key"));
            }
            keys.push((name, entry));
        }
        let mut report = BTreeMap::new();
        for (name, entry) in keys {
            let restored = self.put_back(&name, entry).await?;
            report.insert(name, restored);
        }
        for host in content.hosts {
            self.records.trust(&host.into(), false).await.map_err(KeyError::from)?;
        }
        Ok(report)
    }

    async fn content(&self) -> Result<Content, KeyError> {
        let mut keys = Vec::new();
        for row in self.records.rows(None).await? {
            let Some(sealed) = self.records.sealed(&row.name).await? else { continue }; // deleted since
            let open = |material| seal::open(&self.ring, &row.name, material).map(PairEntry::from);
            let previous = sealed.previous.as_ref().map(|(_, material)| open(material)).transpose()?;
            let current = open(&sealed.current)?;
            keys.push(KeyEntry { name: row.name.to_string(), created_ms: row.created_ms, current, previous });
        }
        let hosts = self.records.trusted(None).await?.into_iter().map(HostEntry::from).collect();
        Ok(Content { format: FORMAT.to_owned(), keys, hosts })
    }

    async fn put_back(&self, name: &KeyName, entry: KeyEntry) -> Result<Restored, KeyError> {
        let sealed = |pair: &PairEntry| {
            let id = seal::new_id().map_err(KeyError::random)?;
            let passphrase = pair.passphrase.as_ref().map(|text| SecretString::from(text.0.as_str()));
            seal::seal_pem(id, &self.ring, &pair.private_key.0, passphrase.as_ref())
        };
        let current = sealed(&entry.current)?;
        // The pair before comes first, so that the new one can be rotated to.
        let (first, then) = match &entry.previous {
            Some(previous) => (sealed(previous)?, Some(current.clone())),
            None => (current.clone(), None),
        };
        let id = seal::new_id().map_err(KeyError::random)?;
        let (name, created_ms) = (name.clone(), entry.created_ms);
        let key = NewKey { id, name: name.clone(), created_ms, material: first, origin: "restored" };
        let before = key.material.fingerprint.clone();
        let mut generation = 1;
        if self.records.add(key).await? == Changed::NameTaken {
            let Some(there) = self.records.rows(Some(&name)).await?.pop() else { return Ok(Restored::NameTaken) };
            let mut fingerprints = iter::once(&there.current).chain(&there.previous).map(|pair| &pair.fingerprint);
            if fingerprints.any(|fingerprint| *fingerprint == current.fingerprint) {
                return Ok(Restored::AlreadyThere);
            }
            // Half a rotation, as an interrupted run leaves it, is made whole.
            if then.is_none() || there.previous.is_some() || there.current.fingerprint != before {
                return Ok(Restored::NameTaken);
            }
            generation = there.current.generation;
        }
        let Some(current) = then else { return Ok(Restored::Added) };
        match self.records.rotate(&name, generation, current, created_ms, "restored").await? {
            Changed::Done => Ok(Restored::Added),
            _ => Err(KeyError::Stale { name }),
        }
    }
}

fn internal(error: tokio::task::JoinError) -> BackupError {
    BackupError::Keys(Failure::internal(error).into())
}
