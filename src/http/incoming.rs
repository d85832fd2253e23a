//! What arrives from Git: the shapes of questions and answers, and their routes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::answer::ApiError;
use super::control::Service;
use super::routes::{Body, Chosen, Report, read, report};
use super::sync_routes::DryRun;
use crate::domain::{AppName, BranchName, Failure};
use crate::sync::action::{ActionReport, Selection};

/// The part of [`SyncControl`](super::SyncControl) that is about what arrives.
#[async_trait]
pub trait IncomingControl: Send + Sync {
    /// What happened elsewhere and is not so here.
    ///
    /// # Errors
    /// A [`Failure`] if nothing could be done.
    async fn incoming(&self) -> Result<Incoming, Failure>;

    /// Installs, updates or deletes apps as they were elsewhere.
    ///
    /// # Errors
    /// As [`incoming`](Self::incoming); what concerns one app is in the report.
    async fn take_in(&self, action: IncomingAction, request: TakeInRequest) -> Result<ActionReport, Failure>;

    /// Installs all that waits, or the state of another branch, tag or commit.
    ///
    /// # Errors
    /// As [`take_in`](Self::take_in).
    async fn pull(&self, request: PullRequest) -> Result<ActionReport, Failure>;

    /// Makes a branch at the remote.
    ///
    /// # Errors
    /// As [`incoming`](Self::incoming); the server's own words, if it refuses.
    async fn create_branch(&self, request: BranchRequest) -> Result<BranchReport, Failure>;
}

/// What is done with what arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncomingAction {
    /// An app that was added elsewhere comes here.
    Install,
    /// An app that was changed elsewhere changes here.
    Update,
    /// An app that was deleted elsewhere is deleted here.
    Delete,
}

/// What happened elsewhere and is not so here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// In Git, and not here.
    pub added: Vec<IncomingApp>,
    /// Changed in Git.
    pub updated: Vec<IncomingApp>,
    /// Here, and deleted in Git.
    pub deleted: Vec<IncomingApp>,
}

/// One app of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingApp {
    /// Its name.
    pub app: String,
    /// Whether it was published there, and that is not here.
    pub published: bool,
    /// What can be done: `install`, `install_and_release`, `update`, `update_and_release`, `delete`; none while it waits for something
    /// else, which `reason` names.
    pub actions: Vec<String>,
    /// Why it waits.
    pub reason: Option<String>,
    /// The commit of its last change.
    pub commit: Option<String>,
    /// Who made that.
    pub author: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// When (RFC 3339).
    pub time: Option<String>,
    /// The first line of its message.
    pub subject: Option<String>,
    /// None of the commits read so far changed it: that commit lies further back, and asking again reads on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub commit_unread: bool,
}

/// The question of *install*, *update* and *delete*.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakeInRequest {
    /// The apps, at least one.
    pub apps: Vec<AppName>,
    /// Also what was published of them.
    #[serde(default)]
    pub release: bool,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// The question of *pull*: apps or none, which means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// The apps; none means all.
    #[serde(default)]
    pub apps: Vec<AppName>,
    /// A branch, tag or commit other than the branch that is followed.
    #[serde(default)]
    pub from: Option<String>,
    /// With `from`: also push what it changes here, although that does not happen by itself.
    #[serde(default)]
    pub push: bool,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

impl PullRequest {
    /// The apps, or all.
    #[must_use]
    pub fn selection(&self) -> Selection {
        if self.apps.is_empty() { Selection::All } else { Selection::Apps(self.apps.clone()) }
    }
}

/// The question of *create-branch*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchRequest {
    /// The branch to make.
    pub name: String,
    /// The branch, tag or commit that it begins at.
    pub from: String,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// What became of a branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchReport {
    /// Its name.
    pub branch: String,
    /// Where it is.
    pub commit: String,
    /// Whether it is new.
    pub made: bool,
    /// The same, for people.
    pub message: String,
}

pub(super) fn routes() -> Router<Arc<dyn Service>> {
    Router::new()
        .route("/sync/incoming", get(incoming))
        .route(
            "/sync/install",
            post(async |chosen, dry_run, body| {
                take_in(IncomingAction::Install, "install", chosen, dry_run, body).await
            }),
        )
        .route(
            "/sync/update",
            post(async |chosen, dry_run, body| take_in(IncomingAction::Update, "update", chosen, dry_run, body).await),
        )
        .route(
            "/sync/delete",
            post(async |chosen, dry_run, body| take_in(IncomingAction::Delete, "delete", chosen, dry_run, body).await),
        )
        .route("/sync/pull", post(pull))
        .route("/sync/branches", post(create_branch))
}

async fn incoming(Chosen(control): Chosen) -> Result<Json<Incoming>, ApiError> {
    Ok(Json(control.incoming().await?))
}

async fn take_in(
    action: IncomingAction,
    word: &str,
    Chosen(control): Chosen,
    DryRun(dry_run): DryRun,
    body: Body,
) -> Report {
    let mut request: TakeInRequest = read(body)?;
    request.dry_run |= dry_run;
    if request.apps.is_empty() {
        return Err(ApiError::request("`apps` is empty; name at least one app"));
    }
    if request.release && action == IncomingAction::Delete {
        return Err(ApiError::request("a deletion has no `release`; leave it out"));
    }
    report(word, control.take_in(action, request).await)
}

/// Without a body it is about every app: what is pulled over is kept aside.
async fn pull(Chosen(control): Chosen, DryRun(dry_run): DryRun, body: Body) -> Report {
    let is_empty = body.as_ref().is_ok_and(|bytes| bytes.trim_ascii().is_empty());
    let mut request: PullRequest = if is_empty { PullRequest::default() } else { read(body)? };
    request.dry_run |= dry_run;
    if request.push && request.from.is_none() {
        return Err(ApiError::request("`push` belongs to `from`; leave it out, or name what to pull from"));
    }
    report("pull", control.pull(request).await)
}

async fn create_branch(
    Chosen(control): Chosen,
    DryRun(dry_run): DryRun,
    body: Body,
) -> Result<Json<BranchReport>, ApiError> {
    let mut request: BranchRequest = read(body)?;
    request.dry_run |= dry_run;
    BranchName::new(request.name.as_str()).map_err(|error| ApiError::request(error.to_string()))?;
    Ok(Json(control.create_branch(request).await?))
}
