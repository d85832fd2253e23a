//! What can go wrong with keys.

use std::fmt;
use std::path::PathBuf;

use super::envelope::EnvelopeError;
use super::import::ImportError;
use super::near_miss::near_miss;
use crate::domain::{Failure, FailureClass, KeyName};

/// A message names at most this many keys.
const MAX_LISTED: usize = 50;

/// What is wrong with a key or with the store, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] Failure),
    /// The master key is missing, wrong or not readable.
    #[error(transparent)]
    Master(#[from] MasterKeyError),
    /// There is no key of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownKey),
    /// The name is taken.
    #[error(
        "there is a key named `{name}` already, and it stays as it is; choose another name, or see it with `appferry keys show {name}`"
    )]
    Taken {
        /// The name.
        name: KeyName,
    },
    /// A size that RSA keys may not have.
    #[error("an RSA key of {bits} bits is not made here; give a multiple of 8 from 2048 to 8192 (3072 is the default)")]
    Bits {
        /// The size asked for.
        bits: u32,
    },
    /// The key's master key is not in this process.
    #[error("the key `{name}` is sealed with the master key {needed}, and this process has {}; give it that master key and start it again", have.join(", "))]
    MasterKeyNotHere {
        /// The key's name.
        name: KeyName,
        /// The master key's id.
        needed: String,
        /// The ids of those at hand.
        have: Vec<String>,
    },
    /// The record does not open.
    #[error("the record of the key `{name}` cannot be opened: {error}")]
    Sealed {
        /// The key's name.
        name: KeyName,
        /// Why.
        error: EnvelopeError,
    },
    /// A key cannot be made.
    #[error("the key cannot be made: {0}")]
    Generate(String),
    /// A file that was given holds no key that can be used.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A passphrase cannot be used.
    #[error("the passphrase cannot be used: {0}")]
    Passphrase(&'static str),
    /// The key is encrypted, and its passphrase is neither remembered nor given.
    #[error(
        "the key `{name}` is locked: its passphrase is not remembered; give it in GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE_FILE, or let the store remember it with `appferry keys passphrase {name} --old-passphrase-file FILE --passphrase-file FILE`"
    )]
    Locked {
        /// The name.
        name: KeyName,
    },
    /// The key is encrypted, and no passphrase at hand opens it.
    #[error("the key `{name}` stays locked: {what} does not open it; {remedy}")]
    WrongPassphrase {
        /// The name.
        name: KeyName,
        /// Which passphrase was tried.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Something uses the key.
    #[error("the key `{name}` stays as it is: it is used by {}; {remedy}", users.join(", "))]
    InUse {
        /// The name.
        name: KeyName,
        /// What uses it.
        users: Vec<String>,
        /// What to do.
        remedy: &'static str,
    },
    /// It does not use the key.
    #[error("`{user}` does not use the key `{name}`; it is used by {}", if users.is_empty() { "nothing".to_owned() } else { users.join(", ") })]
    NotAUser {
        /// The name.
        name: KeyName,
        /// Who was named.
        user: String,
        /// What uses it.
        users: Vec<String>,
    },
    /// A rotation has not ended yet.
    #[error(
        "a rotation of the key `{name}` is under way; end it with `appferry keys rotate {name} --confirm`, which drops the key before, or take it back with `--undo`"
    )]
    Rotating {
        /// The name.
        name: KeyName,
    },
    /// No rotation is under way.
    #[error("no rotation of the key `{name}` is under way; begin one with `appferry keys rotate {name}`")]
    NotRotating {
        /// The name.
        name: KeyName,
    },
    /// The key to rotate to is the one there is.
    #[error("the key that was given is the one that `{name}` has already ({fingerprint}); give another one")]
    SameKey {
        /// The name.
        name: KeyName,
        /// Its fingerprint.
        fingerprint: String,
    },
    /// Somebody else changed the key in the meantime.
    #[error("the key `{name}` was changed by somebody else in the meantime; look at it and try again")]
    Stale {
        /// The name.
        name: KeyName,
    },
    /// The key is not in the store, where it could be changed.
    #[error("the key `{name}` is in the {}, which appferry only reads; change it there", if *place == "folder" { "secrets folder" } else { *place })]
    ReadOnly {
        /// The name.
        name: KeyName,
        /// Where it is: `folder`, `vault`.
        place: &'static str,
    },
    /// A key elsewhere cannot be used.
    #[error("the key `{name}` in {place} cannot be used: {error}")]
    Elsewhere {
        /// The name.
        name: KeyName,
        /// Where it is.
        place: String,
        /// Why.
        error: ImportError,
    },
}

impl KeyError {
    /// Nothing random to seal with.
    pub(super) fn random(error: EnvelopeError) -> Self {
        Self::Generate(error.to_string())
    }
}

