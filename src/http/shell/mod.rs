//! Shell commands through the API: what is saved is for admins, running it also for who holds the runner's token.

mod access;
mod run;
mod saved;
mod shapes;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::access::TokenDigest;
use super::answer::ApiError;
use super::long::few_at_once;
use crate::shell::{ShellError, ShellService};

pub use shapes::{CheckAnswer, ExecBody, RunBody, RunsAnswer, ShellEvent};

/// Values of 8 MiB in base64, and the rest.
const BODY_LIMIT: usize = 16 << 20;

/// What the API needs for shell commands.
#[derive(Clone)]
pub struct ShellFeed {
    /// The service.
    pub service: ShellService,
    /// The token that may run what is saved.
    pub runner: SecretString,
}

#[derive(Clone)]
struct Shell {
    service: ShellService,
}

/// Everything below `/api/v1/shell`, with its own check of the two tokens.
/// Runs wait for a place in `long`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(
    feed: ShellFeed,
    admin: &SecretString,
    long: Arc<Semaphore>,
) -> Router<S> {
    let long = from_fn_with_state(long, few_at_once);
    let tokens = access::Tokens { admin: TokenDigest::of(admin), runner: TokenDigest::of(&feed.runner) };
    let for_admins = Router::new()
        .route("/api/v1/shell/hosts/{name}", put(saved::put_host).delete(saved::remove_host))
        .route("/api/v1/shell/hosts/{name}/test", post(run::test).layer(long.clone()))
        .route("/api/v1/shell/commands/{name}", put(saved::put_command).delete(saved::remove_command))
        .route("/api/v1/shell/check", post(saved::check))
        .route("/api/v1/shell/exec", post(run::exec).layer(long.clone()))
        .layer(axum::middleware::from_fn(access::only_admins));
    let for_runners = Router::new()
        .route("/api/v1/shell/hosts", get(saved::hosts))
        .route("/api/v1/shell/commands", get(saved::commands))
        .route("/api/v1/shell/commands/{name}", get(saved::command))
        .route("/api/v1/shell/commands/{name}/run", post(run::run).layer(long))
        .route("/api/v1/shell/runs", get(saved::runs))
        .route("/api/v1/shell/runs/{id}", get(saved::past_run));
    for_admins
        .merge(for_runners)
        .layer(from_fn_with_state(Arc::new(tokens), access::with_a_token))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Shell { service: feed.service })
}

impl From<ShellError> for ApiError {
    fn from(error: ShellError) -> Self {
        let (status, class) = match error {
            ShellError::Store(failure) => return failure.into(),
            ShellError::NoHost { .. } | ShellError::NoCommand { .. } | ShellError::NoRun(_) => {
                (StatusCode::NOT_FOUND, "absent")
            }
            ShellError::Taken { .. } | ShellError::InUse { .. } => (StatusCode::CONFLICT, "taken"),
            ShellError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            _ => (StatusCode::BAD_REQUEST, "request"),
        };
        let text = error.to_string();
        let several = text.contains('\n'); // a list keeps each remedy with its place
        let (message, remedy) =
            if several { (text.as_str(), "") } else { text.rsplit_once("; ").unwrap_or((&text, "")) };
        Self::new(status, class, message, remedy)
    }
}
