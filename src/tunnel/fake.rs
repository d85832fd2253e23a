//! A bastion for tests that answers as it is told.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::domain::tunnel::Endpoint;
use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::{SshTarget, TunnelChannel, TunnelLink, TunnelLinks, UsedKey};

#[derive(Default)]
pub(super) struct Bastion {
    pub(super) away: AtomicBool,
    pub(super) refuses: AtomicBool,
    /// Keys and host keys.
    pub(super) ground: AtomicU64,
    pub(super) attempts: AtomicUsize,
    /// Attempts wait for its ring.
    pub(super) slow: AtomicBool,
    pub(super) ring: tokio::sync::Notify,
    pub(super) link: Mutex<CancellationToken>,
}

pub(super) struct Connection(CancellationToken);

#[async_trait]
impl TunnelLinks for Arc<Bastion> {
    async fn open(&self, _: &str, _: &[SshTarget]) -> Result<Arc<dyn TunnelLink>, Failure> {
        let rung = self.ring.notified();
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if self.slow.load(Ordering::SeqCst) {
            rung.await;
        }
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureClass::Authentication, "the key is refused", "let it in"));
        }
        if self.away.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureClass::Connect, "nobody is there", "wait"));
        }
        let lost = CancellationToken::new();
        *self.link.lock().unwrap() = lost.clone();
        Ok(Arc::new(Connection(lost)))
    }

    async fn ground(&self, _: &[SshTarget]) -> u64 {
        self.ground.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl TunnelLink for Connection {
    async fn channel(&self, _: &Endpoint, _: Duration) -> Result<Box<dyn TunnelChannel>, Failure> {
        Err(Failure::internal("not asked for here"))
    }

    fn used(&self) -> Vec<(KeyName, UsedKey)> {
        Vec::new()
    }

    async fn answers(&self, _: Duration) -> bool {
        true
    }

    async fn stands(&self) -> bool {
        true
    }

    fn is_held_up(&self) -> bool {
        false
    }

    async fn lost(&self) {
        self.0.cancelled().await;
    }

    async fn close(&self) {
        self.0.cancel();
    }
}
