//! The name of a tunnel.

use std::fmt;

use crate::domain::{KeyName, KeyNameError};

/// Name of a tunnel, by the rules of a [`KeyName`]. Compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelName(KeyName); // every TunnelName in the program is valid

/// Why a text is not the name of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TunnelNameError {
    /// A character outside the allowed set.
    #[error("the tunnel name {0:?} contains {1:?}; use only letters, digits, `.`, `_` and `-`")]
    Character(String, char),
    /// Begins with punctuation.
    #[error("the tunnel name {0:?} must start with a letter or a digit")]
    Start(String),
    /// Empty, or too long.
    #[error("the tunnel name is {0} bytes long; give it 1 to 64")]
    Length(usize),
}

impl TunnelName {
    /// Checks `name` and wraps it.
    ///
    /// # Errors
    /// [`TunnelNameError`] says which rule is broken.
    pub fn new(name: impl Into<String>) -> Result<Self, TunnelNameError> {
        KeyName::new(name).map(Self).map_err(|error| match error {
            KeyNameError::Character { name, found } => TunnelNameError::Character(name, found),
            KeyNameError::Start(name) => TunnelNameError::Start(name),
            KeyNameError::Length(length) => TunnelNameError::Length(length),
        })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for TunnelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
