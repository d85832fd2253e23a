//! The named keys, as far as anybody may see them: a form that asks for a key has something to choose from.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};

use super::answer::ApiError;
use super::routes::Named;
use crate::domain::{Failure, KeyName};
use crate::keys::KeyRecord;

/// Who knows the keys.
#[async_trait]
pub trait KeyList: Send + Sync {
    /// All keys of all sources, by name.
    ///
    /// # Errors
    /// That a source cannot be read.
    async fn keys(&self) -> Result<Vec<KeyRecord>, Failure>;
}

type Keys = State<Arc<dyn KeyList>>;

/// Below `/api/v1`, without the check of the token.
pub(super) fn router<S: Clone + Send + Sync + 'static>(keys: Arc<dyn KeyList>) -> Router<S> {
    Router::new().route("/keys", get(all)).route("/keys/{name}", get(one)).with_state(keys)
}

async fn all(State(keys): Keys) -> Result<Json<Vec<KeyRecord>>, ApiError> {
    Ok(Json(keys.keys().await?))
}

async fn one(State(keys): Keys, Named(name): Named) -> Result<Json<KeyRecord>, ApiError> {
    let name = KeyName::new(name).map_err(|error| ApiError::request(error.to_string()))?;
    let found = keys.keys().await?.into_iter().find(|key| key.name == name);
    found.map(Json).ok_or_else(|| {
        let message = format!("there is no key {:?}", name.as_str());
        ApiError::new(StatusCode::NOT_FOUND, "absent", message, "`GET /api/v1/keys` lists the keys there are")
    })
}
