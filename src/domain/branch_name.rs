//! The name of a branch.

use std::fmt;

/// The short name of a branch (`main`, `team/dev`), valid by the rules of `git check-ref-format`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct BranchName(String);

/// Why a text is not a branch name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a branch name: {rule}; give the short name, such as `main`")]
pub struct BranchNameError {
    /// The name as given.
    pub name: String,
    /// The rule of `git check-ref-format` that it breaks.
    pub rule: &'static str,
}

impl BranchName {
    /// Checks `name` by the rules of `git check-ref-format --branch`.
    ///
    /// # Errors
    /// [`BranchNameError`] says which rule is broken.
    pub fn new(name: impl Into<String>) -> Result<Self, BranchNameError> {
        let name = name.into();
        match broken_rule(&name) {
            Some(rule) => Err(BranchNameError { name, rule }),
            None => Ok(Self(name)),
        }
    }

    /// The short name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full ref, `refs/heads/<name>`.
    #[must_use]
    pub fn full_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

/// The first rule that `name` breaks. Source: git-check-ref-format(1).
pub(super) fn broken_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.starts_with("refs/") {
        return Some("it starts with `refs/`");
    }
    if name.starts_with('-') {
        return Some("it starts with `-`");
    }
    if name == "@" || name == "HEAD" {
        return Some("it is reserved");
    }
    if name.len() > 244 {
        return Some("it is longer than 244 bytes");
    }
    if name.chars().any(|c| c.is_ascii_control() || " ~^:?*[\\\x7f".contains(c)) {
        return Some("it contains a space, a control character or one of `~^:?*[\\`");
    }
    if name.contains("..") || name.contains("@{") {
        return Some("it contains `..` or `@{`");
    }
    if name.ends_with('.') {
        return Some("it ends with `.`");
    }
    if name.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.as_bytes().ends_with(b".lock")) {
        return Some("a part of it is empty, starts with `.` or ends with `.lock`");
    }
    None
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_check_ref_format() {
        for good in ["main", "team/dev", "release-1.2", "später"] {
            assert!(BranchName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-x", "a..b", "a b", "a.lock", "/a", "a/", "a//b", ".a", "a.", "refs/heads/a", "a@{b", "@"] {
            assert!(BranchName::new(bad).is_err(), "{bad}");
        }
        assert_eq!(BranchName::new("main").map(|b| b.full_ref()), Ok("refs/heads/main".to_owned()));
    }
}
