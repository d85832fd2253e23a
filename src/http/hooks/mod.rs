//! Webhooks of Git hosts: `POST /hooks/{provider}`. Whatever they say, they are only ever a hint to ask the remote now.
//!
//! They come through a reverse proxy with a foreign `Host` and without our token: the signature is what protects them. It is
//! checked over the raw bytes, before anything is parsed.

mod payload;
mod seen;
mod signature;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use secrecy::SecretString;

use super::answer::ApiError;
use super::routes::Named;
use seen::Seen;
use signature::Provider;

/// What hosts send of a push is far smaller.
const BODY_LIMIT: usize = 1 << 20;

/// Who polls when a branch may have moved.
pub trait PollHint: Send + Sync {
    /// The URLs of all repositories; several may have the same.
    fn repositories(&self) -> BTreeSet<String>;

    /// Polls the repositories with one of these URLs soon, and answers how many that are. Never waits; many hints are one poll.
    fn poll_soon(&self, urls: &BTreeSet<String>) -> usize;
}

#[derive(Clone)]
struct Hooks {
    secret: Option<SecretString>,
    hint: Arc<dyn PollHint>,
    seen: Arc<Seen>,
}

pub(super) fn router(secret: Option<SecretString>, hint: Arc<dyn PollHint>) -> Router {
    let hooks = Hooks { secret, hint, seen: Arc::default() };
    Router::new().route("/hooks/{provider}", post(hook)).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(hooks)
}

async fn hook(
    State(hooks): State<Hooks>,
    Named(provider): Named,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Some(provider) = Provider::named(&provider) else {
        let message = format!("there is no hook for {provider:?}");
        let remedy = "post to /hooks/ and one of github, gitlab, bitbucket, bitbucket-server, gitea, forgejo, azure";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "absent", message, remedy));
    };
    let Some(secret) = &hooks.secret else {
        let remedy =
            "set APPFERRY_HOOK_SECRET (or …_FILE) to the secret that the Git host signs with, and start appferry again";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "absent", "no secret for hooks is set", remedy));
    };
    let body = body.map_err(|rejection| {
        let message = format!("the body cannot be read: {}", rejection.body_text());
        ApiError::new(rejection.status(), "request", message, "a hook is at most 1 MiB")
    })?;
    let now = jiff::Timestamp::now().as_second();
    if let Err(problem) = signature::verify(provider, &headers, &body, secret, now) {
        tracing::warn!(provider = provider.name(), problem, "refused a hook");
        let remedy = "give the Git host the secret of APPFERRY_HOOK_SECRET";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "signature", problem, remedy));
    }
    if !hooks.seen.is_new(provider, provider.delivery(&headers), &body) {
        return Ok(Json(serde_json::json!({ "seen": true, "polled": 0 })).into_response());
    }
    let polled = hint(&*hooks.hint, &body);
    tracing::info!(provider = provider.name(), polled, "a hook: the branch may have moved");
    Ok((StatusCode::ACCEPTED, Json(serde_json::json!({ "seen": false, "polled": polled }))).into_response())
}

/// Polls the repositories that the payload is about; all, if that cannot be read from it. Answers how many.
fn hint(hint: &dyn PollHint, body: &[u8]) -> usize {
    let named = payload::repositories(body);
    let about = |url: &String| named.is_empty() || named.iter().any(|name| payload::is_about(name, url));
    let wanted: BTreeSet<String> = hint.repositories().into_iter().filter(about).collect();
    hint.poll_soon(&wanted)
}
