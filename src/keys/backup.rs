//! All keys in one file, encrypted with age (<https://age-encryption.org/v1>), and back.
//!
//! The file holds private keys as they are in the store: behind their passphrases where they have some. It does not hold
//! the master key, and needs none: what is put back is sealed anew.

use std::collections::{BTreeMap, HashSet};
use std::iter;

use age::secrecy::SecretString;
use serde::Serialize;

use super::backup_file::{Content, FORMAT, HostEntry, KeyEntry, PairEntry, decrypt, encrypt, encryptor};
use super::error::KeyError;
use super::seal;
use super::service::KeyService;
use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::{AuditEntry, AuditFilter, Changed, KeyRow, NewKey, TrustedHostKey};

/// Who can open a backup.
pub enum Lock {
    /// The holders of these identities: `age1…`.
    Recipients(Vec<String>),
    /// Whoever knows a passphrase.
    Passphrase(SecretString),
}

/// A backup that is not written yet.
pub struct Made {
    /// The encrypted content.
    pub file: Vec<u8>,
    /// How many keys are in it.
    pub keys: usize,
    /// The keys that are not in it, and why.
    pub left_out: BTreeMap<KeyName, KeyError>,
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
    /// The secrets folder has a key of that name: a stored one would never be used.
    InFolder,
}

/// What became of one host key of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// The host as `known_hosts` calls it.
    pub host: String,
    /// `ssh-ed25519`, …
    pub kind: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// What became of it.
    pub restored: RestoredHost,
}

/// Whether a host key of a backup is trusted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoredHost {
    /// It is trusted now.
    Added,
    /// It was trusted already.
    AlreadyThere,
    /// Other keys are trusted for the host: it may have been replaced because it leaked.
    OthersTrusted,
    /// Somebody has taken back a trust in the host.
    Forgotten,
}

/// What became of a backup's content.
#[derive(Debug, Default)]
pub struct Report {
    /// The keys.
    pub keys: BTreeMap<KeyName, Restored>,
    /// The trusted host keys.
    pub hosts: Vec<HostKey>,
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
    /// All keys and trusted host keys, encrypted. A key whose record does not open is left out and named. When the file is
    /// in its place, [`note_backup`](Self::note_backup) writes the audit row.
    ///
    /// # Errors
    /// [`BackupError`]; that of the first key if none opens.
    pub async fn backup(&self, lock: Lock) -> Result<Made, BackupError> {
        let encryptor = encryptor(lock)?; // before anything is opened
        let (content, mut left_out) = self.content().await?;
        let keys = content.keys.len();
        if keys == 0
            && let Some((_, error)) = left_out.pop_first()
        {
            return Err(error.into());
        }
        let file = tokio::task::spawn_blocking(move || encrypt(encryptor, &content)).await.map_err(internal)??;
        Ok(Made { file, keys, left_out })
    }

    /// Notes in the audit log that a backup was made.
    ///
    /// # Errors
    /// [`KeyError::Store`].
    pub async fn note_backup(&self, keys: usize, left_out: usize) -> Result<(), KeyError> {
        let missing = if left_out == 0 { String::new() } else { format!(", {left_out} left out") };
        let detail = Some(format!("{}{missing}", if keys == 1 { "1 key".to_owned() } else { format!("{keys} keys") }));
        let entry =
            AuditEntry { event: "ssh_keys_backed_up", outcome: "ok".to_owned(), detail, ..AuditEntry::default() };
        Ok(self.records.append(entry).await?)
    }

