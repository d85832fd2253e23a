//! Key pairs from their numbers: both halves must be there, belong together and work.

use rsa::BoxedUint;
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, Ed25519PrivateKey, KeypairData, RsaKeypair};
use ssh_key::public::EcdsaPublicKey;
use ssh_key::{EcdsaCurve, HashAlg, PrivateKey};
use zeroize::Zeroizing;

use super::error::{ImportError, damaged};
use super::wire::Wire;
use crate::keys::material::RSA_BITS;

const WORKS: &[u8] = b"a key that signs this works";

/// The numbers of an RSA key, big-endian. The rest of what files hold is derived from them.
pub(super) struct RsaNumbers<'a> {
    pub(super) n: &'a [u8],
    pub(super) e: &'a [u8],
    pub(super) d: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) q: &'a [u8],
}

/// Kinds of key by their SSH names, and why those that are not read are of no use.
pub(super) fn refuse_kind(name: &[u8]) -> Result<(), ImportError> {
    let (kind, why) = match name {
        b"ssh-dss" => ("DSA", NO_DSA),
        _ if name.starts_with(b"sk-") => ("FIDO (sk)", "which signs only while somebody touches its hardware token"),
        b"ssh-ed448" => ("Ed448", NO_SSH),
        _ => return Ok(()),
    };
    Err(ImportError::Kind { kind: kind.to_owned(), why })
}

pub(super) const NO_DSA: &str = "which SSH servers no longer take";
pub(super) const NO_SSH: &str = "which is of no use with SSH servers";

/// The private key that OpenSSH writes behind its kind's name.
pub(super) fn from_wire(kind: &[u8], wire: &mut Wire) -> Result<PrivateKey, ImportError> {
    let short = || damaged("a field of its private part is missing");
    match kind {
        b"ssh-ed25519" => {
            let public = wire.string().ok_or_else(short)?;
            let both = wire.string().ok_or_else(short)?;
            let (seed, again) = both.split_at_checked(32).ok_or_else(short)?;
            if again != public { Err(halves()) } else { ed25519(seed, Some(public)) }
        }
        b"ssh-rsa" => {
            let mut next = || wire.string().ok_or_else(short);
            let (n, e, d, _, p, q) = (next()?, next()?, next()?, next()?, next()?, next()?);
            rsa(&RsaNumbers { n, e, d, p, q })
        }
        _ => {
            let curve = curve(kind).ok_or_else(|| damaged("it names no kind of key that is known"))?;
            let _its_name_again = wire.string().ok_or_else(short)?;
            let point = wire.string().ok_or_else(short)?;
            ecdsa(curve, wire.string().ok_or_else(short)?, Some(point))
        }
    }
}

/// The curve of an `ecdsa-sha2-…`.
pub(super) fn curve(kind: &[u8]) -> Option<EcdsaCurve> {
    match kind {
        b"ecdsa-sha2-nistp256" => Some(EcdsaCurve::NistP256),
        b"ecdsa-sha2-nistp384" => Some(EcdsaCurve::NistP384),
        b"ecdsa-sha2-nistp521" => Some(EcdsaCurve::NistP521),
        _ => None,
    }
}

pub(super) fn ed25519(seed: &[u8], public: Option<&[u8]>) -> Result<PrivateKey, ImportError> {
    let private = Ed25519PrivateKey::try_from(seed).map_err(|_| damaged("its private part has the wrong length"))?;
    let pair = Ed25519Keypair::from(private);
    if public.is_some_and(|public| public != pair.public.0) {
        return Err(halves());
    }
    private_key(pair.into())
}

pub(super) fn ecdsa(curve: EcdsaCurve, scalar: &[u8], public: Option<&[u8]>) -> Result<PrivateKey, ImportError> {
    let bad = || damaged("its private number does not fit its curve");
    // As a number it may have lost leading zeros, or gained one; the arithmetic takes exactly the size of the field.
    let zeros = scalar.iter().take_while(|&&byte| byte == 0).count();
    let digits = scalar.get(zeros..).unwrap_or_default();
    let mut padded = Zeroizing::new([0; 66]);
    let size = match curve {
        EcdsaCurve::NistP256 => 32,
        EcdsaCurve::NistP384 => 48,
        EcdsaCurve::NistP521 => 66,
    };
    let field = padded.get_mut(..size).ok_or_else(bad)?;
    let start = size.checked_sub(digits.len()).ok_or_else(bad)?;
    field.get_mut(start..).ok_or_else(bad)?.copy_from_slice(digits);
    let pair = match curve {
        EcdsaCurve::NistP256 => {
            let private = p256::SecretKey::from_slice(field).map_err(|_| bad())?;
            EcdsaKeypair::NistP256 { public: private.public_key().into(), private: private.into() }
        }
        EcdsaCurve::NistP384 => {
            let private = p384::SecretKey::from_slice(field).map_err(|_| bad())?;
            EcdsaKeypair::NistP384 { public: private.public_key().into(), private: private.into() }
        }
        EcdsaCurve::NistP521 => {
            let private = p521::SecretKey::from_slice(field).map_err(|_| bad())?;
            EcdsaKeypair::NistP521 { public: private.public_key().into(), private: private.into() }
        }
    };
    if public.is_some_and(|public| !same_point(public, &pair)) {
        return Err(halves());
    }
    private_key(pair.into())
}

/// Points may be written in short: then the x coordinate decides.
fn same_point(written: &[u8], pair: &EcdsaKeypair) -> bool {
    let Ok(public) = EcdsaPublicKey::from_sec1_bytes(written) else { return false };
    let ours = pair.public_key_bytes();
    match written {
        [4, ..] => public.as_sec1_bytes() == ours,
        [2 | 3, x @ ..] => ours.get(1..=x.len()) == Some(x),
        _ => false,
    }
}

pub(super) fn rsa(numbers: &RsaNumbers) -> Result<PrivateKey, ImportError> {
    let bits = bit_length(numbers.n);
    if !(RSA_BITS.contains(&u32::try_from(bits).unwrap_or(u32::MAX))) {
        return Err(ImportError::RsaSize { bits });
    }
    let RsaNumbers { n, e, d, p, q } = numbers;
    // No number of a key is longer than its modulus: longer ones would only cost time.
    if [e, d, p, q].iter().any(|number| bit_length(number) > bits) {
        return Err(damaged("a number of the RSA key is larger than its modulus"));
    }
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    let broken = || damaged("the numbers of the RSA key contradict each other");
    let key = rsa::RsaPrivateKey::from_components(number(n), number(e), number(d), vec![number(p), number(q)])
        .map_err(|_| broken())?;
    let private = private_key(RsaKeypair::try_from(key).map_err(|_| broken())?.into())?;
    // The numbers may fit and the primes be none: only a signature tells.
    let signed = private.sign("import", HashAlg::Sha512, WORKS).map_err(|_| broken())?;
    private.public_key().verify("import", WORKS, &signed).map_err(|_| broken())?;
    Ok(private)
}

fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let unused = digits.first().map_or(0, |first| first.leading_zeros());
    digits.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(0))
}

fn private_key(pair: KeypairData) -> Result<PrivateKey, ImportError> {
    PrivateKey::new(pair, "").map_err(|_| damaged("its halves do not make a key"))
}

/// The public half is another key's.
pub(super) fn halves() -> ImportError {
    damaged("its public and private halves do not belong together")
}
