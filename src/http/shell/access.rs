//! Two tokens: the API's own may do everything, the runner's may run what is saved and look.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;

use crate::http::access::{TokenDigest, bearer};
use crate::http::answer::ApiError;
use crate::shell::Who;

pub(super) struct Tokens {
    pub(super) admin: TokenDigest,
    pub(super) runner: TokenDigest,
}

/// Lets who holds one of the tokens pass, and notes which.
pub(super) async fn with_a_token(
    State(tokens): State<Arc<Tokens>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let given = bearer(&request).unwrap_or_default();
    let who = match (tokens.admin.matches(given), tokens.runner.matches(given)) {
        (true, _) => Who::Admin,
        (false, true) => Who::Runner,
        (false, false) => {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "token",
                "the bearer token is missing or wrong",
                "send `Authorization: Bearer …` with the content of run.token (to run what is saved) or api.token in the data folder",
            ));
        }
    };
    request.extensions_mut().insert(who);
    Ok(next.run(request).await)
}

/// Lets admins pass.
pub(super) async fn only_admins(request: Request, next: Next) -> Result<Response, ApiError> {
    if request.extensions().get::<Who>() == Some(&Who::Admin) {
        return Ok(next.run(request).await);
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "token",
        "this token may run saved commands, and not change them or run others",
        "use the content of api.token in the data folder",
    ))
}
