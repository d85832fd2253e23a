//! The routes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::access::{TokenDigest, only_by_address, only_with_token};
use super::answer::ApiError;
use super::control::{ActionReport, AddRequest, Backup, ResolveRequest, RestoreRequest, Selection, SyncControl};
use super::{ACTION_LIMIT, Feeds, events, hooks};
use crate::domain::Failure;
use crate::domain::status::Status;

/// Enough for the names of 10,000 apps.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

type Control = State<Arc<dyn SyncControl>>;
type Body = Result<Bytes, BytesRejection>;
type Report = Result<Json<ActionReport>, ApiError>;

pub(super) fn router(
    control: Arc<dyn SyncControl>,
    token: &SecretString,
    feeds: Feeds,
    stop: &CancellationToken,
) -> Router {
    let stream = feeds.events.map(|source| events::router(source, stop.clone())).unwrap_or_default();
    // Outside the check of the host: hooks come through a proxy, and are signed.
    let hooks = feeds.poll.map(|poll| hooks::router(feeds.hook_secret, poll)).unwrap_or_default();
    let api = Router::new()
        .route("/status", get(status))
        .route("/sync/confirm", post(confirm))
        .route("/sync/resolve", post(resolve))
        .route("/sync/push", post(push))
        .route("/sync/add", post(add))
        .route("/sync/backups", get(backups))
        .route("/sync/backups/restore", post(restore))
        .merge(stream)
        .layer(from_fn_with_state(TokenDigest::of(token), only_with_token));
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .nest("/api/v1", api)
        .fallback(absent)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(small_enough))
        .layer(from_fn(in_time))
        .layer(from_fn(only_by_address))
        .with_state(control)
        .merge(hooks.layer(from_fn(in_time)))
}

async fn ready(State(control): Control) -> Response {
    match control.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn status(State(control): Control) -> Json<Status> {
    Json(control.status())
}

async fn confirm(State(control): Control, body: Body) -> Report {
    let apps: Selection = read(body)?;
    report("confirm", control.confirm(apps).await)
}

async fn resolve(State(control): Control, body: Body) -> Report {
    let ResolveRequest { app, take } = read(body)?;
    report("resolve", control.resolve(app, take).await)
}

/// Without a body, or with an empty object, it is about every app: a push never takes anything away.
async fn push(State(control): Control, body: Body) -> Report {
    let bytes = body.map_err(|rejection| unread(&rejection))?;
    let apps = if matches!(bytes.trim_ascii(), b"" | b"{}") { Selection::All } else { read(Ok(bytes))? };
    report("push", control.push(apps).await)
}

async fn add(State(control): Control, body: Body) -> Report {
    let AddRequest { apps } = read(body)?;
    if apps.is_empty() {
        return Err(ApiError::request("`apps` is empty; name at least one app"));
    }
    report("add", control.add(apps).await)
}

async fn backups(State(control): Control) -> Result<Json<Vec<Backup>>, ApiError> {
    Ok(Json(control.backups().await?))
}

async fn restore(State(control): Control, body: Body) -> Report {
    let RestoreRequest { reference } = read(body)?;
    report("restore", control.restore(reference).await)
}

fn report(action: &str, outcome: Result<ActionReport, Failure>) -> Report {
    match &outcome {
        Ok(report) => tracing::info!(action, apps = report.apps.len(), "asked for through the API"),
        Err(failure) => tracing::warn!(action, class = failure.class.words(), %failure, "asked for through the API"),
    }
    Ok(Json(outcome?))
}

fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = body.map_err(|rejection| unread(&rejection))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::request(format!("the body is not what this call takes: {error}")))
}

fn unread(rejection: &BytesRejection) -> ApiError {
    let remedy = "send less, or in several requests";
    ApiError::new(rejection.status(), "request", format!("the body cannot be read: {}", rejection.body_text()), remedy)
}

/// The limit on reading counts what has come; what is announced as too large need not come at all.
async fn small_enough(request: Request, next: Next) -> Result<Response, ApiError> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > BODY_LIMIT) {
        let message = format!("the body is larger than {BODY_LIMIT} bytes");
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "request", message, "send it in several requests"));
    }
    Ok(next.run(request).await)
}

async fn in_time(request: Request, next: Next) -> Result<Response, ApiError> {
    tokio::time::timeout(ACTION_LIMIT, next.run(request)).await.map_err(|_| {
        let message = format!("it takes longer than {} s", ACTION_LIMIT.as_secs());
        ApiError::new(StatusCode::GATEWAY_TIMEOUT, "busy", message, "`appferry status` shows how it goes on")
    })
}

async fn absent() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "absent", "there is no such call", "see docs/api.md")
}

async fn wrong_method() -> ApiError {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "request", "this call takes another method", "see docs/api.md")
}
