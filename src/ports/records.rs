//! Where the key store's records are kept. What is secret in them is sealed before it gets here.

use async_trait::async_trait;

use super::{GitService, KeyUse};
use crate::domain::{Failure, KeyName};

/// Keeps the records of the key store. Every call sees what other processes have written.
///
/// Errors are of class [`FailureClass::Disk`](crate::domain::FailureClass::Disk) (full, read-only, damaged, busy),
/// [`FailureClass::Connect`](crate::domain::FailureClass::Connect) (a database elsewhere does not answer) or
/// [`FailureClass::Internal`](crate::domain::FailureClass::Internal). Times are milliseconds since the Unix epoch. Every
/// change comes with its audit row, all or nothing.
#[async_trait]
pub trait KeyRecords: Send + Sync {
    /// Adds a key with its first material. Never overwrites: [`Changed::NameTaken`].
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn add(&self, key: NewKey) -> Result<Changed, Failure>;

    /// Gives a key another name. What uses it forbids that ([`Changed::InUse`]), unless `force`: then it is in use no more.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn rename(&self, from: &KeyName, to: &KeyName, force: bool) -> Result<Changed, Failure>;

    /// Deletes a key. What uses it forbids that ([`Changed::InUse`]).
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn delete(&self, name: &KeyName) -> Result<Changed, Failure>;

    /// Makes `material` the key's current pair, and the current one the previous, unless there is a previous one already
    /// ([`Changed::Rotating`]) or the current one is not of generation `from` any more ([`Changed::Stale`]).
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn rotate(
        &self,
        name: &KeyName,
        from: u32,
        material: SealedMaterial,
        created_ms: i64,
        origin: &'static str,
    ) -> Result<Changed, Failure>;

    /// Ends a rotation: drops the previous pair, or the new one. [`Changed::Stale`] when none is under way.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn end_rotation(&self, name: &KeyName, keep: Keep) -> Result<Changed, Failure>;

    /// Replaces what is sealed of one key pair (its passphrase changed); the pair itself stays. [`Changed::Stale`] when
    /// the data key is not `was` any more.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn reseal(&self, name: &KeyName, was: &[u8], material: SealedMaterial) -> Result<Changed, Failure>;

    /// What is shown of all keys, or of the one of exactly this name; sorted by name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn rows(&self, name: Option<&KeyName>) -> Result<Vec<KeyRow>, Failure>;

    /// Which pairs the key of exactly this name has. Asked at each poll: one look, where [`rows`](Self::rows) takes two.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn pairs(&self, name: &KeyName) -> Result<Option<KeyPairs>, Failure>;

    /// The material of the key of exactly this name, still sealed.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn sealed(&self, name: &KeyName) -> Result<Option<SealedKey>, Failure>;

    /// Notes a use: an audit row, and *last used*; for the first login of a new pair during a rotation, when that was.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn note_use(&self, name: &KeyName, used: &KeyUse) -> Result<(), Failure>;

