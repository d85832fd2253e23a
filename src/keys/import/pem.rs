//! PEM by its label, and the encryption that OpenSSL once put into its header (`DEK-Info`).

use md5::{Digest, Md5};
use ssh_key::PrivateKey;
use zeroize::{Zeroize, Zeroizing};

use super::cbc::Block;
use super::error::{ImportError, damaged, shown};
use super::text::{self, Line};
use super::{Format, Imported, openssh, pair, pbes2, pkcs};

const CONVERT: &str = "convert it with `openssl pkey -in FILE -aes256 -out NEW` and give NEW";

/// Reads the key between the lines of `label`.
pub(super) fn read(label: &[u8], lines: &[Line], passphrase: Option<&[u8]>) -> Result<Imported, ImportError> {
    let headers = lines.iter().take_while(|line| line.text.contains(&b':')).count();
    let (headers, body) = lines.split_at_checked(headers).unwrap_or((&[], lines));
    let format = match label {
        b"OPENSSH PRIVATE KEY" => Format::OpenSsh,
        b"RSA PRIVATE KEY" => Format::Pkcs1,
        b"EC PRIVATE KEY" => Format::Sec1,
        b"PRIVATE KEY" | b"ENCRYPTED PRIVATE KEY" => Format::Pkcs8,
        b"DSA PRIVATE KEY" => return Err(ImportError::Kind { kind: "DSA".to_owned(), why: pair::NO_DSA }),
        _ => {
            let kind = shown(label.strip_suffix(b" PRIVATE KEY").unwrap_or(label));
            return Err(ImportError::Kind { kind, why: "which is not known here" });
        }
    };
    let mut bytes = text::base64(body.iter())?;
    if bytes.is_empty() {
        return Err(damaged("nothing stands between its BEGIN and END lines"));
    }
    let (private, was_encrypted) = match (format, dek_info(headers)) {
        (Format::OpenSsh, _) => openssh::read(&bytes, passphrase)?,
        (_, Some(dek)) => (opened(format, decrypt(format, dek, &mut bytes, passphrase)?)?, true),
        _ if label == b"ENCRYPTED PRIVATE KEY" => {
            (opened(format, pbes2::decrypt(&bytes, passphrase)?.as_slice())?, true)
        }
        _ => (plain(format, &bytes)?, false),
    };
    Ok(Imported { private, was_encrypted, format })
}

fn plain(format: Format, bytes: &[u8]) -> Result<PrivateKey, ImportError> {
    match format {
        Format::Pkcs1 => pkcs::pkcs1(bytes),
        Format::Sec1 => pkcs::sec1(bytes, None),
        _ => pkcs::pkcs8(bytes),
    }
}

/// A wrong passphrase leaves right padding once in 256 times; then what it leaves is no key.
fn opened(format: Format, bytes: &[u8]) -> Result<PrivateKey, ImportError> {
    match plain(format, bytes) {
        Err(error) if error == pkcs::structure() => Err(ImportError::WrongPassphrase),
        other => other,
    }
}

/// The value of `DEK-Info`.
fn dek_info<'a>(headers: &[Line<'a>]) -> Option<&'a [u8]> {
    headers.iter().find_map(|line| line.text.trim_ascii().strip_prefix(b"DEK-Info:")).map(<[u8]>::trim_ascii)
}

fn decrypt<'a>(
    format: Format,
    dek: &[u8],
    bytes: &'a mut [u8],
    passphrase: Option<&[u8]>,
) -> Result<&'a [u8], ImportError> {
    let mut parts = dek.split(|&byte| byte == b',');
    let name = parts.next().unwrap_or_default().trim_ascii();
    let cipher = match name {
        b"AES-128-CBC" => Block::Aes128,
        b"AES-192-CBC" => Block::Aes192,
        b"AES-256-CBC" => Block::Aes256,
        b"DES-EDE3-CBC" => Block::TripleDes,
        _ => return Err(ImportError::Cipher { name: shown(name), remedy: CONVERT }),
    };
    let iv = parts.next().and_then(|digits| hex(digits.trim_ascii())).filter(|iv| iv.len() == cipher.block_len());
    let iv = iv.ok_or_else(|| damaged("its DEK-Info line is not what it must be"))?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(cipher.block_len()) {
        return Err(damaged("its base64 has been cut"));
    }
    let passphrase = passphrase.ok_or(ImportError::PassphraseMissing { form: format.word() })?;
    let mut key = derive(passphrase, iv.get(..8).unwrap_or_default());
    let opened = cipher.decrypt_padded(key.get(..cipher.key_len()).unwrap_or_default(), &iv, bytes);
    key.zeroize();
    opened.ok_or(ImportError::WrongPassphrase)
}

/// OpenSSL's `EVP_BytesToKey` with MD5, once: each block hashes the one before, the passphrase and the salt.
fn derive(passphrase: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let (first, second) = key.split_at_mut(16);
    let mut digest = Md5::new().chain_update(passphrase).chain_update(salt).finalize();
    first.copy_from_slice(&digest);
    digest = Md5::new().chain_update(&*first).chain_update(passphrase).chain_update(salt).finalize();
    second.copy_from_slice(&digest);
    digest.as_mut_slice().zeroize();
    key
}

/// Bytes from hex digits.
pub(super) fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