/// What is wrong with the master keys, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// A source does not hold a key.
    #[error(
        "{place} does not hold a master key ({found}); give it exactly 32 bytes, raw, as 64 hex digits or as base64, e.g. from `openssl rand -hex 32`"
    )]
    Format {
        /// The file or variable.
        place: String,
        /// What it holds instead, without showing it.
        found: String,
    },
    /// A file cannot be read or written.
    #[error("the master key file {path} {what}: {error}; {remedy}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What could not be done with it.
        what: &'static str,
        /// Why.
        error: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The store needs a master key, and the one of the data folder is gone.
    #[error(
        "the store needs the master key {}, and there is none: {path} is gone and APPFERRY_MASTER_KEY_FILE is not set (a \
         new one is never made over a store in use); put {path} back from its backup, or name its file in \
         APPFERRY_MASTER_KEY_FILE",
        list(needed), path = path.display()
    )]
    Lost {
        /// Ids of the master keys that the store needs.
        needed: Vec<String>,
        /// Where the master key was expected.
        path: PathBuf,
    },
    /// The ring lacks keys that the store needs.
    #[error("the store needs the master key {}, but has been given {}; {remedy}", list(needed), list(have))]
    Missing {
        /// Ids of the master keys that the store needs and the ring lacks.
        needed: Vec<String>,
        /// Ids of the master keys in the ring.
        have: Vec<String>,
        /// What to do.
        remedy: String,
    },
    /// The canary does not open although its master key is here.
    #[error("the store's proof of the master key {id} does not hold: {error}")]
    Canary {
        /// The master key's id.
        id: String,
        /// Why.
        error: EnvelopeError,
    },
    /// Nothing random to make a key from.
    #[error("a master key cannot be made: {0}")]
    Random(EnvelopeError),
}

fn list(ids: &[String]) -> String {
    ids.join(", ")
}

/// There is no key of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The name asked for.
    pub asked: String,
    /// The names there are.
    pub names: Vec<String>,
}

impl UnknownKey {
    /// What is wrong: the name, and the names there are.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { asked, names } = self;
        if names.is_empty() {
            return format!("no key is named `{asked}`: the key store is empty");
        }
        let listed: Vec<String> = names.iter().take(MAX_LISTED).map(|name| format!("`{name}`")).collect();
        let more = match names.len().saturating_sub(MAX_LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("no key is named `{asked}`: the key store holds {}{more}", listed.join(", "))
    }

    /// What to do: the near miss, or how to make the key.
    #[must_use]
    pub fn remedy(&self) -> String {
        let near = near_miss(&self.asked, self.names.iter().map(String::as_str));
        if let Some((name, difference)) = near {
            return format!("did you mean `{name}`? {difference}, and names are compared exactly");
        }
        let name = KeyName::new(self.asked.as_str());
        let make = format!("make it with `appferry keys generate {}`", name.as_ref().map_or("NAME", KeyName::as_str));
        if self.names.is_empty() { make } else { format!("name one that is there, or {make}") }
    }
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message(), self.remedy())
    }
}

impl std::error::Error for UnknownKey {}

impl From<KeyError> for Failure {
    /// A store that cannot be read stays what it is; all else is of class key. The message already says what to do.
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(failure) => failure,
            KeyError::Unknown(unknown) => Self::new(FailureClass::Key, unknown.message(), unknown.remedy()),
            other => {
                let text = other.to_string();
                let (message, remedy) = text.rsplit_once("; ").unwrap_or((&text, ""));
                Self::new(FailureClass::Key, message, remedy)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(asked: &str, names: &[&str]) -> UnknownKey {
        UnknownKey { asked: asked.to_owned(), names: names.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn an_unknown_name_comes_with_those_there_are_and_the_near_miss() {
        let failure = Failure::from(KeyError::from(unknown("git-sync", &["Git-Sync", "prod"])));
        assert_eq!(failure.class, FailureClass::Key);
        assert_eq!(failure.message, "no key is named `git-sync`: the key store holds `Git-Sync`, `prod`");
        assert_eq!(
            failure.remedy,
            "did you mean `Git-Sync`? it differs only in upper and lower case, and names are compared exactly"
        );
    }

    #[test]
    fn an_empty_store_says_how_to_make_the_key() {
        let shown = unknown("prod", &[]).to_string();
        assert_eq!(shown, "no key is named `prod`: the key store is empty; make it with `appferry keys generate prod`");
    }

    #[test]
    fn a_long_list_of_names_is_cut() {
        let names: Vec<String> = (0..60).map(|n| format!("key{n:02}")).collect();
        let shown = UnknownKey { asked: "other".to_owned(), names }.message();
        assert!(shown.ends_with("`key49` and 10 more"), "{shown}");
    }
}
