//! What is answered when an app is not saved or not read.

use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};

use super::conditions::tag;
use crate::archive::ArchiveError;
use crate::domain::Failure;
use crate::http::answer::ApiError;
use crate::sync::engine::SaveRefusal;

/// An error, and what the app is instead of what the caller took it for.
pub(super) struct Refusal {
    error: ApiError,
    tag: Option<String>,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        if let Some(tag) = self.tag.and_then(|tag| tag.parse().ok()) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, tag: None }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        ApiError::from(failure).into()
    }
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        let (status, remedy) = match error {
            ArchiveError::Store(failure) => return failure.into(),
            ArchiveError::Broken { .. } => (StatusCode::BAD_REQUEST, "send it again, whole; nothing was saved"),
            ArchiveError::Refused { .. } | ArchiveError::Empty => {
                (StatusCode::UNPROCESSABLE_ENTITY, "correct the app; nothing was saved")
            }
            ArchiveError::TooLarge(_) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "make it smaller, or raise APPFERRY_MAX_FILE_SIZE (a file) or APPFERRY_UPLOAD_LIMIT (an app); nothing was saved",
            ),
        };
        ApiError::new(status, "content", error.to_string(), remedy).into()
    }
}

impl From<SaveRefusal> for Refusal {
    fn from(refusal: SaveRefusal) -> Self {
        let (status, class) = match &refusal {
            SaveRefusal::Failed(failure) => return failure.clone().into(),
            SaveRefusal::Locked(_) => (StatusCode::LOCKED, "locked"),
            SaveRefusal::Changed(_) => (StatusCode::PRECONDITION_FAILED, "changed"),
            SaveRefusal::HalfWritten(_) | SaveRefusal::OnlyIgnored => (StatusCode::UNPROCESSABLE_ENTITY, "content"),
            SaveRefusal::Disturbed(_) => (StatusCode::CONFLICT, "changed"),
            SaveRefusal::Absent => (StatusCode::NOT_FOUND, "absent"),
        };
        let tag = match &refusal {
            SaveRefusal::Changed(tree) => tree.map(tag),
            _ => None,
        };
        let text = refusal.to_string();
        let (message, remedy) = text.split_once("; ").unwrap_or((&text, ""));
        Self { error: ApiError::new(status, class, message, remedy), tag }
    }
}

/// There is no such app.
pub(super) fn absent(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "absent", message, "GET /api/v1/apps lists the apps of this instance")
}
