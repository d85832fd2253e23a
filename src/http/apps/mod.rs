//! Whole apps through the API, for builders without a folder (rule 22).

mod conditions;
mod forms;
mod list;
mod read;
mod refusals;
mod resolve;
mod uploads;
mod words;
mod write;

use std::fs::File;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::routing::{get, post};
use tokio::sync::watch;

use super::answer::ApiError;
use super::control::Service;
use super::routes::Named;
use crate::archive::Limits;
use crate::domain::status::RepositoryStatus;
use crate::domain::{AppName, Failure};
use crate::sync::engine::{Arrival, Save, SaveRefusal, Saved, Shelf};

pub use list::{AppEntry, LockAnswer};
pub use uploads::Uploads;
pub use write::{PushedRef, SaveAnswer};

/// The apps of one repository.
#[async_trait]
pub trait Apps: Send + Sync {
    /// The apps as the last pass left them. Cheap: no waiting, no disk.
    fn shelf(&self) -> Shelf;

    /// How the repository stands, and its changes.
    fn status(&self) -> watch::Receiver<RepositoryStatus>;

    /// A new file that only this process can see. Blocks, briefly.
    ///
    /// # Errors
    /// Class disk.
    fn temporary_file(&self) -> Result<File, Failure>;

    /// What an app may be at most.
    fn limits(&self) -> Limits;

    /// Saves an app.
    ///
    /// # Errors
    /// A [`SaveRefusal`]: nothing was saved.
    async fn save(&self, save: Save) -> Result<Saved, SaveRefusal>;

    /// Whether what was saved has arrived at the remote.
    ///
    /// # Errors
    /// That the worker is busy or gone.
    async fn arrival(&self, app: AppName, saved: Saved) -> Result<Arrival, Failure>;
}

/// The routes. Their bodies may be large and their answers take long: they have bounds of their own.
pub(super) fn router() -> Router<Arc<dyn Service>> {
    Router::new()
        .route("/api/v1/apps", get(list::list))
        .route("/api/v1/apps/{name}", get(read::read).put(write::put).delete(write::delete))
        .route("/api/v1/apps/{name}/lock", get(list::lock))
        .route("/api/v1/sync/resolve", post(resolve::resolve))
}

/// The name in the path, percent-decoded.
fn app_name(Named(name): Named) -> Result<AppName, ApiError> {
    AppName::new(name).map_err(|error| ApiError::request(error.to_string()))
}
