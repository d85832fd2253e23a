//! Reading private keys that somebody gives: OpenSSH, PKCS#1, SEC1, PKCS#8 and PuTTY files, encrypted or not.
//!
//! What a key costs to read is looked at before it is spent, a key that is read has been seen to work, and each refusal has
//! its own message. Nothing of a key is quoted, logged or left in memory.

mod cbc;
mod der;
mod error;
mod openssh;
mod other;
mod pair;
mod pbes2;
mod pem;
mod pkcs;
mod ppk;
mod text;
mod wire;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use ssh_key::PrivateKey;

pub use error::ImportError;
use text::Found;

/// No key file is longer.
pub const MAX_BYTES: usize = 64 * 1024;

/// A private key read from a file that somebody gave.
pub struct Imported {
    /// The key: decrypted, without a comment, seen to work.
    pub private: PrivateKey,
    /// Whether the file was encrypted.
    pub was_encrypted: bool,
    /// What it was read from.
    pub format: Format,
}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `BEGIN OPENSSH PRIVATE KEY`.
    OpenSsh,
    /// `BEGIN RSA PRIVATE KEY`.
    Pkcs1,
    /// `BEGIN EC PRIVATE KEY`.
    Sec1,
    /// `BEGIN PRIVATE KEY`, `BEGIN ENCRYPTED PRIVATE KEY`.
    Pkcs8,
    /// `PuTTY-User-Key-File-2`.
    Putty2,
    /// `PuTTY-User-Key-File-3`.
    Putty3,
}

impl Format {
    /// Its name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::OpenSsh => "OpenSSH",
            Self::Pkcs1 => "PKCS#1",
            Self::Sec1 => "SEC1",
            Self::Pkcs8 => "PKCS#8",
            Self::Putty2 => "PuTTY 2",
            Self::Putty3 => "PuTTY 3",
        }
    }
}

/// Reads the private key in `content`. Blocks, for seconds where the passphrase is made dear to try. A passphrase that
/// is not needed is no error: [`Imported::was_encrypted`] tells.
///
/// # Errors
/// [`ImportError`], which says what is wrong with the file or with the passphrase.
pub fn read(content: &[u8], passphrase: Option<&SecretString>) -> Result<Imported, ImportError> {
    if content.len() > MAX_BYTES {
        return Err(ImportError::TooLarge { bytes: content.len() });
    }
    let passphrase = passphrase.map(|secret| secret.expose_secret().as_bytes()).filter(|secret| !secret.is_empty());
    let decoded = text::utf8(content);
    match text::find(decoded.as_ref().map_or(content, |text| text.as_bytes()))? {
        Found::Pem { label, lines } => pem::read(label, &lines, passphrase),
        Found::Ppk { lines } => ppk::read(&lines, passphrase),
    }
}

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imported").field("format", &self.format).finish_non_exhaustive()
    }
}
