//! Records in and out of their envelopes.

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::envelope::{DataKey, EnvelopeError, Field, VERSION, fill_random};
use super::error::{KeyError, MasterKeyError};
use super::master::hex;
use super::material::{self, Pem};
use super::protection::Protection;
use super::ring::MasterRing;
use crate::domain::KeyName;
use crate::ports::{Canary, SealedMaterial, WrappedDataKey};

/// The canary's record id and content: known, so that opening it proves the master key.
const CANARY: &str = "canary";

/// What was sealed of a key pair.
pub(super) struct Opened {
    /// OpenSSH PEM, perhaps encrypted with a passphrase.
    pub(super) pem: Pem,
    /// The passphrase, if it is remembered.
    pub(super) passphrase: Option<SecretString>,
}

/// A random id for a record.
pub(super) fn new_id() -> Result<String, EnvelopeError> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Seals a new key pair under a data key of its own. Blocks where there is a passphrase.
pub(super) fn seal(ring: &MasterRing, pem: &str, protection: &Protection) -> Result<SealedMaterial, KeyError> {
    seal_as(new_id().map_err(KeyError::random)?, ring, pem, protection)
}

/// As [`seal`], but for the pair that goes by `id` already.
pub(super) fn seal_as(
    id: String,
    ring: &MasterRing,
    pem: &str,
    protection: &Protection,
) -> Result<SealedMaterial, KeyError> {
    let pem = match protection.passphrase() {
        Some(passphrase) => &material::protect(pem, passphrase)?,
        None => pem,
    };
    seal_pem(id, ring, pem, protection.remembered())
}

/// Seals an OpenSSH PEM as it is, encrypted or not, and the passphrase that is remembered.
pub(super) fn seal_pem(
    id: String,
    ring: &MasterRing,
    pem: &str,
    passphrase: Option<&SecretString>,
) -> Result<SealedMaterial, KeyError> {
    let public = material::public_parts(pem).ok_or_else(|| KeyError::Generate("it cannot be read back".to_owned()))?;
    let sealed = || {
        let key = DataKey::generate()?;
        let passphrase = passphrase.map(|text| text.expose_secret().as_bytes());
        Ok::<_, EnvelopeError>(SealedMaterial {
            kind: public.kind.word().to_owned(),
            bits: public.bits,
            fingerprint: public.fingerprint,
            public_key: public.public_key,
            encrypted: public.encrypted,
            envelope: VERSION,
            master_key_id: ring.first().id().to_owned(),
            wrapped_data_key: ring.first().wrap(&id, &key)?,
            sealed_private: key.seal(&id, Field::PrivateKey, pem.as_bytes())?,
            sealed_passphrase: passphrase.map(|bytes| key.seal(&id, Field::Passphrase, bytes)).transpose()?,
            id,
        })
    };
    sealed().map_err(KeyError::random)
}

/// What is sealed in `sealed`, if all of the record is as it was sealed.
pub(super) fn open(ring: &MasterRing, name: &KeyName, sealed: &SealedMaterial) -> Result<Opened, KeyError> {
    let master = ring.find(&sealed.master_key_id).ok_or_else(|| KeyError::MasterKeyNotHere {
        name: name.clone(),
        needed: sealed.master_key_id.clone(),
        have: ring.ids(),
    })?;
    let failed = |error| KeyError::Sealed { name: name.clone(), error };
    let altered = || failed(EnvelopeError::Altered);
    let key = master.unwrap(sealed.envelope, &sealed.id, &sealed.wrapped_data_key).map_err(failed)?;
    let field = |field, bytes: &[u8]| text(key.open(sealed.envelope, &sealed.id, field, bytes)?);
    let pem = field(Field::PrivateKey, &sealed.sealed_private).map_err(failed)?;
    // What is not sealed must still fit: the public half, and whether there is a passphrase.
    let public = material::public_parts(&pem).ok_or_else(altered)?;
    if public.fingerprint != sealed.fingerprint || public.encrypted != sealed.encrypted {
        return Err(altered());
    }
    let passphrase = sealed.sealed_passphrase.as_deref().map(|bytes| field(Field::Passphrase, bytes)).transpose();
    let passphrase = passphrase.map_err(failed)?.map(secret);
    Ok(Opened { pem, passphrase })
}

/// Moved, not copied: the buffer has exactly the size of the text.
fn text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, EnvelopeError> {
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|_| EnvelopeError::Altered)
}

/// Moved, not copied.
pub(super) fn secret(mut text: Zeroizing<String>) -> SecretString {
    SecretString::from(std::mem::take(&mut *text))
}

/// The data key of `was`, wrapped by the ring's first master key; `None` if its master key is not at hand.
pub(super) fn rewrapped(ring: &MasterRing, was: &WrappedDataKey) -> Result<Option<WrappedDataKey>, EnvelopeError> {
    let Some(master) = ring.find(&was.master_key_id) else { return Ok(None) };
    let key = master.unwrap(was.envelope, &was.record, &was.wrapped_data_key)?;
    Ok(Some(WrappedDataKey {
        record: was.record.clone(),
        envelope: VERSION,
        master_key_id: ring.first().id().to_owned(),
        wrapped_data_key: ring.first().wrap(&was.record, &key)?,
    }))
}

/// A canary of the ring's first master key.
pub(super) fn new_canary(ring: &MasterRing) -> Result<Canary, EnvelopeError> {
    let key = DataKey::generate()?;
    Ok(Canary {
        envelope: VERSION,
        master_key_id: ring.first().id().to_owned(),
        wrapped_data_key: ring.first().wrap(CANARY, &key)?,
        sealed: key.seal(CANARY, Field::Canary, CANARY.as_bytes())?,
    })
}

/// Proves that the ring holds the master key of `canary`, and that it is that key.
pub(super) fn check_canary(ring: &MasterRing, canary: &Canary) -> Result<(), MasterKeyError> {
    let id = &canary.master_key_id;
    let master = ring.find(id).ok_or_else(|| MasterKeyError::Missing {
        needed: vec![id.clone()],
        have: ring.ids(),
        remedy: "give every appferry of this data folder the same master keys".to_owned(),
    })?;
    let opened = master
        .unwrap(canary.envelope, CANARY, &canary.wrapped_data_key)
        .and_then(|key| key.open(canary.envelope, CANARY, Field::Canary, &canary.sealed))
        .and_then(|plain| if plain.as_slice() == CANARY.as_bytes() { Ok(()) } else { Err(EnvelopeError::Altered) });
    opened.map_err(|error| MasterKeyError::Canary { id: id.clone(), error })
}
