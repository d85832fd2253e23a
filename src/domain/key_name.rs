//! The name of a stored key.

use std::fmt;

/// Name of a stored key: 1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit. Compared exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct KeyName(String); // private field: every KeyName in the program is valid

/// Why a text is not a key name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    /// A character outside the allowed set.
    #[error("key name {name:?} contains {found:?}; use only letters, digits, `.`, `_` and `-`")]
    Character {
        /// The whole name as given.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// Begins with punctuation.
    #[error("key name {0:?} must start with a letter or a digit")]
    Start(String),
    /// Empty, or too long.
    #[error("key name is {0} bytes long; give it 1 to 64")]
    Length(usize),
}

impl KeyName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Checks `name` and wraps it.
    ///
    /// # Errors
    /// [`KeyNameError`] says which rule is broken.
    pub fn new(name: impl Into<String>) -> Result<Self, KeyNameError> {
        let name = name.into();
        if name.is_empty() || name.len() > Self::MAX_LEN {
            return Err(KeyNameError::Length(name.len()));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(found) = name.chars().find(|c| !allowed(*c)) {
            return Err(KeyNameError::Character { name, found });
        }
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(KeyNameError::Start(name));
        }
        Ok(Self(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::new(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_rule_allows_and_names_what_it_does_not() {
        assert_eq!(KeyName::new("My.Git-Sync_Key1").map(|k| k.to_string()), Ok("My.Git-Sync_Key1".to_owned()));
        assert_eq!(KeyName::new(""), Err(KeyNameError::Length(0)));
        assert_eq!(KeyName::new("a".repeat(65)), Err(KeyNameError::Length(65)));
        assert_eq!(KeyName::new(".hidden"), Err(KeyNameError::Start(".hidden".into())));
        assert_eq!(KeyName::new("my key"), Err(KeyNameError::Character { name: "my key".into(), found: ' ' }));
    }
}
