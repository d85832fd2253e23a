//! Tunnels: the shapes of questions and answers, and their routes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::answer::ApiError;
use super::routes::{Body, Named, read};
use crate::domain::tunnel::{Given, TestReport, TunnelStatus};
use crate::domain::{Failure, FailureClass};

/// What the API asks of the tunnels.
#[async_trait]
pub trait TunnelControl: Send + Sync {
    /// How all of them stand, sorted by name.
    fn list(&self) -> Vec<TunnelStatus>;

    /// How one stands.
    ///
    /// # Errors
    /// There is none of that name.
    fn one(&self, name: &str) -> Result<TunnelStatus, Failure>;

    /// Adds one to the store, and starts it.
    ///
    /// # Errors
    /// Everything that is wrong with it, that the name or the place is taken, that the target is not allowed.
    async fn add(&self, given: Given) -> Result<TunnelStatus, Failure>;

    /// Lets one listen, and connects it now.
    ///
    /// # Errors
    /// There is none of that name, or why it cannot listen or does not connect; it is tried on.
    async fn open(&self, name: &str) -> Result<TunnelStatus, Failure>;

    /// Ends one with its clients, until somebody opens it.
    ///
    /// # Errors
    /// There is none of that name.
    async fn close(&self, name: &str) -> Result<TunnelStatus, Failure>;

    /// Ends one, and takes it out of the store.
    ///
    /// # Errors
    /// There is none of that name, or it is written down elsewhere.
    async fn remove(&self, name: &str) -> Result<(), Failure>;

    /// Goes the whole way to the target once.
    ///
    /// # Errors
    /// Where the way ends.
    async fn test(&self, name: &str) -> Result<TestReport, Failure>;

    /// All of them in the text format of Prometheus.
    fn metrics(&self) -> String;
}

/// The answer of *list*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelList {
    /// Every tunnel, sorted by name.
    pub tunnels: Vec<TunnelStatus>,
}

type Control = State<Arc<dyn TunnelControl>>;
type One = Result<Json<TunnelStatus>, ApiError>;

/// The calls below `/tunnels`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(control: Arc<dyn TunnelControl>) -> Router<S> {
    Router::new()
        .route("/tunnels", get(list).post(add))
        .route("/tunnels/{name}", get(one).delete(remove))
        .route("/tunnels/{name}/open", post(open))
        .route("/tunnels/{name}/close", post(close))
        .route("/tunnels/{name}/test", post(test))
        .with_state(control)
}

/// `/metrics`.
pub(super) fn metrics_router<S: Clone + Send + Sync + 'static>(control: Arc<dyn TunnelControl>) -> Router<S> {
    Router::new().route("/metrics", get(metrics)).with_state(control)
}

async fn list(State(control): Control) -> Json<TunnelList> {
    Json(TunnelList { tunnels: control.list() })
}

/// What is asked of a tunnel that is not there has an answer of its own.
fn refused(control: &dyn TunnelControl, name: &str, failure: Failure) -> ApiError {
    match control.one(name) {
        Err(absent) if failure.class == FailureClass::Refused => {
            ApiError::new(StatusCode::NOT_FOUND, "absent", absent.message, &absent.remedy)
        }
        _ => failure.into(),
    }
}

async fn one(State(control): Control, Named(name): Named) -> One {
    control.one(&name).map(Json).map_err(|failure| refused(&*control, &name, failure))
}

async fn add(State(control): Control, body: Body) -> Result<(StatusCode, Json<TunnelStatus>), ApiError> {
    Ok((StatusCode::CREATED, Json(control.add(read(body)?).await?)))
}

async fn remove(State(control): Control, Named(name): Named) -> Result<StatusCode, ApiError> {
    let removed = control.remove(&name).await;
    removed.map(|()| StatusCode::NO_CONTENT).map_err(|failure| refused(&*control, &name, failure))
}

async fn open(State(control): Control, Named(name): Named) -> One {
    control.open(&name).await.map(Json).map_err(|failure| refused(&*control, &name, failure))
}

async fn close(State(control): Control, Named(name): Named) -> One {
    control.close(&name).await.map(Json).map_err(|failure| refused(&*control, &name, failure))
}

async fn test(State(control): Control, Named(name): Named) -> Result<Json<TestReport>, ApiError> {
    control.test(&name).await.map(Json).map_err(|failure| refused(&*control, &name, failure))
}

async fn metrics(State(control): Control) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], control.metrics())
}
