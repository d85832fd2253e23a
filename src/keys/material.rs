//! Key pairs: making them, and what is shown of them.

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use secrecy::{ExposeSecret, SecretString};
use ssh_key::private::{Ed25519Keypair, KeypairData, RsaKeypair};
use ssh_key::public::KeyData;
use ssh_key::{EcdsaCurve, HashAlg, LineEnding, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::envelope::{KeyBytes, fill_random};
use super::error::KeyError;
use super::import::{self, ImportError};

/// The sizes that RSA keys may have here.
pub(super) const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// The size of an RSA key when none is asked for.
const RSA_DEFAULT_BITS: u32 = 3072;

const ED25519_BITS: u32 = 256;

/// A kind of key that can be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// The default.
    #[default]
    Ed25519,
    /// For hosts that take nothing else; of a size that [`KeyKind::rsa`] has checked.
    Rsa(RsaBits),
}

/// Bits of an RSA key: 2048 to 8192, in whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RsaBits(u32); // private field: checked once

impl KeyKind {
    /// An RSA key of `bits` bits, 3072 if not given.
    ///
    /// # Errors
    /// [`KeyError::Bits`] outside 2048 to 8192, or if it is not a multiple of 8: with an odd size the two primes differ in
    /// length, which the arithmetic under the `rsa` crate does not take.
    pub fn rsa(bits: Option<u32>) -> Result<Self, KeyError> {
        let bits = bits.unwrap_or(RSA_DEFAULT_BITS);
        if RSA_BITS.contains(&bits) && bits.is_multiple_of(8) {
            Ok(Self::Rsa(RsaBits(bits)))
        } else {
            Err(KeyError::Bits { bits })
        }
    }

    /// `ed25519` or `rsa`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Rsa(_) => "rsa",
        }
    }
}

/// A kind of key that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ed25519,
    Rsa,
    Ecdsa,
}

impl Kind {
    /// `ed25519`, `rsa` or `ecdsa`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Rsa => "rsa",
            Self::Ecdsa => "ecdsa",
        }
    }
}

/// An OpenSSH PEM without a comment: the name may change, what is sealed may not.
pub(super) type Pem = Zeroizing<String>;

/// Makes a key pair. Blocks: RSA takes seconds, 8192 bits minutes.
pub(super) fn generate(kind: KeyKind) -> Result<Pem, KeyError> {
    let pair = match kind {
        KeyKind::Ed25519 => KeypairData::from(ed25519()?),
        KeyKind::Rsa(RsaBits(bits)) => KeypairData::from(rsa(bits)?),
    };
    pem_of(pair)
}

/// The form that is kept of a decrypted key. Its comment is dropped.
///
/// # Errors
/// [`KeyError::Generate`] if it is encrypted or of a kind that is not kept.
pub(super) fn pem_of(pair: KeypairData) -> Result<Pem, KeyError> {
    let failed = |error: ssh_key::Error| KeyError::Generate(error.to_string());
    PrivateKey::new(pair, "").and_then(|private| private.to_openssh(LineEnding::LF)).map_err(failed)
}

/// Encrypts an unencrypted OpenSSH PEM as `ssh-keygen` does: bcrypt, aes256-ctr. Blocks, for a tenth of a second.
///
/// # Errors
/// [`KeyError::Generate`] if the PEM is none, or encrypted already.
pub fn protect(private_pem: &str, passphrase: &SecretString) -> Result<Zeroizing<String>, KeyError> {
    let failed = |error: ssh_key::Error| KeyError::Generate(error.to_string());
    let private = PrivateKey::from_openssh(private_pem).map_err(failed)?;
    let encrypted = private.encrypt(&mut SysRng, passphrase.expose_secret()).map_err(failed)?;
    encrypted.to_openssh(LineEnding::LF).map_err(failed)
}

/// What an OpenSSH PEM says without its passphrase.
pub(super) struct PublicParts {
    pub(super) kind: Kind,
    pub(super) bits: u32,
    /// `SHA256:…`.
    pub(super) fingerprint: String,
    /// Type and base64, without a comment.
    pub(super) public_key: String,
    /// Whether it is encrypted with a passphrase.
    pub(super) encrypted: bool,
}

