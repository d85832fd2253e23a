//! All keys in one file, encrypted with age (<https://age-encryption.org/v1>), and back.
//!
//! The file holds private keys as they are in the store: behind their passphrases where they have some. It does not hold
//! the master key, and needs none: what is put back is sealed anew.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::iter;

use age::secrecy::{ExposeSecret as _, SecretString};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::service::KeyService;
use super::{material, seal};
use crate::domain::{Failure, KeyName};
use crate::ports::{AuditEntry, Changed, NewKey, TrustedHostKey};

/// What the content says it is.
const FORMAT: &str = "appferry keys, version 1";

/// The largest backup that is read: 10,000 RSA keys are about 60 MB.
const LARGEST: u64 = 256 << 20;

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

#[derive(Serialize, Deserialize)]
struct Content {
    format: String,
    keys: Vec<KeyEntry>,
    hosts: Vec<HostEntry>,
}

#[derive(Serialize, Deserialize)]
struct KeyEntry {
    name: String,
    created_ms: i64,
    current: PairEntry,
    previous: Option<PairEntry>,
}

#[derive(Serialize, Deserialize)]
struct PairEntry {
    private_key: Hidden,
    passphrase: Option<Hidden>,
}

/// A secret text. In base64, so that the reader meets no escapes, which it would take off in a buffer that nobody wipes.
struct Hidden(Zeroizing<String>);

#[derive(Serialize, Deserialize)]
struct HostEntry {
    host: String,
    kind: String,
    key: String,
    fingerprint: String,
    trusted_ms: i64,
    trusted_by: String,
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
        let opened = tokio::task::spawn_blocking(move || decrypt(&file, &opener)).await;
        let content = opened.map_err(internal)??;
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

fn encryptor(lock: Lock) -> Result<age::Encryptor, BackupError> {
    let recipients = match lock {
        Lock::Passphrase(passphrase) => return Ok(age::Encryptor::with_user_passphrase(passphrase)),
        Lock::Recipients(recipients) => recipients,
    };
    let parse = |text: String| text.parse::<age::x25519::Recipient>().map_err(|_| BackupError::Recipient(text));
    let recipients: Vec<age::x25519::Recipient> = recipients.into_iter().map(parse).collect::<Result<_, _>>()?;
    let borrowed = recipients.iter().map(|recipient| -> &dyn age::Recipient { recipient });
    age::Encryptor::with_recipients(borrowed).map_err(|_| BackupError::Nobody)
}

/// Blocks: a passphrase is worked on for about a second.
fn encrypt(encryptor: age::Encryptor, content: &Content) -> Result<Vec<u8>, BackupError> {
    let failed = |error: io::Error| BackupError::Encrypt(error.to_string());
    let mut encrypted = Vec::new();
    let mut writer = encryptor.wrap_output(&mut encrypted).map_err(failed)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(plain_size(content)));
    serde_json::to_writer(&mut *plain, content).map_err(|error| BackupError::Encrypt(error.to_string()))?;
    writer.write_all(&plain).and_then(|()| writer.finish().map(drop)).map_err(failed)?;
    Ok(encrypted)
}

/// Room for all of it from the start: a buffer that grows leaves copies behind.
fn plain_size(content: &Content) -> usize {
    let pair = |pair: &PairEntry| {
        2 * (pair.private_key.0.len() + pair.passphrase.as_ref().map_or(0, |text| text.0.len())) + 200
    };
    let key = |key: &KeyEntry| 200 + pair(&key.current) + key.previous.as_ref().map_or(0, pair);
    4096 + content.keys.iter().map(key).sum::<usize>() + 4096 * content.hosts.len()
}

/// Blocks, as [`encrypt`].
fn decrypt(file: &[u8], opener: &Opener) -> Result<Content, BackupError> {
    let decryptor = age::Decryptor::new_buffered(file).map_err(|_| BackupError::NotAge)?;
    let reader = match opener {
        Opener::Passphrase(_) if !decryptor.is_scrypt() => {
            return Err(BackupError::Locked("it was made for recipients; give an identity file"));
        }
        Opener::Identities(_) if decryptor.is_scrypt() => {
            return Err(BackupError::Locked("it was made with a passphrase; give that"));
        }
        Opener::Passphrase(passphrase) => {
            let identity = age::scrypt::Identity::new(passphrase.clone());
            decryptor.decrypt(iter::once(&identity as &dyn age::Identity))
        }
        Opener::Identities(text) => {
            let file = age::IdentityFile::from_buffer(text.expose_secret().as_bytes());
            let identities = file.map_err(|_| BackupError::Identity)?.into_identities();
            let identities = identities.map_err(|_| BackupError::Identity)?;
            if identities.is_empty() {
                return Err(BackupError::Identity);
            }
            decryptor.decrypt(identities.iter().map(AsRef::as_ref))
        }
    };
    let reader = reader.map_err(|error| match error {
        age::DecryptError::ExcessiveWork { .. } => BackupError::Locked("its passphrase would take too long to try"),
        _ => BackupError::Locked("the passphrase or the identity is not the right one"),
    })?;
    let mut plain = Zeroizing::new(Vec::with_capacity(file.len()));
    let read = reader.take(LARGEST).read_to_end(&mut plain);
    read.map_err(|_| BackupError::Damaged("it was altered or cut off"))?;
    let content: Content =
        serde_json::from_slice(&plain).map_err(|_| BackupError::Damaged("it holds something else"))?;
    if content.format != FORMAT {
        return Err(BackupError::Damaged("it was written by another version of appferry"));
    }
    Ok(content)
}

fn internal(error: tokio::task::JoinError) -> BackupError {
    BackupError::Keys(Failure::internal(error).into())
}

impl PairEntry {
    fn fingerprint(&self) -> Option<String> {
        material::public_parts(&self.private_key.0).map(|public| public.fingerprint)
    }
}

impl From<seal::Opened> for PairEntry {
    fn from(opened: seal::Opened) -> Self {
        let passphrase = opened.passphrase.map(|text| Hidden(Zeroizing::new(text.expose_secret().to_owned())));
        Self { private_key: Hidden(opened.pem), passphrase }
    }
}

impl Serialize for Hidden {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(self.0.as_bytes()));
        serializer.serialize_str(&encoded)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let encoded = <&'de str>::deserialize(deserializer)?;
        let no_secret = || D::Error::custom("not base64 of text");
        let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| no_secret())?;
        // Moved, not copied.
        String::from_utf8(decoded).map(|text| Self(Zeroizing::new(text))).map_err(|_| no_secret())
    }
}

impl From<TrustedHostKey> for HostEntry {
    fn from(key: TrustedHostKey) -> Self {
        let TrustedHostKey { host, kind, key, fingerprint, trusted_ms, trusted_by } = key;
        Self { host, kind, key, fingerprint, trusted_ms, trusted_by }
    }
}

impl From<HostEntry> for TrustedHostKey {
    fn from(entry: HostEntry) -> Self {
        let HostEntry { host, kind, key, fingerprint, trusted_ms, trusted_by } = entry;
        Self { host, kind, key, fingerprint, trusted_ms, trusted_by }
    }
}
