//! What the API needs from the worker, and the shapes of questions and answers.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::apps::Apps;
use super::incoming::IncomingControl;
use crate::domain::conflict_view::ConflictView;
use crate::domain::status::{AppStatus, Status};
use crate::domain::{AppName, Failure};
use crate::sync::action::{Action, ActionReport};
use crate::sync::history::{AppDiff, CommitShown, HistoryPage};

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
    /// Does what a person asks for; in a dry run, only says what it would do.
    ///
    /// # Errors
    /// A [`Failure`] if nothing could be done; what concerns one app is in the report.
    async fn act(&self, action: Action, dry_run: bool) -> Result<ActionReport, Failure>;

    /// Every app with its state and its last commit.
    ///
    /// # Errors
    /// A [`Failure`] of class disk or internal.
    async fn apps(&self) -> Result<Vec<AppRow>, Failure>;

    /// What clashes in an app, file by file.
    ///
    /// # Errors
    /// That the app is in no conflict; a [`Failure`] of class disk or internal.
    async fn conflict(&self, app: AppName) -> Result<ConflictView, Failure>;

    /// How the app differs here from Git, or what a commit changed in it.
    ///
    /// # Errors
    /// A [`Failure`]: that the app or the commit is not there, or disk or internal.
    async fn diff(&self, app: AppName, commit: Option<String>) -> Result<AppDiff, Failure>;

    /// The newest commits that changed the app, or the newest before the commit `before`.
    ///
    /// # Errors
    /// As [`diff`](Self::diff).
    async fn history(&self, app: AppName, limit: usize, before: Option<String>) -> Result<HistoryPage, Failure>;

    /// What was kept aside before it was overwritten or deleted, newest first.
    ///
    /// # Errors
    /// A [`Failure`] of class disk or internal.
    async fn backups(&self) -> Result<Vec<Backup>, Failure>;

    /// Its apps, whole.
    ///
    /// # Errors
    /// That this one has none to give.
    fn whole_apps(&self) -> Result<Arc<dyn Apps>, Failure> {
        Err(Failure::internal("this worker gives no whole apps"))
    }
}

/// One app: its state, and its last commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRow {
    /// How its two sides stand.
    #[serde(flatten)]
    pub app: AppStatus,
    /// The last commit that changed it; `None` for an app that is not in Git, or while [`commit_unread`](Self::commit_unread).
    pub commit: Option<CommitShown>,
    /// None of the commits read so far changed it: its last commit lies further back, and asking again reads on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub commit_unread: bool,
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

/// The question of *backups/restore*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// A [`Backup::reference`].
    #[serde(rename = "ref")]
    pub reference: String,
}
