//! Answers: JSON, and one shape for every error.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::domain::{Failure, FailureClass};

/// `{"error":{"class":…,"message":…,"remedy":…}}`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong, as a [`Failure`] says it; the API's own classes are `request`, `token`, `host`,
/// `signature`, `absent` and `busy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The class, in `snake_case`.
    pub class: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
}

/// An error on its way out.
pub(super) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, class: &str, message: impl Into<String>, remedy: &str) -> Self {
        Self { status, body: ErrorBody { class: class.to_owned(), message: message.into(), remedy: remedy.to_owned() } }
    }

    pub(super) fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request", message, "correct the request")
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        let status = match failure.class {
            FailureClass::Refused
            | FailureClass::BranchAbsent
            | FailureClass::Key
            | FailureClass::Listen
            | FailureClass::Limit => StatusCode::CONFLICT,
            FailureClass::TimeOut => StatusCode::GATEWAY_TIMEOUT,
            FailureClass::Disk | FailureClass::Damaged | FailureClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_GATEWAY,
        };
        let class = failure.class.words().replace([' ', '-'], "_");
        let class =
            serde_json::to_value(failure.class).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or(class);
        Self::new(status, &class, failure.message, &failure.remedy)
    }
}

impl ApiError {
    /// Its body, for an answer whose status has gone out.
    pub(super) fn answer(self) -> ErrorAnswer {
        ErrorAnswer { error: self.body }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorAnswer { error: self.body })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