/// The public parts of an OpenSSH PEM; `None` if it is not one, or of a kind that is not kept.
pub(super) fn public_parts(private_pem: &str) -> Option<PublicParts> {
    let key = PrivateKey::from_openssh(private_pem).ok()?;
    let (kind, bits) = match key.public_key().key_data() {
        KeyData::Ed25519(_) => (Kind::Ed25519, ED25519_BITS),
        KeyData::Rsa(key) => (Kind::Rsa, key.key_size()),
        KeyData::Ecdsa(key) => (Kind::Ecdsa, curve_bits(key.curve())),
        _ => return None,
    };
    let public = PublicKey::new(key.public_key().key_data().clone(), "");
    Some(PublicParts {
        kind,
        bits,
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        public_key: public.to_openssh().ok()?.trim_end().to_owned(),
        encrypted: key.is_encrypted(),
    })
}

/// The unencrypted PEM of one that [`protect`] made. Blocks as long. One that is not encrypted stays as it is.
///
/// # Errors
/// [`ImportError::WrongPassphrase`], or another if the PEM is damaged or asks for too many rounds.
pub(super) fn unlock(private_pem: &str, passphrase: &SecretString) -> Result<Pem, ImportError> {
    let opened = import::read(private_pem.as_bytes(), Some(passphrase))?;
    let unwritten = |_| ImportError::Damaged { what: "it cannot be written".to_owned() };
    opened.private.to_openssh(LineEnding::LF).map_err(unwritten)
}

const fn curve_bits(curve: EcdsaCurve) -> u32 {
    match curve {
        EcdsaCurve::NistP256 => 256,
        EcdsaCurve::NistP384 => 384,
        EcdsaCurve::NistP521 => 521,
    }
}

fn ed25519() -> Result<Ed25519Keypair, KeyError> {
    let mut seed = KeyBytes::default();
    fill_random(seed.as_mut_slice()).map_err(|e| KeyError::Generate(e.to_string()))?;
    Ok(Ed25519Keypair::from_seed(&seed))
}

fn rsa(bits: u32) -> Result<RsaKeypair, KeyError> {
    // Seeded once from the operating system: a generator that can fail at every number would have to panic.
    let mut random = StdRng::try_from_rng(&mut SysRng).map_err(|e| KeyError::Generate(e.to_string()))?;
    let bits = usize::try_from(bits).map_err(|_| KeyError::Bits { bits })?;
    RsaKeypair::random(&mut random, bits).map_err(|e| KeyError::Generate(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_sizes_outside_the_range_are_refused() {
        for bits in [0, 1024, 2040, 2047, 2049, 3001, 8193, 8200, u32::MAX] {
            assert!(matches!(KeyKind::rsa(Some(bits)), Err(KeyError::Bits { .. })), "{bits}");
        }
        assert!(matches!(KeyKind::rsa(None), Ok(KeyKind::Rsa(RsaBits(3072)))));
    }

    #[test]
    fn a_new_pair_carries_no_comment() {
        let public = public_parts(&generate(KeyKind::default()).unwrap()).unwrap();
        assert_eq!((public.kind, public.bits, public.encrypted), (Kind::Ed25519, 256, false));
        assert_eq!(public.public_key.split(' ').count(), 2);
        assert!(public_parts("no key").is_none());
    }

    #[test]
    fn a_protected_key_opens_with_its_passphrase_only() {
        let made = generate(KeyKind::default()).unwrap();
        let (right, wrong) = (SecretString::from("right horse"), SecretString::from("wrong horse"));
        let protected = protect(&made, &right).unwrap();
        let (open, closed) = (public_parts(&made).unwrap(), public_parts(&protected).unwrap());
        assert!(closed.encrypted && !open.encrypted);
        assert_eq!((closed.kind, closed.bits, closed.fingerprint), (open.kind, open.bits, open.fingerprint));
        assert_eq!(unlock(&protected, &wrong).map(drop), Err(ImportError::WrongPassphrase));
        let opened = unlock(&protected, &right).unwrap();
        assert_eq!(*opened, *made);
        assert_eq!(*unlock(&opened, &right).unwrap(), *made, "what is not encrypted stays as it is");
    }
}
