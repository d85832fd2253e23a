//! How a tunnel stands.

use serde::{Deserialize, Serialize};

use super::Given;
use crate::domain::Failure;

/// Where a tunnel is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the store: added by a person, and theirs to remove.
    Store,
    /// In the file of `APPFERRY_CONFIG`.
    File,
    /// In a variable `APPFERRY_TUNNEL_…`.
    Environment,
}

/// What a tunnel is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelState {
    /// A person closed it: it does not listen.
    Closed,
    /// It listens, and connects when the first client comes.
    Waiting,
    /// It connects.
    Opening,
    /// The connection to the bastion stands.
    Open,
    /// The connection is lost or could not be made; it is tried again by itself.
    Down,
    /// It cannot listen, which is tried again by itself; or it may not run as it is written down.
    CannotListen,
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// When (RFC 3339).
    pub time: String,
    /// What, with its class.
    #[serde(flatten)]
    pub failure: Failure,
}

/// A tunnel with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelStatus {
    /// As it is written down.
    pub tunnel: Given,
    /// Where that is.
    pub source: Source,
    /// What it does now.
    pub state: TunnelState,
    /// Since when (RFC 3339).
    pub since: String,
    /// Where it really listens: with port 0, the port that was found.
    pub listening: Option<String>,
    /// Clients now.
    pub connections: usize,
    /// Clients that were let through so far.
    pub accepted: u64,
    /// Clients that were closed at once.
    pub refused: u64,
    /// Bytes from clients to the target.
    pub bytes_up: u64,
    /// Bytes from the target to clients.
    pub bytes_down: u64,
    /// How often the connection was made again.
    pub reconnects: u64,
    /// What went wrong last, if anything has.
    pub last_error: Option<LastError>,
}

/// How a test of the whole way went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestReport {
    /// Until the connection to the bastion was there; 0 when it stood already.
    pub bastion_ms: u64,
    /// From there to the target.
    pub target_ms: u64,
}

impl TunnelState {
    /// As people read it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Waiting => "waiting",
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Down => "down",
            Self::CannotListen => "cannot listen",
        }
    }
}
