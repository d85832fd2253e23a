//! Encrypted PKCS#8: PBES2 (RFC 8018) with PBKDF2 or scrypt. The pkcs8 crate's own lacks SHA-1 and triple DES, which OpenSSL still
//! wrote a few years ago, and sets no limit to what a file may ask for.

use std::fmt::Write as _;

use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::cbc::Block;
use super::der::{Der, INTEGER, OCTET_STRING, OID};
use super::error::ImportError;
use super::pkcs::structure;

const PKCS5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5];
const PKCS12_PBE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 1];
const DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2];
const TRIPLE_DES: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 3, 7];
const AES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];
const SCRYPT: &[u8] = &[0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11];
const PBKDF2: u8 = 12;
const PBES2: u8 = 13;

/// OpenSSL's default is 2048; password managers go to a million.
const MAX_ITERATIONS: u64 = 10_000_000;
/// 128 N r bytes. OpenSSL's default is 16 MiB.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// 128 N r p: the time.
const MAX_SCRYPT_WORK: u64 = 4 << 30;

const CONVERT: &str = "convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW` and give NEW";

enum Kdf<'a> {
    Pbkdf2 { salt: &'a [u8], iterations: u32, digest: u8 },
    Scrypt { salt: &'a [u8], params: scrypt::Params },
}

/// Decrypts `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<Opened, ImportError> {
    let mut der = Der::sequence_of(bytes).ok_or_else(structure)?;
    let (mut scheme, data) = der.sequence().zip(der.take(OCTET_STRING)).ok_or_else(structure)?;
    let name = scheme.take(OID).ok_or_else(structure)?;
    if name.strip_prefix(PKCS5) != Some(&[PBES2]) {
        return Err(unread(scheme_name(name)));
    }
    let mut parameters = scheme.sequence().ok_or_else(structure)?;
    let (kdf, mut cipher) = parameters.sequence().zip(parameters.sequence()).ok_or_else(structure)?;
    let name = cipher.take(OID).ok_or_else(structure)?;
    let block = block(name).ok_or_else(|| unread(format!("the cipher {}", dotted(name))))?;
    let iv = cipher.take(OCTET_STRING).filter(|iv| iv.len() == block.block_len()).ok_or_else(structure)?;
    let kdf = self::kdf(kdf)?;
    if data.is_empty() || !data.len().is_multiple_of(block.block_len()) {
        return Err(structure());
    }
    let passphrase = passphrase.ok_or(ImportError::PassphraseMissing { form: "PKCS#8" })?;
    let key = kdf.derive(passphrase);
    let mut buffer = Zeroizing::new(data.to_vec());
    let opened = block.decrypt_padded(key.get(..block.key_len()).unwrap_or_default(), iv, &mut buffer);
    let length = opened.ok_or(ImportError::WrongPassphrase)?.len();
    Ok(Opened { buffer, length })
}

/// Decrypted bytes, still in the buffer they were decrypted in.
pub(super) struct Opened {
    buffer: Zeroizing<Vec<u8>>,
    length: usize,
}

