//! The API on loopback: is it alive, is it ready, what is it doing, and the few things a person may ask for.

mod access;
mod answer;
pub mod apps;
mod conflict;
mod control;
mod events;
mod files;
mod hooks;
mod host;
mod incoming;
mod keys;
mod listener;
mod long;
mod requests;
mod routes;
mod shell;
mod sync_routes;
mod tunnels;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::domain::Failure;
use crate::ports::EventSource;
pub use crate::sync::action::{
    Action, ActionReport, AppOutcome, Content, MergedFiles, PushRequest, RefFate, RefReport, Resolution, Selection,
    TagRequest, Take,
};
pub use crate::sync::history::{AppDiff, AppFate, CommitShown, FileDiff, FileFate, HistoryEntry, HistoryPage};

pub use answer::{ErrorAnswer, ErrorBody};
pub use control::{AppRow, Backup, RestoreRequest, Service, SyncControl};
pub use files::{announce, announced_address, api_token, read_token, run_token, withdraw};
pub use hooks::PollHint;
pub use host::HostControl;
pub use incoming::{
    BranchReport, BranchRequest, Incoming, IncomingAction, IncomingApp, IncomingControl, PullRequest, TakeInRequest,
};
pub use keys::KeyList;
pub use requests::{AppRequest, AppsRequest, ResolveRequest, RestoreAppRequest};
pub use shell::{CheckAnswer, ExecBody, RunBody, RunsAnswer, ShellEvent, ShellFeed};
pub use tunnels::{TunnelControl, TunnelList};

/// How long an action may take before the caller is told to look at the status instead.
pub const ACTION_LIMIT: Duration = Duration::from_mins(1);

/// How long requests under way may take after `stop`.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// What the API is fed with, and feeds, beside the worker.
#[derive(Clone, Default)]
pub struct Feeds {
    /// For `GET /api/v1/events`.
    pub events: Option<Arc<dyn EventSource>>,
    /// For the calls below `/api/v1/tunnels`, and `/metrics`.
    pub tunnels: Option<Arc<dyn TunnelControl>>,
    /// Who polls when a Git host says that a branch moved.
    pub poll: Option<Arc<dyn PollHint>>,
    /// Who sets servers up, and checks logins.
    pub hosts: Option<Arc<dyn HostControl>>,
    /// For `GET /api/v1/keys`.
    pub keys: Option<Arc<dyn KeyList>>,
    /// What those hosts prove themselves by.
    pub hook_secret: Option<SecretString>,
    /// Shell commands, and who may run them.
    pub shell: Option<ShellFeed>,
}

/// Serves the API until `stop` fires, then finishes the requests under way (5 s at most).
///
/// # Errors
/// [`FailureClass::Internal`](crate::domain::FailureClass::Internal) if the listener breaks.
pub async fn serve(
    listener: TcpListener,
    service: Arc<dyn Service>,
    token: SecretString,
    feeds: Feeds,
    stop: CancellationToken,
) -> Result<(), Failure> {
    let router = routes::router(service, &token, feeds, &stop);
    let listener = listener::Guarded::new(listener);
    let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| Failure::internal(format!("the API stopped listening: {error}"))),
        () = drained => {
            tracing::warn!(limit_ms = DRAIN_LIMIT.as_millis(), "requests to the API did not finish in time");
            Ok(())
        }
    }
}
