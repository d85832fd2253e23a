//! `GET /api/v1/sync/conflict?app=NAME`: what clashes, as data.

use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;

use super::answer::ApiError;
use super::routes::Chosen;
use crate::domain::AppName;
use crate::domain::conflict_view::ConflictView;

#[derive(Deserialize)]
pub(super) struct ConflictQuery {
    app: AppName,
}

pub(super) async fn conflict(
    Chosen(control): Chosen,
    query: Result<Query<ConflictQuery>, QueryRejection>,
) -> Result<Json<ConflictView>, ApiError> {
    let Query(ConflictQuery { app }) = query
        .map_err(|rejection| ApiError::request(format!("give the app as `?app=NAME`: {}", rejection.body_text())))?;
    Ok(Json(control.conflict(app).await?))
}