impl Opened {
    pub(super) fn as_slice(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

fn block(name: &[u8]) -> Option<Block> {
    match (name.strip_prefix(AES), name) {
        (Some([2]), _) => Some(Block::Aes128),
        (Some([22]), _) => Some(Block::Aes192),
        (Some([42]), _) => Some(Block::Aes256),
        (_, TRIPLE_DES) => Some(Block::TripleDes),
        _ => None,
    }
}

fn kdf(mut kdf: Der<'_>) -> Result<Kdf<'_>, ImportError> {
    let name = kdf.take(OID).ok_or_else(structure)?;
    let parameters = kdf.sequence();
    if name == SCRYPT {
        return scrypt_kdf(parameters.ok_or_else(structure)?);
    }
    if name.strip_prefix(PKCS5) == Some(&[PBKDF2]) {
        return pbkdf2_kdf(parameters.ok_or_else(structure)?);
    }
    Err(unread(format!("the key derivation {}", dotted(name))))
}

fn pbkdf2_kdf(mut der: Der<'_>) -> Result<Kdf<'_>, ImportError> {
    let salt = der.take(OCTET_STRING).ok_or_else(structure)?;
    let iterations = der.number().ok_or_else(structure)?;
    if iterations > MAX_ITERATIONS {
        return Err(ImportError::Cost { what: "too many iterations of PBKDF2".to_owned(), remedy: CONVERT });
    }
    if der.tag() == Some(INTEGER) {
        der.take(INTEGER);
    }
    let digest = match der.sequence() {
        None => 7, // the default of the standard
        Some(mut algorithm) => {
            let name = algorithm.take(OID).ok_or_else(structure)?;
            match name.strip_prefix(DIGEST) {
                Some(&[digest @ 7..=11]) => digest,
                _ => return Err(unread(format!("PBKDF2 with {}", dotted(name)))),
            }
        }
    };
    let iterations = u32::try_from(iterations).ok().filter(|&count| count > 0).ok_or_else(structure)?;
    Ok(Kdf::Pbkdf2 { salt, iterations, digest })
}

fn scrypt_kdf(mut der: Der<'_>) -> Result<Kdf<'_>, ImportError> {
    let salt = der.take(OCTET_STRING).ok_or_else(structure)?;
    let (n, r, p) = (der.number(), der.number(), der.number());
    let (Some(n), Some(r @ 1..), Some(p @ 1..)) = (n, r, p) else { return Err(structure()) };
    let bytes = n.saturating_mul(r).saturating_mul(128);
    if bytes > MAX_SCRYPT_BYTES || bytes.saturating_mul(p) > MAX_SCRYPT_WORK {
        let what = format!("{} MiB for scrypt", bytes.saturating_mul(p) >> 20);
        return Err(ImportError::Cost { what, remedy: CONVERT });
    }
    let log_n = n.checked_ilog2().filter(|_| n.is_power_of_two() && n > 1).and_then(|log_n| u8::try_from(log_n).ok());
    let (r, p) = (u32::try_from(r).ok(), u32::try_from(p).ok());
    let params = log_n.zip(r).zip(p).and_then(|((log_n, r), p)| scrypt::Params::new(log_n, r, p).ok());
    Ok(Kdf::Scrypt { salt, params: params.ok_or_else(structure)? })
}

impl Kdf<'_> {
    /// As many bytes as the longest key has; a shorter key is their beginning.
    fn derive(&self, passphrase: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let out = key.as_mut_slice();
        match self {
            Self::Scrypt { salt, params } => {
                // Fails only for a length of none.
                let _ = scrypt::scrypt(passphrase, salt, params, out);
            }
            &Self::Pbkdf2 { salt, iterations, digest } => match digest {
                7 => pbkdf2::pbkdf2_hmac::<Sha1>(passphrase, salt, iterations, out),
                8 => pbkdf2::pbkdf2_hmac::<Sha224>(passphrase, salt, iterations, out),
                9 => pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, iterations, out),
                10 => pbkdf2::pbkdf2_hmac::<Sha384>(passphrase, salt, iterations, out),
                _ => pbkdf2::pbkdf2_hmac::<Sha512>(passphrase, salt, iterations, out),
            },
        }
        key
    }
}

fn scheme_name(name: &[u8]) -> String {
    if name.strip_prefix(PKCS12_PBE).is_some() {
        return "PBES1 (of PKCS#12)".to_owned();
    }
    match name.strip_prefix(PKCS5) {
        Some([1..=11]) => "PBES1".to_owned(),
        _ => format!("the scheme {}", dotted(name)),
    }
}

fn unread(name: String) -> ImportError {
    ImportError::Cipher { name, remedy: CONVERT }
}

/// An object identifier as people write it.
pub(super) fn dotted(name: &[u8]) -> String {
    let mut text = String::new();
    let mut arc: u64 = 0;
    for &byte in name.iter().take(32) {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            let _ = match text.is_empty() {
                true => write!(text, "{}.{}", (arc / 40).min(2), arc - (arc / 40).min(2) * 40),
                false => write!(text, ".{arc}"),
            };
            arc = 0;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_are_written_as_people_do() {
        assert_eq!(dotted(TRIPLE_DES), "1.2.840.113549.3.7");
        assert_eq!(dotted(SCRYPT), "1.3.6.1.4.1.11591.4.11");
        assert_eq!(dotted(&[0x60, 0x86, 0x48]), "2.16.840");
    }
}
