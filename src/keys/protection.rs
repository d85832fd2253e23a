//! Passphrases.

use secrecy::{ExposeSecret as _, SecretString};

use super::error::KeyError;

/// The fewest characters of a new passphrase.
const LEAST: usize = 5;

/// The most bytes: more is a file given by mistake.
const MOST_BYTES: usize = 1024;

/// How a private key is protected before it is sealed.
#[derive(Clone, Debug, Default)]
pub enum Protection {
    /// Sealed alone.
    #[default]
    None,
    /// Encrypted with a passphrase first.
    Passphrase {
        /// The passphrase.
        passphrase: SecretString,
        /// Whether it is kept, sealed, beside the key. If not, it must be given at each start.
        remember: bool,
    },
}

impl Protection {
    /// Protection by a new passphrase.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] if it is too short, too long, or has several lines.
    pub fn new(passphrase: SecretString, remember: bool) -> Result<Self, KeyError> {
        let text = passphrase.expose_secret();
        if text.chars().count() < LEAST {
            return Err(KeyError::Passphrase("it is shorter than 5 characters; choose a longer one"));
        }
        Self::checked(passphrase, remember)
    }

    /// Protection by the passphrase that a key has already, however short.
    ///
    /// # Errors
    /// [`KeyError::Passphrase`] if it is too long or has several lines.
    pub fn existing(passphrase: SecretString, remember: bool) -> Result<Self, KeyError> {
        Self::checked(passphrase, remember)
    }

    fn checked(passphrase: SecretString, remember: bool) -> Result<Self, KeyError> {
        let text = passphrase.expose_secret();
        if text.len() > MOST_BYTES {
            return Err(KeyError::Passphrase("it is longer than 1024 bytes; is that the right file?"));
        }
        if text.contains(['\n', '\r', '\0']) {
            return Err(KeyError::Passphrase("it has several lines; give it as one line"));
        }
        Ok(Self::Passphrase { passphrase, remember })
    }

    /// The passphrase, if there is one.
    pub(super) const fn passphrase(&self) -> Option<&SecretString> {
        match self {
            Self::None => None,
            Self::Passphrase { passphrase, .. } => Some(passphrase),
        }
    }

    /// The passphrase, if it is to be kept.
    pub(super) const fn remembered(&self) -> Option<&SecretString> {
        match self {
            Self::Passphrase { passphrase, remember: true } => Some(passphrase),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_passphrase_has_five_characters_and_an_existing_one_may_be_shorter() {
        let new = |text: &str| Protection::new(text.into(), true);
        assert!(new("abcd").is_err());
        assert!(new("äöüß!").is_ok(), "characters, not bytes");
        assert!(new("two\nlines").is_err());
        assert!(new(&"x".repeat(1025)).is_err());
        assert!(Protection::existing("abc".into(), true).is_ok());
        assert!(!format!("{:?}", new("hunter2hunter2")).contains("hunter2"));
    }
}
