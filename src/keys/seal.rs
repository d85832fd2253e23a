//! Records in and out of their envelopes.

use secrecy::SecretString;

use super::envelope::{DataKey, EnvelopeError, Field, VERSION, fill_random};
use super::error::{KeyError, MasterKeyError};
use super::master::hex;
use super::material::{self, Material};
use super::ring::MasterRing;
use crate::domain::KeyName;
use crate::ports::{Canary, SealedMaterial};

/// The canary's record id and content: known, so that opening it proves the master key.
const CANARY: &str = "canary";

/// A random id for a record.
pub(super) fn new_id() -> Result<String, EnvelopeError> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Seals a new key pair under a data key of its own.
pub(super) fn seal(ring: &MasterRing, material: Material) -> Result<SealedMaterial, EnvelopeError> {
    let id = new_id()?;
    let key = DataKey::generate()?;
    Ok(SealedMaterial {
        kind: material.kind.word().to_owned(),
        bits: material.bits,
        fingerprint: material.fingerprint,
        public_key: material.public_key,
        envelope: VERSION,
        master_key_id: ring.first().id().to_owned(),
        wrapped_data_key: ring.first().wrap(&id, &key)?,
        sealed_private: key.seal(&id, Field::PrivateKey, material.private_pem.as_bytes())?,
        sealed_passphrase: None,
        id,
    })
}

/// The private key of `sealed`, if all of the record is as it was sealed.
pub(super) fn open(ring: &MasterRing, name: &KeyName, sealed: &SealedMaterial) -> Result<SecretString, KeyError> {
    let master = ring.find(&sealed.master_key_id).ok_or_else(|| KeyError::MasterKeyNotHere {
        name: name.clone(),
        needed: sealed.master_key_id.clone(),
        have: ring.ids(),
    })?;
    let failed = |error| KeyError::Sealed { name: name.clone(), error };
    let key = master.unwrap(sealed.envelope, &sealed.id, &sealed.wrapped_data_key).map_err(failed)?;
    let mut pem = key.open(sealed.envelope, &sealed.id, Field::PrivateKey, &sealed.sealed_private).map_err(failed)?;
    // The public half is not sealed: it must still be the one of the private half.
    if material::fingerprint(&pem).as_ref() != Some(&sealed.fingerprint) {
        return Err(failed(EnvelopeError::Altered));
    }
    // Moved, not copied: the buffer has exactly the size of the text.
    let text = String::from_utf8(std::mem::take(&mut *pem)).map_err(|_| failed(EnvelopeError::Altered))?;
    Ok(SecretString::from(text))
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
