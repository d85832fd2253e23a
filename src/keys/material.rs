//! Key pairs: making them, and what is shown of them.

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use secrecy::{ExposeSecret as _, SecretString};
use ssh_key::private::{Ed25519Keypair, KeypairData, RsaKeypair};
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use zeroize::Zeroizing;

use super::envelope::{KEY_LEN, KeyBytes, fill_random};
use super::error::KeyError;

/// The sizes that RSA keys may have here.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

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

/// A new key pair, in the forms that are kept.
pub(super) struct Material {
    /// `ed25519`, `rsa` or `ecdsa`.
    pub(super) kind: &'static str,
    pub(super) bits: u32,
    /// `SHA256:…`.
    pub(super) fingerprint: String,
    /// Type and base64, without a comment.
    pub(super) public_key: String,
    /// Unencrypted OpenSSH PEM without a comment: the name may change, what is sealed may not.
    pub(super) private_pem: Zeroizing<String>,
}

/// Makes a key pair. Blocks: RSA takes seconds, 8192 bits minutes.
pub(super) fn generate(kind: KeyKind) -> Result<Material, KeyError> {
    let failed = |error: ssh_key::Error| KeyError::Generate(error.to_string());
    let (pair, bits) = match kind {
        KeyKind::Ed25519 => (KeypairData::from(ed25519()?), ED25519_BITS),
        KeyKind::Rsa(RsaBits(bits)) => (KeypairData::from(rsa(bits)?), bits),
    };
    let private = PrivateKey::new(pair, "").map_err(failed)?;
    Ok(Material {
        kind: kind.word(),
        bits,
        fingerprint: private.fingerprint(HashAlg::Sha256).to_string(),
        public_key: private.public_key().to_openssh().map_err(failed)?.trim_end().to_owned(),
        private_pem: private.to_openssh(LineEnding::LF).map_err(failed)?,
    })
}

/// What an OpenSSH PEM says without its passphrase.
pub(super) struct PublicParts {
    /// `SHA256:…`.
    pub(super) fingerprint: String,
    /// Whether it is encrypted with a passphrase.
    pub(super) encrypted: bool,
}

/// The public parts of an OpenSSH PEM; `None` if it is not one.
pub(super) fn public_parts(private_pem: &str) -> Option<PublicParts> {
    let key = PrivateKey::from_openssh(private_pem).ok()?;
    Some(PublicParts { fingerprint: key.fingerprint(HashAlg::Sha256).to_string(), encrypted: key.is_encrypted() })
}

/// The same key, encrypted with a passphrase. Blocks for a moment.
pub(super) fn protect(private_pem: &str, passphrase: &SecretString) -> Result<Zeroizing<String>, KeyError> {
    let failed = |error: ssh_key::Error| KeyError::Generate(error.to_string());
    let key = PrivateKey::from_openssh(private_pem).map_err(failed)?;
    let mut random = StdRng::try_from_rng(&mut SysRng).map_err(|e| KeyError::Generate(e.to_string()))?;
    let encrypted = key.encrypt(&mut random, passphrase.expose_secret()).map_err(failed)?;
    encrypted.to_openssh(LineEnding::LF).map_err(failed)
}

/// The same key without its passphrase; `None` if that is not its passphrase. Blocks for a moment.
pub(super) fn unlock(private_pem: &str, passphrase: &SecretString) -> Option<Zeroizing<String>> {
    let key = PrivateKey::from_openssh(private_pem).ok()?;
    key.decrypt(passphrase.expose_secret()).ok()?.to_openssh(LineEnding::LF).ok()
}

fn ed25519() -> Result<Ed25519Keypair, KeyError> {
    let mut seed: KeyBytes = Zeroizing::new([0; KEY_LEN]);
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
    fn a_new_pair_is_whole_and_carries_no_comment() {
        let made = generate(KeyKind::default()).unwrap();
        assert_eq!(made.public_key.split(' ').count(), 2);
        let public = public_parts(&made.private_pem).unwrap();
        assert_eq!((public.fingerprint, public.encrypted), (made.fingerprint, false));
        assert!(public_parts("no key").is_none());
    }
}
