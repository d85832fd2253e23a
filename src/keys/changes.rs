//! What becomes of a key after it was made: another name, another passphrase, another key pair, the end.

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::import;
use super::material::{self, KeyKind, Pem};
use super::protection::Protection;
use super::record::KeyRecord;
use super::resolve::{is_lock, unlock};
use super::seal;
use super::service::KeyService;
use crate::domain::{Failure, KeyName};
use crate::ports::{Changed, Keep, SealedKey};

/// A private key from outside: the content of its file, and its passphrase.
pub struct Given {
    /// The content, in any format that can be imported.
    pub content: Zeroizing<Vec<u8>>,
    /// The passphrase of the file; or, where the file has none, one to protect the key with from now on.
    pub passphrase: Option<SecretString>,
    /// Whether the passphrase is kept.
    pub remember: bool,
}

/// The key pair to rotate to.
pub enum Replacement {
    /// A new one; of the kind of the one before, if none is named.
    Generate(Option<KeyKind>, NewProtection),
    /// One that somebody brings.
    Import(Given),
}

/// How the new key pair of a rotation is protected.
pub enum NewProtection {
    /// As the one before: with its remembered passphrase, or without any.
    AsBefore,
    /// Like this.
    Like(Protection),
}

impl KeyService {
    /// Stores a key that somebody brings.
    ///
    /// # Errors
    /// [`KeyError::Import`] says what is wrong with the file; [`KeyError::Taken`], [`KeyError::Passphrase`],
    /// [`KeyError::Store`].
    pub async fn import(&self, name: &KeyName, given: Given) -> Result<KeyRecord, KeyError> {
        self.must_be_free(name).await?;
        let sealed = self.seal_in_background(move || read(given)).await?;
        self.add(name, sealed, "imported").await
    }

    /// Gives a key another name.
    ///
    /// # Errors
    /// [`KeyError::InUse`] with what uses it, unless `force`; [`KeyError::Taken`], [`KeyError::Unknown`],
    /// [`KeyError::Store`].
    pub async fn rename(&self, from: &KeyName, to: &KeyName, force: bool) -> Result<KeyRecord, KeyError> {
        if from != to {
            self.must_not_be_hidden(to).await?;
        }
        match self.records.rename(from, to, force).await? {
            Changed::Done => self.stored_record(to).await,
            Changed::NameTaken => Err(KeyError::Taken { name: to.clone() }),
            other => Err(self
                .refused(from, other, "change what uses it first, or rename it all the same with `--force`")
                .await),
        }
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`KeyError::InUse`] with what uses it; [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn delete(&self, name: &KeyName) -> Result<(), KeyError> {
        match self.records.delete(name).await? {
            Changed::Done => Ok(()),
            other => Err(self.refused(name, other, "change what uses it first; what is gone for good is taken off with `appferry keys release NAME --user …`").await),
        }
    }

    /// Changes how a key is protected. `old` opens it, and nothing else does; without, the passphrase that is given or
    /// remembered does.
    ///
    /// # Errors
    /// [`KeyError::Locked`], [`KeyError::WrongPassphrase`], [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn change_passphrase(
        &self,
        name: &KeyName,
        old: Option<SecretString>,
        protection: Protection,
    ) -> Result<KeyRecord, KeyError> {
        let sealed = self.stored(name).await?.current;
        let (ring, asked, was) = (self.ring.clone(), name.clone(), sealed.wrapped_data_key.clone());
        let given = self.given.get(name).cloned();
        let resealed = tokio::task::spawn_blocking(move || {
            let opened = seal::open(&ring, &asked, &sealed)?;
            let pem = match old {
                Some(old) => unlock_with_old(&asked, opened, old)?,
                None => unlock(&asked, opened, given)?,
            };
            seal::seal_as(sealed.id, &ring, pem.expose_secret(), &protection)
        });
        let resealed = resealed.await.map_err(Failure::internal)?;
        if let Err(error) = &resealed
            && is_lock(error)
        {
            self.note_lock(name, error).await; // each time: it may be somebody who guesses
        }
        match self.records.reseal(name, &was, resealed?).await? {
            Changed::Done => self.stored_record(name).await,
            other => Err(self.refused(name, other, "").await),
        }
    }

