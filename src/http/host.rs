//! Calls about servers that a key shall log in to.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;

use super::answer::ApiError;
use super::control::Service;
use super::long::in_its_time;
use super::routes::{Body, read};
use crate::domain::Failure;
use crate::setup::{CheckReport, CheckRequest, CheckWords, Order, SetupAnswer, SetupRequest};

/// Who sets servers up, and checks logins.
#[async_trait]
pub trait HostControl: Send + Sync {
    /// Makes the script, and runs it where the order says so.
    ///
    /// # Errors
    /// That the key cannot be had, or that the admin's login runs nothing.
    async fn setup(&self, order: Order) -> Result<SetupAnswer, Failure>;

    /// Proves each step of a login.
    ///
    /// # Errors
    /// That the service is ending.
    async fn check(&self, request: CheckRequest) -> Result<CheckReport, Failure>;
}

type Hosts = State<Arc<dyn HostControl>>;

pub(super) fn router(hosts: Arc<dyn HostControl>) -> Router<Arc<dyn Service>> {
    Router::new().route("/api/v1/host/setup", post(setup)).route("/api/v1/host/check", post(check)).with_state(hosts)
}

async fn setup(State(hosts): Hosts, body: Body) -> Result<Response, ApiError> {
    let request: SetupRequest = read(body)?;
    let order = Order::of(&request).map_err(|error| ApiError::request(error.to_string()))?;
    if let Some((admin, key)) = &order.run {
        tracing::info!(%admin, %key, user = %order.user, "a server is set up, asked for through the API");
    }
    Ok(in_its_time(async move { Ok(hosts.setup(order).await?) }).await)
}

async fn check(State(hosts): Hosts, body: Body) -> Result<Response, ApiError> {
    let words: CheckWords = read(body)?;
    let request = CheckRequest::of(&words).map_err(|error| ApiError::request(error.to_string()))?;
    Ok(in_its_time(async move { Ok(hosts.check(request).await?) }).await)
}
