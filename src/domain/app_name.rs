//! The name of an app: the name of its folder.

use std::fmt;

/// The name of an app's folder: one path component that every file system and Git accept.
///
/// Spaces, quotes and non-ASCII letters are normal. Control characters, `/`, `\`, `.`, `..`, names that
/// Git or its clients treat as `.git`, and names that start with a dot are refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppName(String);

/// Why a text cannot name an app.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot name an app: {rule}")]
pub struct AppNameError {
    /// The name as given.
    pub name: String,
    /// What is wrong with it.
    pub rule: &'static str,
}

impl AppName {
    /// Checks `name` and wraps it.
    ///
    /// # Errors
    /// [`AppNameError`] says which rule is broken.
    pub fn new(name: impl Into<String>) -> Result<Self, AppNameError> {
        let name = name.into();
        let rule = if name.starts_with('.') { Some("it starts with a dot") } else { broken_component_rule(&name) };
        match rule {
            Some(rule) => Err(AppNameError { name, rule }),
            None => Ok(Self(name)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule that one path component from outside breaks, if it breaks one (promise 8 of the spec).
///
/// `.git` is refused in every spelling that a case-insensitive or normalising file system takes for it:
/// any case, trailing dots and spaces, `git~1`, alternate data streams and ignorable code points
/// (the names of CVE-2014-9390 and CVE-2019-1352/1353).
#[must_use]
pub fn broken_component_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > 255 {
        return Some("it is longer than 255 bytes");
    }
    if name == "." || name == ".." {
        return Some("it means a folder itself");
    }
    if name.contains(['/', '\\']) {
        return Some("it contains a path separator");
    }
    if name.chars().any(char::is_control) {
        return Some("it contains a control character");
    }
    if is_dot_git(name) {
        return Some("Git's own folder cannot be app content");
    }
    None
}

fn is_dot_git(name: &str) -> bool {
    let before_stream = name.split(':').next().unwrap_or_default();
    let visible: String = before_stream.chars().filter(|c| !is_ignorable(*c)).collect();
    let trimmed = visible.trim_end_matches(['.', ' ']).to_lowercase();
    trimmed == ".git" || trimmed == "git~1"
}

/// Code points that HFS+ leaves out when it compares names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AppName {
    type Error = AppNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl From<AppName> for String {
    fn from(name: AppName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_names_that_people_use() {
        for name in ["PO App", "Git_Sync", "Ünïcode ✓", "it's \"quoted\"", "a..b", "x.git", "日本語"] {
            assert!(AppName::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses_git_in_any_spelling_and_what_no_folder_can_be() {
        for name in ["", ".", "..", ".git", ".appferry", "a/b", "a\\b", "a\nb", "git~1", "GIT~1"] {
            assert!(AppName::new(name).is_err(), "{name}");
        }
        for part in [".git", ".GIT", ".Git ", ".git.", ".git::$INDEX_ALLOCATION", ".g\u{200c}it", "GIT~1"] {
            assert!(broken_component_rule(part).is_some(), "{part:?}");
        }
        assert!(broken_component_rule(".gitignore").is_none());
    }
}
