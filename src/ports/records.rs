//! Where the key store's records are kept. What is secret in them is sealed before it gets here.

use async_trait::async_trait;

use super::KeyUse;
use crate::domain::{Failure, KeyName};

/// Keeps the records of the key store. Every call sees what other processes have written.
///
/// Errors are of class [`FailureClass::Disk`](crate::domain::FailureClass::Disk) (full, read-only, damaged, busy) or
/// [`FailureClass::Internal`](crate::domain::FailureClass::Internal). Times are milliseconds since the Unix epoch.
#[async_trait]
pub trait KeyRecords: Send + Sync {
    /// Adds a key with its first material and the audit row for it, all or nothing. Never overwrites.
    ///
    /// # Errors
    /// Disk or internal.
    async fn add(&self, key: NewKey) -> Result<Added, Failure>;

    /// What is shown of all keys, or of the one of exactly this name; sorted by name.
    ///
    /// # Errors
    /// Disk or internal.
    async fn rows(&self, name: Option<&KeyName>) -> Result<Vec<KeyRow>, Failure>;

    /// The current material of the key of exactly this name, still sealed.
    ///
    /// # Errors
    /// Disk or internal.
    async fn sealed(&self, name: &KeyName) -> Result<Option<SealedKey>, Failure>;

    /// Notes a use: an audit row, and *last used*.
    ///
    /// # Errors
    /// Disk or internal.
    async fn note_use(&self, name: &KeyName, used: &KeyUse, at_ms: i64) -> Result<(), Failure>;

    /// Makes `names` the keys that `user` uses, and none else. A name without a key counts from when the key is made.
    ///
    /// # Errors
    /// Disk or internal.
    async fn claim(&self, user: &str, names: &[KeyName]) -> Result<(), Failure>;

    /// Which master keys the records need.
    ///
    /// # Errors
    /// Disk or internal.
    async fn master_keys_in_use(&self) -> Result<MasterKeysInUse, Failure>;

    /// Keeps `canary` unless there is one already, and answers the one that is kept. One sealed by the master key
    /// `replacing` gives way, as long as there are no keys.
    ///
    /// # Errors
    /// Disk or internal.
    async fn plant_canary(&self, canary: Canary, replacing: Option<&str>) -> Result<Canary, Failure>;

    /// Writes back and lets go of the store. Calls after it fail.
    async fn close(&self);
}

/// What became of [`KeyRecords::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is durable.
    Stored,
    /// A key of that name was there already; nothing was changed.
    NameTaken,
}

/// A key to add.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Identifies the key for ever, also when it is renamed.
    pub id: String,
    /// Its name.
    pub name: KeyName,
    /// When it was made.
    pub created_ms: i64,
    /// Its key pair.
    pub material: SealedMaterial,
    /// How it came here, for the audit log: `generated`.
    pub origin: &'static str,
}

/// A key pair, its private half sealed.
#[derive(Clone, Debug)]
pub struct SealedMaterial {
    /// Identifies the key pair; what is sealed is bound to it.
    pub id: String,
    /// `ed25519` or `rsa`.
    pub kind: String,
    /// Size of the key.
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The public key without a comment: `ssh-ed25519 AAAA…`.
    pub public_key: String,
    /// Version of the envelope's format.
    pub envelope: u32,
    /// The master key that wraps the data key.
    pub master_key_id: String,
    /// The data key, wrapped.
    pub wrapped_data_key: Vec<u8>,
    /// The private key (OpenSSH PEM), sealed under the data key.
    pub sealed_private: Vec<u8>,
    /// A remembered passphrase, sealed under the data key.
    pub sealed_passphrase: Option<Vec<u8>>,
}

/// The current material of a key.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// Counts up with each rotation, from 1.
    pub generation: u32,
    /// The key pair.
    pub material: SealedMaterial,
}

/// What is shown of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name.
    pub name: KeyName,
    /// `ed25519` or `rsa`.
    pub kind: String,
    /// Size of the key.
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The public key without a comment.
    pub public_key: String,
    /// When the name was added.
    pub created_ms: i64,
    /// When and for what it was used last.
    pub last_used: Option<(i64, String)>,
    /// What uses it, sorted.
    pub used_by: Vec<String>,
    /// Counts up with each rotation, from 1.
    pub generation: u32,
}

/// Which master keys the records need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MasterKeysInUse {
    /// Master keys that wrap key material, sorted.
    pub by_keys: Vec<String>,
    /// The master key of the canary; `None` in a new store.
    pub by_canary: Option<String>,
}

impl MasterKeysInUse {
    /// Whether the records need none: a new store.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.by_keys.is_empty() && self.by_canary.is_none()
    }
}

/// A sealed record with known content, which proves the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Version of the envelope's format.
    pub envelope: u32,
    /// The master key that wraps the data key.
    pub master_key_id: String,
    /// The data key, wrapped.
    pub wrapped_data_key: Vec<u8>,
    /// The known content, sealed under the data key.
    pub sealed: Vec<u8>,
}
