//! Whether a server lets a tunnel through.

use async_trait::async_trait;

use super::SshTarget;
use crate::domain::Failure;

/// What became of a channel to a target behind a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// It opened; it was closed again.
    Opened,
    /// The server may forward there, and did not reach the target; in its words.
    TargetFailed(String),
    /// The server does not allow it.
    Prohibited,
}

/// Tries tunnels.
#[async_trait]
pub trait Forwarding: Send + Sync {
    /// Opens a channel through the login to `host:port`, and closes it.
    ///
    /// # Errors
    /// As for [`SshSessions::exec`](super::SshSessions::exec), for what keeps the login itself out.
    async fn try_forwarding(&self, target: &SshTarget, host: &str, port: u16) -> Result<Forwarded, Failure>;
}
