//! The routes.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::access::{TokenDigest, only_by_address, only_with_token};
use super::answer::ApiError;
use super::apps;
use super::control::{Service, SyncControl};
use super::long::few_at_once;
use super::{ACTION_LIMIT, Feeds, events, hooks, host, incoming, keys, long, shell, sync_routes, tunnels};
use crate::domain::Failure;
use crate::domain::status::Status;
use crate::sync::action::ActionReport;

/// Enough for the names of 10,000 apps.
pub(super) const BODY_LIMIT: usize = 4 * 1024 * 1024;

type Whole = State<Arc<dyn Service>>;
pub(super) type Body = Result<Bytes, BytesRejection>;
pub(super) type Report = Result<Json<ActionReport>, ApiError>;

pub(super) fn router(
    service: Arc<dyn Service>,
    token: &SecretString,
    feeds: Feeds,
    stop: &CancellationToken,
) -> Router {
    let stream = feeds.events.map(|source| events::router(source, stop.clone())).unwrap_or_default();
    let keys = feeds.keys.map(keys::router).unwrap_or_default();
    let long = long::places();
    let hosts =
        feeds.hosts.map(host::router).unwrap_or_default().layer(from_fn_with_state(Arc::clone(&long), few_at_once));
    let tunnels = feeds.tunnels.clone().map(tunnels::router).unwrap_or_default();
    let metrics = feeds.tunnels.map(tunnels::metrics_router).unwrap_or_default();
    // Outside the check of the host: hooks come through a proxy, and are signed.
    let hooks = feeds.poll.map(|poll| hooks::router(feeds.hook_secret, poll)).unwrap_or_default();
    let shell = feeds.shell.map(|feed| shell::router(feed, token, long)).unwrap_or_default();
    let token = from_fn_with_state(TokenDigest::of(token), only_with_token);
    let api = Router::new()
        .route("/status", get(status))
        .merge(sync_routes::router())
        .route("/sync/conflict", get(super::conflict::conflict))
        .merge(incoming::routes())
        .merge(stream)
        .merge(tunnels)
        .merge(keys)
        .layer(token.clone());
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .nest("/api/v1", api)
        .merge(metrics.layer(token.clone()))
        .fallback(absent)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(in_time))
        .merge(hosts.method_not_allowed_fallback(wrong_method).layer(token.clone()))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(from_fn(small_enough))
        .merge(apps::router().method_not_allowed_fallback(wrong_method).layer(token))
        .merge(shell.method_not_allowed_fallback(wrong_method))
        .layer(from_fn(only_by_address))
        .with_state(service)
        .merge(hooks.method_not_allowed_fallback(wrong_method).layer(from_fn(in_time)))
}

/// The repository that a call is about: `?repository=NAME`, which may be left out where there is one.
pub(super) struct Chosen(pub(super) Arc<dyn SyncControl>);

#[derive(Deserialize)]
struct ChosenQuery {
    repository: Option<String>,
}

impl FromRequestParts<Arc<dyn Service>> for Chosen {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<dyn Service>) -> Result<Self, ApiError> {
        let query: Query<ChosenQuery> =
            Query::try_from_uri(&parts.uri).map_err(|error| ApiError::request(error.body_text()))?;
        Ok(Self(service.repository(query.0.repository.as_deref())?))
    }
}

/// The one part of the path that is not given; what cannot be text is answered like every other error.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(name) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection: PathRejection| ApiError::request(rejection.body_text()))?;
        Ok(Self(name))
    }
}

async fn ready(State(service): Whole) -> Response {
    match service.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn status(State(service): Whole) -> Json<Status> {
    Json(service.status())
}

pub(super) fn report(action: &str, outcome: Result<ActionReport, Failure>) -> Report {
    match &outcome {
        Ok(report) => tracing::info!(action, apps = report.apps.len(), "asked for through the API"),
        Err(failure) => tracing::warn!(action, class = failure.class.words(), %failure, "asked for through the API"),
    }
    Ok(Json(outcome?))
}

pub(super) fn read<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = body.map_err(|rejection| unread(&rejection))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::request(format!("the body is not what this call takes: {error}")))
}

pub(super) fn unread(rejection: &BytesRejection) -> ApiError {
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
