//! What a tunnel is: where it listens, the hosts it goes through, and where it ends.

mod given;
mod name;
mod parts;
mod status;
mod targets;

use std::time::Duration;

pub use given::{Given, GivenError};
pub use name::{TunnelName, TunnelNameError};
pub use parts::{Endpoint, Hop, Listen};
pub use status::{LastError, Source, TestReport, TunnelState, TunnelStatus};
pub use targets::AllowedTargets;

use crate::domain::KeyName;

/// A tunnel, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// What it is called.
    pub name: TunnelName,
    /// Where clients connect to.
    pub listen: Listen,
    /// The hosts before the bastion, in the order of the way.
    pub jumps: Vec<Hop>,
    /// The last host: it connects to the target.
    pub bastion: Hop,
    /// The key for every hop that names none of its own.
    pub key: KeyName,
    /// Where clients come out.
    pub target: Endpoint,
    /// Whether the connection to the bastion stands before somebody needs it.
    pub eager: bool,
    /// After so long without a client the connection is closed; `None`: never.
    pub idle_close: Option<Duration>,
    /// The most clients at once.
    pub limit: usize,
}

impl Tunnel {
    /// The hosts of the way, each with the key that logs in there; the bastion is the last.
    pub fn hops(&self) -> impl Iterator<Item = (&Hop, &KeyName)> {
        self.jumps.iter().chain([&self.bastion]).map(|hop| (hop, hop.key.as_ref().unwrap_or(&self.key)))
    }

    /// Every key that it needs, each once.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyName> {
        let mut keys: Vec<KeyName> = self.hops().map(|(_, key)| key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}
