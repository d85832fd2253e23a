//! What a person may ask of a repository, and what is answered: the shapes that the library, the API and the command line share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, Author, TagName};

/// A change that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let held deletions happen.
    Confirm(Selection),
    /// Commit and push local changes.
    Push(PushRequest),
    /// Add apps to Git.
    Add(Vec<AppName>),
    /// Take apps out of Git; their folders here stay.
    Remove(Vec<AppName>),
    /// End a conflict.
    Resolve(AppName, Resolution),
    /// Put an app's folder back to its state in Git.
    Revert(Vec<AppName>),
    /// Make the state that an app had in a commit its newest one.
    Restore(AppName, String),
    /// Put back what was kept aside under this reference.
    RestoreKept(String),
}

impl Action {
    /// The apps whose folders it looks at; `None`: all of them.
    #[must_use]
    pub fn apps(&self) -> Option<Vec<AppName>> {
        match self {
            Self::Confirm(_) | Self::RestoreKept(_) => Some(Vec::new()),
            Self::Push(request) => request.apps.clone(),
            Self::Add(apps) | Self::Remove(apps) | Self::Revert(apps) => Some(apps.clone()),
            Self::Resolve(app, _) | Self::Restore(app, _) => Some(vec![app.clone()]),
        }
    }

    /// One word for it, for the log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Confirm(_) => "confirm",
            Self::Push(_) => "push",
            Self::Add(_) => "add",
            Self::Remove(_) => "remove",
            Self::Resolve(..) => "resolve",
            Self::Revert(_) => "revert",
            Self::Restore(..) => "restore",
            Self::RestoreKept(_) => "restore a backup",
        }
    }
}

/// Which apps an action is about: `{"all":true}` or `{"apps":["…"]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SelectionBody", into = "SelectionBody")]
pub enum Selection {
    /// Every app that the action fits.
    All,
    /// These, at least one.
    Apps(Vec<AppName>),
}

/// What to push, and how to call it. Without apps it is about all that are followed: a push never takes anything away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushRequest {
    /// The apps; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apps: Option<Vec<AppName>>,
    /// All of them, said plainly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// In the place of the words that say what changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// In the place of the author of this instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// A tag for what is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<TagRequest>,
}

impl PushRequest {
    /// The apps.
    ///
    /// # Errors
    /// That both or none of them are named.
    pub fn selection(&self) -> Result<Selection, &'static str> {
        match (&self.apps, self.all) {
            (None, _) => Ok(Selection::All),
            (Some(apps), false) if !apps.is_empty() => Ok(Selection::Apps(apps.clone())),
            _ => Err("give either `apps` with at least one name, or `all` as true"),
        }
    }
}

impl From<Selection> for PushRequest {
    fn from(selection: Selection) -> Self {
        match selection {
            Selection::All => Self { all: true, ..Self::default() },
            Selection::Apps(apps) => Self { apps: Some(apps), ..Self::default() },
        }
    }
}

/// A tag to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagRequest {
    /// Its short name.
    pub name: TagName,
    /// What it says; its name when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The side that ends a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// What is on this instance's disk.
    Ours,
    /// What is in Git.
    Theirs,
}

/// What ends a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// One side as it is.
    Side(Take),
    /// A version that a person merged.
    Merged(MergedFiles),
}

/// A merged version of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergedFiles {
    /// Path inside the app's folder, and content; `None`: there is no such file.
    pub files: BTreeMap<String, Option<Content>>,
    /// These are all files of the app; otherwise the others are merged as usual.
    pub whole: bool,
}

/// The content of a file: a text, or `{"base64":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// As it is.
    Text(String),
    /// Encoded.
    Base64 {
        /// The bytes.
        base64: String,
    },
}

/// What became of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// One entry an app that the action was about.
    pub apps: Vec<AppOutcome>,
    /// What the server said of each ref that was pushed meanwhile, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<RefReport>,
    /// Nothing was done: this is what would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl ActionReport {
    /// Whether all of it happened (in a dry run: would happen). Of a ref that was tried several times the last time counts.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let last: BTreeMap<&str, &RefReport> = self.refs.iter().map(|told| (told.name.as_str(), told)).collect();
        self.apps.iter().all(|app| app.done) && (self.dry_run || last.values().all(|told| told.outcome.is_done()))
    }
}

/// What became of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppOutcome {
    /// Its name.
    pub app: String,
    /// Whether what was asked for happened; in a dry run, whether it would.
    pub done: bool,
    /// What happened, or why not and what to do, for people.
    pub message: String,
}

/// What the server said of one ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefReport {
    /// The full name.
    pub name: String,
    /// Where it pointed; `None`: it was to be made.
    pub old: Option<String>,
    /// Where it was to point; `None` when it was not sent, or is there and was left as it is.
    pub new: Option<String>,
    /// What became of that.
    pub outcome: RefFate,
    /// The server's words, or ours when it was not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// What became of one ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefFate {
    /// It points there.
    Accepted,
    /// It pointed there already.
    Unchanged,
    /// Somebody else moved it first; it was tried again.
    Moved,
    /// It exists and points elsewhere; it was not touched.
    Exists,
    /// The server refused.
    Refused,
    /// It was not sent.
    NotSent,
}

impl RefFate {
    /// Whether the ref points where it should.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Accepted | Self::Unchanged)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SelectionBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apps: Option<Vec<AppName>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all: bool,
}

impl TryFrom<SelectionBody> for Selection {
    type Error = &'static str;

    fn try_from(body: SelectionBody) -> Result<Self, Self::Error> {
        match (body.apps, body.all) {
            (None, true) => Ok(Self::All),
            (Some(apps), false) if !apps.is_empty() => Ok(Self::Apps(apps)),
            _ => Err("give either `apps` with at least one name, or `all` as true"),
        }
    }
}

impl From<Selection> for SelectionBody {
    fn from(selection: Selection) -> Self {
        match selection {
            Selection::All => Self { apps: None, all: true },
            Selection::Apps(apps) => Self { apps: Some(apps), all: false },
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_either_all_or_some_never_by_accident() {
        let read = |text: &str| serde_json::from_str::<Selection>(text).ok();
        assert_eq!(read(r#"{"all":true}"#), Some(Selection::All));
        assert!(matches!(read(r#"{"apps":["PO App"]}"#), Some(Selection::Apps(apps)) if apps.len() == 1));
        for text in ["{}", r#"{"apps":[]}"#, r#"{"all":false}"#, r#"{"all":true,"apps":["a"]}"#, r#"{"app":["a"]}"#] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(serde_json::to_string(&Selection::All).ok().as_deref(), Some(r#"{"all":true}"#));
    }
}