    /// Notes that `user`'s remote let the pair of `fingerprint` through to `service`. Answers whether that ended the
    /// rotation: both services have now answered for all that uses the key.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn note_answer(
        &self,
        name: &KeyName,
        fingerprint: &str,
        user: &str,
        service: GitService,
    ) -> Result<bool, Failure>;

    /// Takes `user` off the users of a key; for one that is gone for good and cannot do so itself. Answers whether it was
    /// one.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn release(&self, name: &KeyName, user: &str) -> Result<bool, Failure>;

    /// Makes `names` the keys that `user` uses, and none else. A name without a key counts from when the key is made.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn claim(&self, user: &str, names: &[KeyName]) -> Result<(), Failure>;

    /// Those that claim this name, whether there is a key or not; sorted.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn claimants(&self, name: &KeyName) -> Result<Vec<String>, Failure>;

    /// Which master keys the records need.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn master_keys_in_use(&self) -> Result<MasterKeysInUse, Failure>;

    /// Keeps `canary` unless there is one already, and answers the one that is kept. One sealed by the master key
    /// `replacing` gives way, as long as no key material needs that master key.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn plant_canary(&self, canary: Canary, replacing: Option<&str>) -> Result<Canary, Failure>;

    /// Data keys that are wrapped by another master key than `first`, at most `limit` of them, in the order of their ids,
    /// from after `after` on.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn wrapped_by_others(
        &self,
        first: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<WrappedDataKey>, Failure>;

    /// Replaces the wrapping of one data key, unless somebody else has done so (then `false`).
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn rewrap(&self, was: &WrappedDataKey, now: &WrappedDataKey) -> Result<bool, Failure>;

    /// Writes back and lets go of the store. Calls after it fail.
    async fn close(&self);
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is durable.
    Done,
    /// There is no key of that name; nothing was changed.
    Absent,
    /// A key of that name was there already; nothing was changed.
    NameTaken,
    /// These use the key; nothing was changed.
    InUse(Vec<String>),
    /// A rotation is under way; nothing was changed.
    Rotating,
    /// It is not as the caller thought any more; nothing was changed.
    Stale,
}

/// Which pair stays when a rotation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The new one: the rotation has worked.
    Current,
    /// The one before: the rotation is taken back.
    Previous,
}

/// A data key in its wrapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedDataKey {
    /// The record that it belongs to.
    pub record: String,
    /// Version of the envelope's format.
    pub envelope: u32,
    /// The master key that wraps it.
    pub master_key_id: String,
    /// The data key, wrapped.
    pub wrapped_data_key: Vec<u8>,
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
    /// How it came here, for the audit log: `generated`, `imported`, `restored`.
    pub origin: &'static str,
}

/// A key pair, its private half sealed.
#[derive(Clone, Debug)]
pub struct SealedMaterial {
    /// Identifies the key pair; what is sealed is bound to it.
    pub id: String,
    /// `ed25519`, `rsa` or `ecdsa`.
    pub kind: String,
    /// Size of the key.
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The public key without a comment: `ssh-ed25519 AAAA…`.
    pub public_key: String,
    /// Whether the private key is encrypted with a passphrase before it is sealed.
    pub encrypted: bool,
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

/// The material of a key.
#[derive(Clone, Debug)]
pub struct SealedKey {
    /// Identifies the key.
    pub id: String,
    /// Counts up with each rotation, from 1.
    pub generation: u32,
    /// The current key pair.
    pub current: SealedMaterial,
    /// The generation and key pair before, while a rotation is under way.
    pub previous: Option<(u32, SealedMaterial)>,
}

/// What is shown of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name.
    pub name: KeyName,
    /// When the name was added.
    pub created_ms: i64,
    /// When and for what it was used last.
    pub last_used: Option<(i64, String)>,
    /// What uses it, sorted.
    pub used_by: Vec<String>,
    /// The current pair.
    pub current: PairRow,
    /// The pair before, while a rotation is under way.
    pub previous: Option<PairRow>,
}

/// What is shown of a key pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairRow {
    /// Counts up with each rotation, from 1.
    pub generation: u32,
    /// `ed25519`, `rsa` or `ecdsa`.
    pub kind: String,
    /// Size of the key.
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The public key without a comment.
    pub public_key: String,
    /// When the pair was made or imported.
    pub created_ms: i64,
    /// When a login with it first succeeded.
    pub first_login_ms: Option<i64>,
    /// Whether the private key is encrypted with a passphrase before it is sealed.
    pub encrypted: bool,
    /// Whether that passphrase is remembered.
    pub remembered: bool,
}

/// The pairs of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPairs {
    /// The one that logs in.
    pub current: PairId,
    /// While the key is being rotated: the one before.
    pub previous: Option<PairId>,
}

/// What tells a key pair from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairId {
    /// Counts up with each rotation, from 1.
    pub generation: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Whether its passphrase is remembered.
    pub remembered: bool,
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
