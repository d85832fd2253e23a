//! The routes below `/sync`: what a person may ask of a repository.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::answer::ApiError;
use super::control::{AppRow, Backup, RestoreRequest, Service, SyncControl};
use super::requests::{AppRequest, AppsRequest, RestoreAppRequest};
use super::routes::{Body, Chosen, Report, read, report, unread};
use crate::domain::AppName;
use crate::sync::action::{Action, PushRequest, Selection};
use crate::sync::history::{AppDiff, HistoryPage};

/// Commits in one answer when the question does not say, and at most.
const USUAL_COMMITS: usize = 50;
const MOST_COMMITS: usize = 1_000;

pub(super) fn router() -> Router<Arc<dyn Service>> {
    Router::new()
        .route("/sync/apps", get(apps))
        .route("/sync/diff", get(diff))
        .route("/sync/history", get(history))
        .route("/sync/backups", get(backups))
        .route("/sync/confirm", post(confirm))
        .route("/sync/push", post(push))
        .route("/sync/add", post(add))
        .route("/sync/remove", post(remove))
        .route("/sync/revert", post(revert))
        .route("/sync/restore", post(restore))
        .route("/sync/backups/restore", post(restore_kept))
}

/// Whether it is only to be said what would be done: `?dry_run=true`.
pub(super) struct DryRun(pub(super) bool);

#[derive(Deserialize)]
struct DryRunQuery {
    #[serde(default)]
    dry_run: bool,
}

impl FromRequestParts<Arc<dyn Service>> for DryRun {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<dyn Service>) -> Result<Self, ApiError> {
        let query: Query<DryRunQuery> =
            Query::try_from_uri(&parts.uri).map_err(|error| ApiError::request(error.body_text()))?;
        Ok(Self(query.0.dry_run))
    }
}

pub(super) async fn act(control: &dyn SyncControl, action: Action, DryRun(dry_run): DryRun) -> Report {
    let name = if dry_run { "dry run" } else { action.name() };
    report(name, control.act(action, dry_run).await)
}

async fn confirm(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    let apps: Selection = read(body)?;
    act(&*control, Action::Confirm(apps), dry_run).await
}

/// Without a body it is about every app: a push never takes anything away.
async fn push(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    let bytes = body.map_err(|rejection| unread(&rejection))?;
    let request: PushRequest = if bytes.trim_ascii().is_empty() { PushRequest::default() } else { read(Ok(bytes))? };
    request.selection().map_err(ApiError::request)?;
    act(&*control, Action::Push(request), dry_run).await
}

async fn add(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    act(&*control, Action::Add(some_apps(body)?), dry_run).await
}

async fn remove(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    act(&*control, Action::Remove(some_apps(body)?), dry_run).await
}

async fn revert(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    let bytes = body.map_err(|rejection| unread(&rejection))?;
    let apps = match serde_json::from_slice(&bytes) {
        Ok(AppRequest { app }) => vec![app],
        Err(_) => some_apps(Ok(bytes))?,
    };
    act(&*control, Action::Revert(apps), dry_run).await
}

async fn restore(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    let RestoreAppRequest { app, to } = read(body)?;
    act(&*control, Action::Restore(app, to), dry_run).await
}

async fn restore_kept(Chosen(control): Chosen, dry_run: DryRun, body: Body) -> Report {
    let RestoreRequest { reference } = read(body)?;
    act(&*control, Action::RestoreKept(reference), dry_run).await
}

fn some_apps(body: Body) -> Result<Vec<AppName>, ApiError> {
    let AppsRequest { apps } = read(body)?;
    if apps.is_empty() {
        return Err(ApiError::request("`apps` is empty; name at least one app"));
    }
    Ok(apps)
}

async fn apps(Chosen(control): Chosen) -> Result<Json<Vec<AppRow>>, ApiError> {
    Ok(Json(control.apps().await?))
}

#[derive(Deserialize)]
struct DiffQuery {
    app: AppName,
    commit: Option<String>,
}

async fn diff(Chosen(control): Chosen, parts: Parts) -> Result<Json<AppDiff>, ApiError> {
    let DiffQuery { app, commit } = query(&parts)?;
    Ok(Json(control.diff(app, commit).await?))
}

#[derive(Deserialize)]
struct HistoryQuery {
    app: AppName,
    limit: Option<usize>,
    before: Option<String>,
}

async fn history(Chosen(control): Chosen, parts: Parts) -> Result<Json<HistoryPage>, ApiError> {
    let HistoryQuery { app, limit, before } = query(&parts)?;
    let limit = limit.unwrap_or(USUAL_COMMITS).clamp(1, MOST_COMMITS);
    Ok(Json(control.history(app, limit, before).await?))
}

fn query<T: serde::de::DeserializeOwned>(parts: &Parts) -> Result<T, ApiError> {
    let query: Query<T> = Query::try_from_uri(&parts.uri).map_err(|error| ApiError::request(error.body_text()))?;
    Ok(query.0)
}

async fn backups(Chosen(control): Chosen) -> Result<Json<Vec<Backup>>, ApiError> {
    Ok(Json(control.backups().await?))
}
