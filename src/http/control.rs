//! What the API needs from the worker, and the shapes of questions and answers.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::apps::Apps;
use super::incoming::IncomingControl;
use crate::domain::conflict_view::ConflictView;
use crate::domain::status::Status;
use crate::domain::{AppName, Failure};

/// The service, as the API sees it.
pub trait Service: Send + Sync {
    /// How everything stands. Cheap: no waiting, no disk.
    fn status(&self) -> Status;

    /// Whether the first pass has ended and the worker is not stopping.
    ///
    /// # Errors
    /// The reason why it is not ready, for people.
    fn readiness(&self) -> Result<(), String>;

    /// The worker of the repository of this name; without a name, that of the only one.
    ///
    /// # Errors
    /// That there is none, or none of this name, or several and no name.
    fn repository(&self, name: Option<&str>) -> Result<Arc<dyn SyncControl>, Failure>;
}

/// The worker of one repository, as the API sees it.
///
/// A caller that loses patience drops the future: what was asked for must then go on, or not have begun.
#[async_trait]
pub trait SyncControl: IncomingControl + Send + Sync {
    /// Lets held deletions happen.
    ///
    /// # Errors
    /// A [`Failure`] if nothing could be done; what concerns one app is in the report.
    async fn confirm(&self, apps: Selection) -> Result<ActionReport, Failure>;

    /// Ends a conflict by taking one side.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm).
    async fn resolve(&self, app: AppName, take: Take) -> Result<ActionReport, Failure>;

    /// What clashes in an app, file by file.
    ///
    /// # Errors
    /// That the app is in no conflict; a [`Failure`] of class disk or internal.
    async fn conflict(&self, app: AppName) -> Result<ConflictView, Failure>;

    /// Commits and pushes local changes.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm).
    async fn push(&self, apps: Selection) -> Result<ActionReport, Failure>;

    /// Adds apps to Git.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm).
    async fn add(&self, apps: Vec<AppName>) -> Result<ActionReport, Failure>;

    /// What was kept aside before it was overwritten or deleted, newest first.
    ///
    /// # Errors
    /// A [`Failure`] of class disk or internal.
    async fn backups(&self) -> Result<Vec<Backup>, Failure>;

    /// Puts back what was kept aside under `reference`.
    ///
    /// # Errors
    /// As [`confirm`](Self::confirm).
    async fn restore(&self, reference: String) -> Result<ActionReport, Failure>;

    /// Its apps, whole.
    ///
    /// # Errors
    /// That this one has none to give.
    fn apps(&self) -> Result<Arc<dyn Apps>, Failure> {
        Err(Failure::internal("this worker gives no whole apps"))
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

/// The side that ends a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// What is on this instance's disk.
    Ours,
    /// What is in Git.
    Theirs,
}

/// What became of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionReport {
    /// One entry an app that the action was about.
    pub apps: Vec<AppOutcome>,
}

/// What became of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppOutcome {
    /// Its name.
    pub app: String,
    /// Whether what was asked for happened.
    pub done: bool,
    /// What happened, or why not and what to do, for people.
    pub message: String,
}

/// Content that was kept aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// What to give to *restore*.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The app it belongs to.
    pub app: String,
    /// When it was kept (RFC 3339).
    pub time: String,
    /// Why it was kept.
    pub reason: String,
}

/// The question of *resolve*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// The app in conflict.
    pub app: AppName,
    /// The side to take.
    pub take: Take,
}

/// The question of *add*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddRequest {
    /// The apps to add.
    pub apps: Vec<AppName>,
}

/// The question of *restore*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// A [`Backup::reference`].
    #[serde(rename = "ref")]
    pub reference: String,
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
