//! Envelope encryption: a random data key a record, wrapped by a master key.
//!
//! XChaCha20-Poly1305 with a random 24-byte nonce in front of the ciphertext. The associated data binds a ciphertext to
//! its format version, record and field, so that nothing can be moved to another place. Only the wrapped data key is
//! bound to a master key: changing the master key touches no payload.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use rand::TryRng;
use rand::rngs::SysRng;
use zeroize::Zeroizing;

/// The format described above. Stored with each record.
pub const VERSION: u32 = 1;

/// Bytes of a data key and of a master key.
pub const KEY_LEN: usize = 32;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// Why something cannot be sealed or opened. Says nothing about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes; check /dev/urandom and the sandbox's rules")]
    Random,
    /// Altered, damaged, moved from another record or field, or sealed under another key.
    #[error("it was altered, damaged or moved after it was sealed; put back a backup of the data folder")]
    Altered,
    /// Written by a newer program.
    #[error("it was sealed in format {0}, which this appferry does not know; start a newer one")]
    Version(u32),
}

/// What a ciphertext is, within its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The wrapped data key.
    DataKey,
    /// The private key.
    PrivateKey,
    /// A remembered passphrase.
    Passphrase,
    /// The known content that proves the master key.
    Canary,
}

impl Field {
    const fn label(self) -> &'static str {
        match self {
            Self::DataKey => "data-key",
            Self::PrivateKey => "private-key",
            Self::Passphrase => "passphrase",
            Self::Canary => "canary",
        }
    }
}

/// Key bytes that are wiped when dropped and never shown. Boxed: what is moved leaves copies behind.
pub(super) type KeyBytes = Box<Zeroizing<[u8; KEY_LEN]>>;

/// A copy of exactly so many bytes.
pub(super) fn key_bytes(bytes: &[u8]) -> Option<KeyBytes> {
    if bytes.len() != KEY_LEN {
        return None;
    }
    let mut key = KeyBytes::default();
    key.copy_from_slice(bytes);
    Some(key)
}

/// The key of one record.
pub struct DataKey(KeyBytes);

