//! PKCS#1, SEC1 and PKCS#8: keys in DER.

use ssh_key::{EcdsaCurve, PrivateKey};

use super::der::{CONTEXT, Der, INTEGER, OCTET_STRING, OID, SEQUENCE};
use super::error::{ImportError, damaged};
use super::pair::{self, NO_DSA, NO_SSH, RsaNumbers};
use super::pbes2::dotted;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
const X25519: &[u8] = &[0x2b, 0x65, 110];
const X448: &[u8] = &[0x2b, 0x65, 111];
const ED25519: &[u8] = &[0x2b, 0x65, 112];
const ED448: &[u8] = &[0x2b, 0x65, 113];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const P384: &[u8] = &[0x2b, 0x81, 4, 0, 34];
const P521: &[u8] = &[0x2b, 0x81, 4, 0, 35];
const SECP256K1: &[u8] = &[0x2b, 0x81, 4, 0, 10];

/// `[1]` of a PKCS#8 key: the public half, implicitly a bit string.
const PUBLIC: u8 = 0x81;

/// What is said of bytes that are not such a key at all. Behind a passphrase, the passphrase was wrong.
pub(super) fn structure() -> ImportError {
    damaged("what its base64 stands for is not a key (DER)")
}

/// `RSAPrivateKey`.
pub(super) fn pkcs1(bytes: &[u8]) -> Result<PrivateKey, ImportError> {
    let (version, numbers) = rsa_numbers(bytes).ok_or_else(structure)?;
    if version == 0 { pair::rsa(&numbers) } else { Err(kind("RSA with more than two primes", NO_SSH)) }
}

fn rsa_numbers(bytes: &[u8]) -> Option<(u64, RsaNumbers<'_>)> {
    let mut der = Der::sequence_of(bytes)?;
    let version = der.number()?;
    let mut next = || der.unsigned();
    let numbers = RsaNumbers { n: next()?, e: next()?, d: next()?, p: next()?, q: next()? };
    let _derived = (next()?, next()?, next()?);
    Some((version, numbers))
}

/// `ECPrivateKey`; PKCS#8 says the curve outside.
pub(super) fn sec1(bytes: &[u8], outer: Option<EcdsaCurve>) -> Result<PrivateKey, ImportError> {
    let (scalar, parameters, public) = ec_parts(bytes).ok_or_else(structure)?;
    let curve = match (parameters, outer) {
        (None, outer) => outer.ok_or_else(|| damaged("it does not say its curve"))?,
        (Some(parameters), outer) => {
            let inner = curve(parameters)?;
            if outer.is_some_and(|outer| outer != inner) {
                return Err(damaged("it names two curves"));
            }
            inner
        }
    };
    pair::ecdsa(curve, scalar, public)
}

/// The private number, the curve and the public point.
fn ec_parts(bytes: &[u8]) -> Option<(&[u8], Option<Der<'_>>, Option<&[u8]>)> {
    let mut der = Der::sequence_of(bytes)?;
    if der.number()? != 1 {
        return None;
    }
    let scalar = der.take(OCTET_STRING)?;
    let mut optional =
        |tag| if der.tag() == Some(tag) { der.take(tag).map(|inner| Some(Der(inner))) } else { Some(None) };
    let [parameters, public] = CONTEXT;
    let (parameters, public) = (optional(parameters)?, optional(public)?);
    let public = match public {
        Some(mut public) => Some(public.bits()?),
        None => None,
    };
    Some((scalar, parameters, public))
}

fn curve(mut parameters: Der) -> Result<EcdsaCurve, ImportError> {
    if parameters.tag() == Some(SEQUENCE) {
        return Err(kind("ECDSA with a curve of its own", NO_SSH));
    }
    match parameters.take(OID).ok_or_else(structure)? {
        P256 => Ok(EcdsaCurve::NistP256),
        P384 => Ok(EcdsaCurve::NistP384),
        P521 => Ok(EcdsaCurve::NistP521),
        SECP256K1 => Err(kind("ECDSA on secp256k1", NO_SSH)),
        other => Err(kind(&format!("ECDSA on the curve {}", dotted(other)), NO_SSH)),
    }
}

/// `PrivateKeyInfo`.
pub(super) fn pkcs8(bytes: &[u8]) -> Result<PrivateKey, ImportError> {
    let (mut algorithm, inner, public) = info(bytes).ok_or_else(structure)?;
    match algorithm.take(OID).ok_or_else(structure)? {
        RSA => pkcs1(inner),
        EC => sec1(inner, Some(curve(algorithm)?)),
        ED25519 => {
            let mut der = Der(inner);
            let seed = der.take(OCTET_STRING).filter(|_| der.0.is_empty()).ok_or_else(structure)?;
            pair::ed25519(seed, public)
        }
        DSA => Err(kind("DSA", NO_DSA)),
        RSA_PSS => Err(kind("RSA for PSS signatures only", NO_SSH)),
        X25519 => Err(kind("X25519", NO_SSH)),
        X448 => Err(kind("X448", NO_SSH)),
        ED448 => Err(kind("Ed448", NO_SSH)),
        other => Err(kind(&dotted(other), NO_SSH)),
    }
}

/// The algorithm, the key, and the public half if it is there.
fn info(bytes: &[u8]) -> Option<(Der<'_>, &[u8], Option<&[u8]>)> {
    let mut der = Der::sequence_of(bytes)?;
    let _version = der.take(INTEGER)?;
    let (algorithm, inner) = (der.sequence()?, der.take(OCTET_STRING)?);
    let [attributes, _] = CONTEXT;
    if der.tag() == Some(attributes) {
        der.take(attributes)?;
    }
    let public = if der.tag() == Some(PUBLIC) { Some(der.take(PUBLIC)?.strip_prefix(&[0])?) } else { None };
    der.0.is_empty().then_some((algorithm, inner, public))
}

fn kind(kind: &str, why: &'static str) -> ImportError {
    ImportError::Kind { kind: kind.to_owned(), why }
}