    /// Puts a new key pair under the name; the one before stays valid as *previous* until the rotation ends.
    ///
    /// # Errors
    /// [`KeyError::Rotating`] while a rotation is under way, [`KeyError::SameKey`], and as [`import`](Self::import).
    pub async fn rotate(&self, name: &KeyName, replacement: Replacement) -> Result<KeyRecord, KeyError> {
        let before = self.stored(name).await?;
        if before.previous.is_some() {
            return Err(KeyError::Rotating { name: name.clone() });
        }
        let (generation, fingerprint) = (before.generation, before.current.fingerprint.clone());
        let (sealed, origin) = match replacement {
            Replacement::Import(given) => (self.seal_in_background(move || read(given)).await?, "imported"),
            Replacement::Generate(kind, protection) => {
                let kind = kind.map_or_else(|| like(&before), Ok)?;
                let protection = match protection {
                    NewProtection::Like(protection) => protection,
                    NewProtection::AsBefore => self.protection_of(name, &before)?,
                };
                let make = move || Ok((material::generate(kind)?, protection));
                (self.seal_in_background(make).await?, "generated")
            }
        };
        if sealed.fingerprint == fingerprint {
            return Err(KeyError::SameKey { name: name.clone(), fingerprint });
        }
        let now = jiff::Timestamp::now().as_millisecond();
        match self.records.rotate(name, generation, sealed, now, origin).await? {
            Changed::Done => self.stored_record(name).await,
            other => Err(self.refused(name, other, "").await),
        }
    }

    /// Ends a rotation: by dropping the key pair before, or by taking the new one back.
    ///
    /// # Errors
    /// [`KeyError::NotRotating`], [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn end_rotation(&self, name: &KeyName, keep: Keep) -> Result<KeyRecord, KeyError> {
        match self.records.end_rotation(name, keep).await? {
            Changed::Done => self.stored_record(name).await,
            Changed::Stale => Err(KeyError::NotRotating { name: name.clone() }),
            other => Err(self.refused(name, other, "").await),
        }
    }

    pub(super) async fn stored(&self, name: &KeyName) -> Result<SealedKey, KeyError> {
        match self.records.sealed(name).await? {
            Some(sealed) => Ok(sealed),
            None => Err(self.absent(name).await),
        }
    }

    /// How the current pair is protected.
    fn protection_of(&self, name: &KeyName, key: &SealedKey) -> Result<Protection, KeyError> {
        if !key.current.encrypted {
            return Ok(Protection::None);
        }
        match seal::open(&self.ring, name, &key.current)?.passphrase {
            Some(passphrase) => Protection::existing(passphrase, true),
            None => Err(KeyError::Passphrase(
                "the key before has one that is not remembered; give one for the new key with `--passphrase-file`, or `--no-passphrase`",
            )),
        }
    }

    async fn refused(&self, name: &KeyName, changed: Changed, remedy: &'static str) -> KeyError {
        let name = name.clone();
        match changed {
            Changed::InUse(users) => KeyError::InUse { name, users, remedy },
            Changed::Rotating => KeyError::Rotating { name },
            Changed::NameTaken => KeyError::Taken { name },
            Changed::Stale | Changed::Done => KeyError::Stale { name },
            Changed::Absent => self.absent(&name).await,
        }
    }
}

/// Takes the passphrase off that somebody says is the one of now. Blocks.
fn unlock_with_old(name: &KeyName, mut opened: seal::Opened, old: SecretString) -> Result<SecretString, KeyError> {
    opened.passphrase = None;
    unlock(name, opened, Some(old)).map_err(|error| match error {
        KeyError::WrongPassphrase { name, .. } => KeyError::WrongPassphrase {
            name,
            what: "the passphrase that was given as the one of now",
            remedy: "give the right one with `--old-passphrase-file`",
        },
        other => other,
    })
}

/// Blocks.
fn read(given: Given) -> Result<(Pem, Protection), KeyError> {
    let Given { content, passphrase, remember } = given;
    let read = import::read(&content, passphrase.as_ref())?;
    let protection = match passphrase {
        None => Protection::None,
        Some(passphrase) if read.was_encrypted => Protection::existing(passphrase, remember)?,
        Some(passphrase) => Protection::new(passphrase, remember)?,
    };
    Ok((material::pem_of(read.private.key_data().clone())?, protection))
}

/// The kind of a key's current pair; what is not made here (ECDSA) gives way to the default.
fn like(key: &SealedKey) -> Result<KeyKind, KeyError> {
    if key.current.kind == "rsa" { KeyKind::rsa(Some(key.current.bits.div_ceil(8) * 8)) } else { Ok(KeyKind::Ed25519) }
}
