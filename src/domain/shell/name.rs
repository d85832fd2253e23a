//! Names of hosts, saved commands and variables.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Name of a host or of a saved command: 1 to 64 of `A-Z a-z 0-9 . _ -`, starting with a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShellName(String);

/// That a text is no such name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name; use 1 to 64 letters, digits, `.`, `_` and `-`, with a letter or a digit first")]
pub struct ShellNameError(pub String);

impl ShellName {
    /// Checks `name` and wraps it.
    ///
    /// # Errors
    /// [`ShellNameError`].
    pub fn new(name: impl Into<String>) -> Result<Self, ShellNameError> {
        let name = name.into();
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins_well && name.len() <= 64 && name.chars().all(allowed) {
            Ok(Self(name))
        } else {
            Err(ShellNameError(name))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShellName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ShellName {
    type Err = ShellNameError;

    fn from_str(text: &str) -> Result<Self, ShellNameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for ShellName {
    type Error = ShellNameError;

    fn try_from(text: String) -> Result<Self, ShellNameError> {
        Self::new(text)
    }
}

impl From<ShellName> for String {
    fn from(name: ShellName) -> Self {
        name.0
    }
}

/// Whether a text can name a variable: as in a shell, 1 to 48 of `A-Z a-z 0-9 _`, no digit first.
#[must_use]
pub fn is_variable_name(text: &str) -> bool {
    text.len() <= 48
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "Web-1.example_x", &"a".repeat(64)] {
            assert!(ShellName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(ShellName::new(bad).is_err(), "{bad}");
        }
        assert!(
            is_variable_name("_a1") && !is_variable_name("1a") && !is_variable_name("") && !is_variable_name("a-b")
        );
    }
}
