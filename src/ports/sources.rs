//! Where keys are found beside the store.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::domain::{Failure, KeyName};

/// A private key as a source holds it: in any format, perhaps encrypted.
#[derive(Clone)]
pub struct SourceKey {
    /// The content of the file or field.
    pub private: SecretString,
    /// The passphrase, where the source holds one beside it.
    pub passphrase: Option<SecretString>,
    /// Where exactly it was found, for messages: a path.
    pub place: String,
    /// What is worth saying about how it is kept, such as a mode that is too wide.
    pub notice: Option<String>,
}

/// Identifies a state of a key without holding anything of it; only good for comparing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamp(String);

impl Stamp {
    /// A stamp that says `state`.
    #[must_use]
    pub fn new(state: impl Into<String>) -> Self {
        Self(state.into())
    }
}

/// A read-only place that keys are found in by name.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// What it is called in the status: `folder`, `vault`.
    fn word(&self) -> &'static str;

    /// The key of exactly this name, as it is now; `None` if there is none.
    ///
    /// # Errors
    /// [`FailureClass::Key`](crate::domain::FailureClass::Key) when the source says no, or disk, connect, time-out.
    async fn find(&self, name: &KeyName) -> Result<Option<SourceKey>, Failure>;

    /// The names of the keys that are there, sorted.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    async fn names(&self) -> Result<Vec<KeyName>, Failure>;

    /// Changes when the key of this name may have changed, and is cheap to ask for; `None`: ask [`find`](Self::find). What
    /// was found *after* a stamp was given holds as long as the stamp stays the same.
    async fn stamp(&self, _name: &KeyName) -> Option<Stamp> {
        None
    }
}
