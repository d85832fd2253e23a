//! Connections through SSH hosts to places that only those see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{SshTarget, UsedKey};
use crate::domain::tunnel::Endpoint;
use crate::domain::{Failure, KeyName};

/// Opens SSH connections that belong to one tunnel each.
#[async_trait]
pub trait TunnelLinks: Send + Sync {
    /// Connects and logs in for `tunnel` at each hop through the one before; the last is the bastion. A new connection each
    /// time.
    ///
    /// # Errors
    /// A [`Failure`] of the classes name lookup, connect, time-out, host key, authentication, channel refused, key.
    async fn open(&self, tunnel: &str, hops: &[SshTarget]) -> Result<Arc<dyn TunnelLink>, Failure>;

    /// Stands for the keys and host keys of the hops as they are now: another number, another outcome.
    async fn ground(&self, hops: &[SshTarget]) -> u64;
}

/// A connection to a bastion.
#[async_trait]
pub trait TunnelLink: Send + Sync {
    /// A channel to `target`, of which the bastion has said that it is connected.
    ///
    /// # Errors
    /// Connect when the bastion cannot reach it, channel refused when it does not allow it, time-out after `limit`,
    /// connection lost.
    async fn channel(&self, target: &Endpoint, limit: Duration) -> Result<Box<dyn TunnelChannel>, Failure>;

    /// The keys that let it in, hop by hop.
    fn used(&self) -> Vec<(KeyName, UsedKey)>;

    /// Whether the other side answers within `limit`.
    async fn answers(&self, limit: Duration) -> bool;

    /// Whether it still is what its keys and trusted host keys say. Cheap.
    async fn stands(&self) -> bool;

    /// Whether a client that does not read holds up the others on this connection.
    fn is_held_up(&self) -> bool;

    /// Resolves when the connection is gone.
    async fn lost(&self);

    /// Ends the connection, and what runs over it.
    async fn close(&self);
}

/// A channel to a target.
#[async_trait]
pub trait TunnelChannel: Send {
    /// Moves bytes both ways until both sides have ended, one of them is gone, or the connection is. Each side may end its
    /// half first. A client whose connection is gone is not told an end.
    async fn ferry(self: Box<Self>, client: (ClientReader, ClientWriter), meter: Arc<Meter>);
}

/// What a client sends.
pub type ClientReader = Box<dyn ClientRead>;

/// A client that is read from.
#[async_trait]
pub trait ClientRead: AsyncRead + Send + Sync + Unpin {
    /// Resolves when its connection has broken, even while nothing is read from it.
    async fn broken(&self);
}

/// What a client gets. It is shut down when that was all; dropped before, it cuts the client off, where its kind of socket can.
pub type ClientWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// Bytes that were moved.
#[derive(Debug, Default)]
pub struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

impl Meter {
    /// More bytes went to the target.
    pub fn add_up(&self, bytes: usize) {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// More bytes came from the target.
    pub fn add_down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes to the target, and from it.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }
}

/// Keeps the tunnels that people have added. Every change comes with its audit row.
///
/// Errors are of the classes disk, connect and internal, as of [`KeyRecords`](super::KeyRecords).
#[async_trait]
pub trait TunnelRecords: Send + Sync {
    /// Those of one instance, sorted by name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn tunnels(&self, instance: &str) -> Result<Vec<TunnelRow>, Failure>;

    /// Adds one; `false` when there is one of that name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn add_tunnel(&self, instance: &str, row: &TunnelRow) -> Result<bool, Failure>;

    /// Notes whether it shall be open; `false` when there is none of that name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn set_tunnel_open(&self, instance: &str, name: &str, open: bool) -> Result<bool, Failure>;

    /// Removes one; `false` when there is none of that name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn remove_tunnel(&self, instance: &str, name: &str) -> Result<bool, Failure>;

    /// Makes `users`, each with its keys, the tunnels of this instance that use keys, and none else.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn claim_for_tunnels(&self, instance: &str, users: &[(String, Vec<String>)]) -> Result<(), Failure>;
}

/// A tunnel in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelRow {
    /// Its name.
    pub name: String,
    /// The tunnel as JSON.
    pub tunnel: String,
    /// Whether it shall be open.
    pub open: bool,
}
