//! Which apps there are, and whether one may be edited here.

use axum::Json;
use axum::http::header::ETAG;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::conditions::{is_known, tag};
use super::{Named, app_name};
use crate::domain::AppName;
use crate::domain::status::AppState;
use crate::http::answer::ApiError;
use crate::http::routes::Chosen;
use crate::sync::engine::Shelved;

/// One app of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppEntry {
    /// Its name.
    pub name: String,
    /// How its two sides stand.
    pub state: AppState,
    /// Why.
    pub reason: Option<String>,
    /// The tag of its content here; `None` if it is only in Git.
    pub etag: Option<String>,
}

/// Whether an app may be edited here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockAnswer {
    /// It may not.
    pub locked: bool,
    /// Why not; or what is to be known before one edits it.
    pub reason: Option<String>,
    /// How it stands; `None` if there is no such app yet.
    pub state: Option<AppState>,
}

pub(super) async fn list(Chosen(control): Chosen) -> Result<Json<Vec<AppEntry>>, ApiError> {
    let shelf = control.whole_apps()?.shelf();
    let entry = |(app, shelved): (&AppName, &Shelved)| AppEntry {
        name: app.to_string(),
        state: shelved.state,
        reason: shelved.reason.clone(),
        etag: shelved.tree.map(tag),
    };
    Ok(Json(shelf.apps.iter().map(entry).collect()))
}

pub(super) async fn lock(Chosen(control): Chosen, name: Named, headers: HeaderMap) -> Result<Response, ApiError> {
    let app = app_name(name)?;
    let shelf = control.whole_apps()?.shelf();
    let shelved = shelf.apps.get(&app);
    let refusal = shelf.edit_refusal(&app);
    let answer = LockAnswer {
        locked: refusal.is_some(),
        reason: refusal.or_else(|| shelved.and_then(|shelved| shelved.reason.clone())),
        state: shelved.map(|shelved| shelved.state),
    };
    let digest = Sha256::digest(format!("{answer:?}"));
    let tag = digest.iter().take(10).fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    Ok(([(ETAG, tag)], Json(answer)).into_response())
}