    /// Puts the keys of a backup back, each sealed anew; what is there already stays as it is. Host keys are trusted again
    /// only for hosts of which the store knows nothing: not one that has a key, nor one that was ever forgotten.
    ///
    /// # Errors
    /// [`BackupError`]; nothing was changed if the backup does not open or is damaged.
    pub async fn restore(&self, file: Vec<u8>, opener: Opener) -> Result<Report, BackupError> {
        let content = tokio::task::spawn_blocking(move || decrypt(&file, &opener)).await.map_err(internal)??;
        let mut keys = Vec::new();
        for entry in content.keys {
            let name =
                KeyName::new(entry.name.as_str()).map_err(|_| BackupError::Damaged("a key's name is no name"))?;
            if iter::once(&entry.current).chain(&entry.previous).any(|pair| pair.fingerprint().is_none()) {
                return Err(BackupError::Damaged("a key in it is no key"));
            }
            let hidden = self.is_hidden(&name).await?; // asked before anything is changed: the folder may not answer
            keys.push((name, entry, hidden));
        }
        if !content.hosts.iter().all(HostEntry::is_sound) {
            return Err(BackupError::Damaged("a host key in it is not the one that it says it is"));
        }
        let mut report = Report::default();
        for (name, entry, hidden) in keys {
            let restored = if hidden { Restored::InFolder } else { self.put_back(&name, entry).await? };
            report.keys.insert(name, restored);
        }
        report.hosts = self.trust_again(content.hosts).await?;
        Ok(report)
    }

    async fn is_hidden(&self, name: &KeyName) -> Result<bool, KeyError> {
        match self.must_not_be_hidden(name).await {
            Err(KeyError::Taken { .. }) => Ok(true),
            asked => asked.map(|()| false),
        }
    }

    async fn trust_again(&self, hosts: Vec<HostEntry>) -> Result<Vec<HostKey>, KeyError> {
        let trusted = self.records.trusted(None).await?; // from before: several keys of one host come together
        let (event, last) = (Some("host_key_forgotten".to_owned()), Some(u32::MAX));
        let forgotten = self.records.audit(&AuditFilter { event, last, ..AuditFilter::default() }).await?;
        let forgotten: HashSet<String> = forgotten.into_iter().filter_map(|row| row.purpose).collect();
        let mut report = Vec::new();
        for key in hosts.into_iter().map(TrustedHostKey::from) {
            let mut known = trusted.iter().filter(|known| known.host == key.host).peekable();
            let restored = if known.peek().is_some() {
                let same = known.any(|known| known.fingerprint == key.fingerprint);
                if same { RestoredHost::AlreadyThere } else { RestoredHost::OthersTrusted }
            } else if forgotten.contains(&key.host) {
                RestoredHost::Forgotten
            } else {
                self.records.trust(&key, false).await?;
                RestoredHost::Added
            };
            let TrustedHostKey { host, kind, fingerprint, .. } = key;
            report.push(HostKey { host, kind, fingerprint, restored });
        }
        Ok(report)
    }

    /// What can be opened, and why the rest cannot.
    async fn content(&self) -> Result<(Content, BTreeMap<KeyName, KeyError>), KeyError> {
        let (mut keys, mut left_out) = (Vec::new(), BTreeMap::new());
        for row in self.records.rows(None).await? {
            match self.entry(&row).await {
                Ok(Some(entry)) => keys.push(entry),
                Ok(None) => {} // deleted since
                // A database that does not answer is not the fault of one record; one that cannot be read may be.
                Err(KeyError::Store(failure)) if failure.class != FailureClass::Disk => return Err(failure.into()),
                Err(error) => {
                    left_out.insert(row.name, error);
                }
            }
        }
        // A damaged one is of no use, and one of them would make `restore` refuse the whole file.
        let hosts = self.records.trusted(None).await?.into_iter().map(HostEntry::from);
        let hosts = hosts.filter(HostEntry::is_sound).collect();
        Ok((Content { format: FORMAT.to_owned(), keys, hosts }, left_out))
    }

    async fn entry(&self, row: &KeyRow) -> Result<Option<KeyEntry>, KeyError> {
        let Some(sealed) = self.records.sealed(&row.name).await? else { return Ok(None) };
        let open = |material| seal::open(&self.ring, &row.name, material).map(PairEntry::from);
        let previous = sealed.previous.as_ref().map(|(_, material)| open(material)).transpose()?;
        let current = open(&sealed.current)?;
        Ok(Some(KeyEntry { name: row.name.to_string(), created_ms: row.created_ms, current, previous }))
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
