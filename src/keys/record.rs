//! What is shown of a key.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::KeyName;
use crate::ports::{KeyRow, PairRow};

/// What is shown of a key: nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    /// Its name.
    pub name: KeyName,
    /// Where it is: `store`, `folder`, `vault`.
    pub source: &'static str,
    /// Its current key pair.
    #[serde(flatten)]
    pub pair: PairRecord,
    /// When it was added (RFC 3339); `None` where only the source knows.
    pub created: Option<String>,
    /// Its last use, if it was used.
    pub last_used: Option<LastUse>,
    /// What uses it.
    pub used_by: Vec<String>,
    /// While a rotation is under way: the key pair before, which stays valid.
    pub previous: Option<PairRecord>,
}

/// What is shown of a key pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PairRecord {
    /// Counts up with each rotation, from 1.
    pub generation: u32,
    /// `ed25519`, `rsa` or `ecdsa`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Size of the key.
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The public key line, with the name as its comment.
    pub public_key: String,
    /// Whether there is a passphrase, and who knows it.
    pub passphrase: PassphraseState,
    /// When a login with it first succeeded (RFC 3339).
    pub first_login: Option<String>,
}

/// Whether there is a passphrase, and who knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PassphraseState {
    /// There is none.
    None,
    /// It is kept, sealed, beside the key.
    Remembered,
    /// It must be given at each start.
    NotRemembered,
}

impl PassphraseState {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Remembered => "remembered",
            Self::NotRemembered => "not remembered",
        }
    }
}

/// When and for what a key was used last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastUse {
    /// RFC 3339.
    pub at: String,
    /// What for, and where: `git git@host:22`.
    pub purpose: String,
}

impl From<KeyRow> for KeyRecord {
    fn from(row: KeyRow) -> Self {
        Self {
            pair: PairRecord::of(row.current, &row.name),
            previous: row.previous.map(|previous| PairRecord::of(previous, &row.name)),
            name: row.name,
            source: "store",
            created: Some(shown_time(row.created_ms)),
            last_used: row.last_used.map(|(at, purpose)| LastUse { at: shown_time(at), purpose }),
            used_by: row.used_by,
        }
    }
}

impl PairRecord {
    fn of(row: PairRow, name: &KeyName) -> Self {
        let passphrase = match (row.encrypted, row.remembered) {
            (false, _) => PassphraseState::None,
            (true, true) => PassphraseState::Remembered,
            (true, false) => PassphraseState::NotRemembered,
        };
        Self {
            generation: row.generation,
            kind: row.kind,
            bits: row.bits,
            fingerprint: row.fingerprint,
            public_key: public_line(&row.public_key, name),
            passphrase,
            first_login: row.first_login_ms.map(shown_time),
        }
    }
}

/// A public key with its name as the comment.
pub(super) fn public_line(public_key: &str, name: &KeyName) -> String {
    format!("{public_key} {name}")
}

/// Whole seconds are enough for people.
#[must_use]
pub fn shown_time(ms: i64) -> String {
    Timestamp::from_second(ms.div_euclid(1000)).map_or_else(|_| "unknown".to_owned(), |at| at.to_string())
}
