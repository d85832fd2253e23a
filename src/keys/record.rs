//! What is shown of a key.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::KeyName;
use crate::ports::KeyRow;

/// What is shown of a key: nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyRecord {
    /// Its name.
    pub name: KeyName,
    /// `ed25519` or `rsa`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Size of the key.
    pub bits: u32,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The public key line, with the name as its comment.
    pub public_key: String,
    /// When it was added (RFC 3339).
    pub created: String,
    /// Its last use, if it was used.
    pub last_used: Option<LastUse>,
    /// What uses it.
    pub used_by: Vec<String>,
    /// Counts up with each rotation, from 1.
    pub generation: u32,
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
            public_key: public_line(&row.public_key, &row.name),
            name: row.name,
            kind: row.kind,
            bits: row.bits,
            fingerprint: row.fingerprint,
            created: shown_time(row.created_ms),
            last_used: row.last_used.map(|(at, purpose)| LastUse { at: shown_time(at), purpose }),
            used_by: row.used_by,
            generation: row.generation,
        }
    }
}

/// A public key with its name as the comment.
pub(super) fn public_line(public_key: &str, name: &KeyName) -> String {
    format!("{public_key} {name}")
}

/// Whole seconds are enough for people.
fn shown_time(ms: i64) -> String {
    Timestamp::from_second(ms.div_euclid(1000)).map_or_else(|_| "unknown".to_owned(), |at| at.to_string())
}