impl DataKey {
    /// A new random one.
    ///
    /// # Errors
    /// [`EnvelopeError::Random`].
    pub fn generate() -> Result<Self, EnvelopeError> {
        let mut bytes = KeyBytes::default();
        fill_random(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// Seals `plain` as `field` of the record `record`.
    ///
    /// # Errors
    /// [`EnvelopeError::Random`].
    pub fn seal(&self, record: &str, field: Field, plain: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        seal(&self.0, &associated_data(record, field, None), plain)
    }

    /// Opens what [`seal`](Self::seal) made in format `version`.
    ///
    /// # Errors
    /// [`EnvelopeError::Altered`] or [`EnvelopeError::Version`].
    pub fn open(
        &self,
        version: u32,
        record: &str,
        field: Field,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        check_version(version)?;
        open(&self.0, &associated_data(record, field, None), sealed)
    }

    /// Wraps this key under the master key `master`, which goes by `master_id`.
    pub(super) fn wrap(&self, master: &KeyBytes, master_id: &str, record: &str) -> Result<Vec<u8>, EnvelopeError> {
        seal(master, &associated_data(record, Field::DataKey, Some(master_id)), self.0.as_slice())
    }

    /// Unwraps what [`wrap`](Self::wrap) made in format `version`.
    pub(super) fn unwrap(
        version: u32,
        master: &KeyBytes,
        master_id: &str,
        record: &str,
        wrapped: &[u8],
    ) -> Result<Self, EnvelopeError> {
        check_version(version)?;
        let plain = open(master, &associated_data(record, Field::DataKey, Some(master_id)), wrapped)?;
        key_bytes(&plain).map(Self).ok_or(EnvelopeError::Altered)
    }
}

/// Fills `bytes` from the operating system.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), EnvelopeError> {
    SysRng.try_fill_bytes(bytes).map_err(|_| EnvelopeError::Random)
}

const fn check_version(version: u32) -> Result<(), EnvelopeError> {
    if version == VERSION { Ok(()) } else { Err(EnvelopeError::Version(version)) }
}

/// Each part with its length before it, so that no two lists of parts have the same bytes.
fn associated_data(record: &str, field: Field, master_id: Option<&str>) -> Vec<u8> {
    let version = VERSION.to_be_bytes();
    let parts = [b"appferry".as_slice(), &version, record.as_bytes(), field.label().as_bytes()];
    let mut bytes = Vec::new();
    for part in parts.into_iter().chain(master_id.map(str::as_bytes)) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn seal(key: &KeyBytes, associated_data: &[u8], plain: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce)?;
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + TAG_LEN);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let body = sealed.get_mut(NONCE_LEN..).unwrap_or_default();
    let tag = XChaCha20Poly1305::new((&***key).into())
        .encrypt_inout_detached(&XNonce::from(nonce), associated_data, body.into())
        .map_err(|_| EnvelopeError::Altered)?; // only above 256 GiB
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// The plain text comes in a buffer of exactly its size, so that turning it into another type copies nothing.
fn open(key: &KeyBytes, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(EnvelopeError::Altered)?;
    let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(EnvelopeError::Altered)?;
    let mut plain = Zeroizing::new(body.to_vec());
    XChaCha20Poly1305::new((&***key).into())
        .decrypt_inout_detached(&XNonce::from(*nonce), associated_data, plain.as_mut_slice().into(), &Tag::from(*tag))
        .map_err(|_| EnvelopeError::Altered)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sealed_opens_only_in_its_own_place() {
        let key = DataKey::generate().unwrap();
        let sealed = key.seal("r1", Field::PrivateKey, b"secret").unwrap();
        assert_eq!(key.open(VERSION, "r1", Field::PrivateKey, &sealed).unwrap().as_slice(), b"secret");

        let altered = Err(EnvelopeError::Altered);
        let other = DataKey::generate().unwrap();
        let opened = |key: &DataKey, record, field| key.open(VERSION, record, field, &sealed).map(drop);
        assert_eq!(opened(&key, "r2", Field::PrivateKey), altered, "moved to another record");
        assert_eq!(opened(&key, "r1", Field::Passphrase), altered, "moved to another field");
        assert_eq!(opened(&other, "r1", Field::PrivateKey), altered, "another key");
        assert_eq!(
            key.open(VERSION + 1, "r1", Field::PrivateKey, &sealed).map(drop),
            Err(EnvelopeError::Version(VERSION + 1))
        );
    }

    #[test]
    fn a_wrapped_data_key_is_bound_to_its_master_key_and_the_payload_is_not() {
        let (first, second) = (key_bytes(&[1; KEY_LEN]).unwrap(), key_bytes(&[2; KEY_LEN]).unwrap());
        let key = DataKey::generate().unwrap();
        let payload = key.seal("r", Field::PrivateKey, b"secret").unwrap();
        let wrapped = key.wrap(&first, "a", "r").unwrap();
        assert!(DataKey::unwrap(VERSION, &first, "b", "r", &wrapped).is_err(), "another id");
        assert!(DataKey::unwrap(VERSION, &second, "a", "r", &wrapped).is_err(), "another key");
        assert!(DataKey::unwrap(VERSION, &first, "a", "s", &wrapped).is_err(), "another record");

        let rewrapped = DataKey::unwrap(VERSION, &first, "a", "r", &wrapped).unwrap().wrap(&second, "b", "r").unwrap();
        let again = DataKey::unwrap(VERSION, &second, "b", "r", &rewrapped).unwrap();
        assert_eq!(again.open(VERSION, "r", Field::PrivateKey, &payload).unwrap().as_slice(), b"secret");
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let key = DataKey::generate().unwrap();
        assert_ne!(key.seal("r", Field::Canary, b"x").unwrap(), key.seal("r", Field::Canary, b"x").unwrap());
    }

    proptest! {
        #[test]
        fn any_altered_byte_is_detected(plain: Vec<u8>, at: proptest::sample::Index, bit in 0..8_u8) {
            let key = DataKey::generate().unwrap();
            let mut sealed = key.seal("r", Field::PrivateKey, &plain).unwrap();
            let opened = key.open(VERSION, "r", Field::PrivateKey, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(key.open(VERSION, "r", Field::PrivateKey, &sealed).map(drop), Err(EnvelopeError::Altered));
        }

        #[test]
        fn bytes_from_anywhere_never_panic(bytes: Vec<u8>) {
            let key = DataKey::generate().unwrap();
            prop_assert!(key.open(VERSION, "r", Field::PrivateKey, &bytes).is_err());
        }
    }
}
