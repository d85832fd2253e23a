//! What happened, in one shape for webhooks, the exec hook and the stream. `docs/events.md` describes it.

use serde::{Deserialize, Serialize};

use super::FailureClass;
use super::status::{AppState, RepositoryState};

/// An event, as everybody is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Counts up within one data folder.
    pub id: u64,
    /// When (RFC 3339).
    pub time: String,
    /// The instance it happened at.
    pub instance: String,
    /// The repository it is about.
    pub repository: EventRepository,
    /// The app, if it is about one.
    pub app: Option<String>,
    /// What happened: `kind` and `detail`.
    #[serde(flatten)]
    pub what: What,
}

/// An event that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Two with the same are one event that was told twice.
    pub origin: Option<String>,
    /// See [`Event::time`].
    pub time: String,
    /// See [`Event::repository`].
    pub repository: EventRepository,
    /// See [`Event::app`].
    pub app: Option<String>,
    /// See [`Event::what`].
    pub what: What,
}

/// Which repository, without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRepository {
    /// What it is called on this instance.
    #[serde(default)]
    pub name: String,
    /// The URL.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// The folder of the apps in it; empty for its root.
    pub prefix: String,
}

/// What happened. Details hold text and switches only: numbers would not survive every reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are described once, in docs/events.md")]
pub enum What {
    /// An app's state is another than before; `to` is absent when the app is gone.
    AppState { from: AppState, to: Option<AppState>, reason: Option<String> },
    /// The repository's state is another than before.
    RepositoryState { from: Option<RepositoryState>, to: RepositoryState, summary: String },
    /// A commit was made here; it is not pushed yet.
    Committed { commit: String, subject: String, published: bool },
    /// The remote has the app's change; `commit` is the tip that it came with.
    Pushed { commit: String, change: Change, published: bool },
    /// The app's folder here is as in `commit`.
    Installed { commit: String, change: Change, published: bool },
    /// The app's `last_release/` changed, and that was pushed or installed.
    Published { commit: String, direction: Direction },
    /// Both sides changed the same thing; ours is on `branch`.
    Conflict { branch: String, clashes: Vec<String> },
    /// A conflict ended.
    ConflictResolved {},
    /// Something went wrong and stands.
    Failure { class: FailureClass, message: String, remedy: String },
    /// The remote refused a push, in its words.
    Refused { message: String },
    /// An app waits for what the reason names.
    Held { reason: String },
}

/// What became of an app's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there before.
    Added,
    /// It is another than before.
    Changed,
    /// It is gone.
    Removed,
}

/// Which way a release went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From here to Git.
    Out,
    /// From Git to here.
    In,
}

impl What {
    /// Every kind, as `kind` and `APPFERRY_EVENTS` spell it.
    pub const KINDS: [&str; 11] = [
        "app_state",
        "repository_state",
        "committed",
        "pushed",
        "installed",
        "published",
        "conflict",
        "conflict_resolved",
        "failure",
        "refused",
        "held",
    ];

    /// The kind, as it is spelt in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::AppState { .. } => "app_state",
            Self::RepositoryState { .. } => "repository_state",
            Self::Committed { .. } => "committed",
            Self::Pushed { .. } => "pushed",
            Self::Installed { .. } => "installed",
            Self::Published { .. } => "published",
            Self::Conflict { .. } => "conflict",
            Self::ConflictResolved {} => "conflict_resolved",
            Self::Failure { .. } => "failure",
            Self::Refused { .. } => "refused",
            Self::Held { .. } => "held",
        }
    }
}

impl Change {
    /// What happened between two states, each of which may be absent.
    #[must_use]
    pub const fn between(was_there: bool, is_there: bool) -> Self {
        match (was_there, is_there) {
            (_, false) => Self::Removed,
            (false, true) => Self::Added,
            (true, true) => Self::Changed,
        }
    }
}

impl EventRepository {
    /// Tells repositories apart.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.name, self.url, self.branch, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_the_one_that_is_documented_and_reads_back() {
        let event = Event {
            id: 17,
            time: "2026-01-02T03:04:05Z".into(),
            instance: "dev".into(),
            repository: EventRepository {
                name: "global".into(),
                url: "git@host:x".into(),
                branch: "main".into(),
                prefix: "App".into(),
            },
            app: Some("PO App".into()),
            what: What::Pushed { commit: "ab".into(), change: Change::Changed, published: true },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(
            json,
            r#"{"id":17,"time":"2026-01-02T03:04:05Z","instance":"dev","repository":{"name":"global","url":"git@host:x","branch":"main","prefix":"App"},"app":"PO App","kind":"pushed","detail":{"commit":"ab","change":"changed","published":true}}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
        assert!(include_str!("../../docs/events.md").contains(r#""kind": "pushed""#));
    }

    #[test]
    fn every_kind_is_listed_documented_and_spelt_as_in_json() {
        let samples = [
            What::AppState { from: AppState::InSync, to: None, reason: None },
            What::RepositoryState { from: None, to: RepositoryState::InSync, summary: String::new() },
            What::Committed { commit: String::new(), subject: String::new(), published: false },
            What::Pushed { commit: String::new(), change: Change::Added, published: false },
            What::Installed { commit: String::new(), change: Change::Removed, published: false },
            What::Published { commit: String::new(), direction: Direction::Out },
            What::Conflict { branch: String::new(), clashes: vec![] },
            What::ConflictResolved {},
            What::Failure { class: FailureClass::Disk, message: String::new(), remedy: String::new() },
            What::Refused { message: String::new() },
            What::Held { reason: String::new() },
        ];
        let documentation = include_str!("../../docs/events.md");
        for (what, kind) in samples.iter().zip(What::KINDS) {
            let json = serde_json::to_value(what).unwrap();
            assert_eq!((json["kind"].as_str(), what.kind()), (Some(kind), kind));
            assert!(documentation.contains(&format!("| `{kind}` |")), "{kind} is not in docs/events.md");
            assert_eq!(&serde_json::from_value::<What>(json).unwrap(), what);
        }
    }
}
