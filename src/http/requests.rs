//! The bodies of the calls below `/sync`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::AppName;
use crate::sync::action::{Content, MergedFiles, Resolution, Take};

/// The question of *add*, *remove* and *revert*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppsRequest {
    /// The apps that it is about.
    pub apps: Vec<AppName>,
}

/// The question of *revert* for one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRequest {
    /// The app that it is about.
    pub app: AppName,
}

/// The question of *restore*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreAppRequest {
    /// The app.
    pub app: AppName,
    /// The commit that has the state to go back to.
    pub to: String,
}

/// The question of *resolve*: a side, or the files of a merged version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// The app in conflict.
    pub app: AppName,
    /// The side to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<Take>,
    /// A merged version: path inside the app's folder, and content; `null`: no such file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<BTreeMap<String, Option<Content>>>,
    /// The files are all files of the app; otherwise what is not given is merged as usual.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
}

impl ResolveRequest {
    /// The question that asks for this.
    #[must_use]
    pub fn new(app: AppName, resolution: Resolution) -> Self {
        match resolution {
            Resolution::Side(take) => Self { app, take: Some(take), files: None, whole: false },
            Resolution::Merged(merged) => Self { app, take: None, files: Some(merged.files), whole: merged.whole },
        }
    }

    /// What is asked for.
    ///
    /// # Errors
    /// That neither or both are given.
    pub fn resolution(self) -> Result<(AppName, Resolution), &'static str> {
        match (self.take, self.files) {
            (Some(take), None) if !self.whole => Ok((self.app, Resolution::Side(take))),
            (None, Some(files)) if !files.is_empty() => {
                Ok((self.app, Resolution::Merged(MergedFiles { files, whole: self.whole })))
            }
            _ => Err("give either `take` as \"ours\" or \"theirs\", or `files` with at least one file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_ends_by_a_side_or_by_files_never_by_both() {
        let read = |text: &str| serde_json::from_str::<ResolveRequest>(text).ok()?.resolution().ok();
        assert!(matches!(read(r#"{"app":"a","take":"ours"}"#), Some((_, Resolution::Side(Take::Ours)))));
        let merged = read(r#"{"app":"a","files":{"x.json":"{}","icon.png":{"base64":"AA=="},"old":null}}"#);
        let Some((_, Resolution::Merged(merged))) = merged else { panic!("{merged:?}") };
        assert!(merged.files.len() == 3 && !merged.whole && merged.files["old"].is_none());
        for text in [r#"{"app":"a"}"#, r#"{"app":"a","files":{}}"#, r#"{"app":"a","take":"ours","files":{"x":"y"}}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
