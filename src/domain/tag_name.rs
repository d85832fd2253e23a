//! The name of a tag.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::branch_name::broken_rule;

/// The short name of a tag (`v1.2`), valid by the rules of `git check-ref-format`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TagName(String);

/// Why a text is not the name of a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not the name of a tag: {rule}; give the short name, such as `v1.2`")]
pub struct TagNameError {
    /// The name as given.
    pub name: String,
    /// The rule of `git check-ref-format` that it breaks.
    pub rule: &'static str,
}

impl TagName {
    /// The short name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full ref, `refs/tags/<name>`.
    #[must_use]
    pub fn full_ref(&self) -> String {
        format!("refs/tags/{}", self.0)
    }
}

impl FromStr for TagName {
    type Err = TagNameError;

    fn from_str(name: &str) -> Result<Self, TagNameError> {
        match broken_rule(name) {
            Some(rule) => Err(TagNameError { name: name.to_owned(), rule }),
            None => Ok(Self(name.to_owned())),
        }
    }
}

impl TryFrom<String> for TagName {
    type Error = TagNameError;

    fn try_from(name: String) -> Result<Self, TagNameError> {
        name.parse()
    }
}

impl From<TagName> for String {
    fn from(name: TagName) -> Self {
        name.0
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_named_as_git_allows() {
        assert_eq!("v1.2".parse::<TagName>().map(|tag| tag.full_ref()), Ok("refs/tags/v1.2".to_owned()));
        for bad in ["", "-f", "refs/tags/v1", "v 1", "v1..2", "v1.lock", "v^1"] {
            assert!(bad.parse::<TagName>().is_err(), "{bad:?}");
        }
    }
}
