//! The content of a backup, and how it is encrypted and decrypted.

use std::io::{self, Read as _, Write as _};
use std::iter;

use age::secrecy::ExposeSecret as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ssh_key::{HashAlg, PublicKey};
use zeroize::Zeroizing;

use super::backup::{BackupError, Lock, Opener};
use super::{material, seal};
use crate::ports::TrustedHostKey;

/// What the content says it is.
pub(super) const FORMAT: &str = "appferry keys, version 1";

/// The largest backup that is read: 10,000 RSA keys are about 60 MB.
const LARGEST: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) format: String,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) hosts: Vec<HostEntry>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct KeyEntry {
    pub(super) name: String,
    pub(super) created_ms: i64,
    pub(super) current: PairEntry,
    pub(super) previous: Option<PairEntry>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PairEntry {
    pub(super) private_key: Hidden,
    pub(super) passphrase: Option<Hidden>,
}

/// A secret text. In base64, so that the reader meets no escapes, which it would take off in a buffer that nobody wipes.
pub(super) struct Hidden(pub(super) Zeroizing<String>);

#[derive(Serialize, Deserialize)]
pub(super) struct HostEntry {
    pub(super) host: String,
    pub(super) kind: String,
    pub(super) key: String,
    pub(super) fingerprint: String,
    pub(super) trusted_ms: i64,
    pub(super) trusted_by: String,
}

pub(super) fn encryptor(lock: Lock) -> Result<age::Encryptor, BackupError> {
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
pub(super) fn encrypt(encryptor: age::Encryptor, content: &Content) -> Result<Vec<u8>, BackupError> {
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
pub(super) fn decrypt(file: &[u8], opener: &Opener) -> Result<Content, BackupError> {
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

impl PairEntry {
    /// The fingerprint; `None` if the private key is none.
    pub(super) fn fingerprint(&self) -> Option<String> {
        material::public_parts(&self.private_key.0).map(|public| public.fingerprint)
    }
}

impl HostEntry {
    /// Whether type and fingerprint are those of the key.
    pub(super) fn is_sound(&self) -> bool {
        let Ok(key) = PublicKey::from_openssh(&format!("{} {}", self.kind, self.key)) else { return false };
        key.algorithm().as_str() == self.kind && key.fingerprint(HashAlg::Sha256).to_string() == self.fingerprint
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
