//! What is known of one tunnel while it runs.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::domain::Failure;
use crate::domain::tunnel::{LastError, TunnelState};
use crate::ports::Meter;

/// Counters and the state, written by the tunnel's tasks and read by whoever asks.
pub(super) struct Facts {
    pub(super) meter: Arc<Meter>,
    pub(super) connections: AtomicUsize,
    accepted: AtomicU64,
    refused: AtomicU64,
    reconnects: AtomicU64,
    changing: Mutex<Changing>,
    /// Rings when it listens, or cannot.
    bell: Notify,
}

#[derive(Clone)]
pub(super) struct Changing {
    pub(super) state: TunnelState,
    pub(super) since: Timestamp,
    pub(super) listening: Option<String>,
    /// Since when it cannot listen, whatever its connection does, and why.
    pub(super) blocked: Option<(Timestamp, Failure)>,
    pub(super) last_error: Option<LastError>,
}

impl Facts {
    pub(super) fn new() -> Self {
        Self {
            meter: Arc::default(),
            connections: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            changing: Mutex::new(Changing {
                state: TunnelState::Waiting,
                since: Timestamp::now(),
                listening: None,
                blocked: None,
                last_error: None,
            }),
            bell: Notify::new(),
        }
    }

    pub(super) fn now(&self) -> Changing {
        self.changing().clone()
    }

    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.accepted), read(&self.refused), read(&self.reconnects))
    }

    pub(super) fn is(&self, state: TunnelState) {
        let mut changing = self.changing();
        if changing.state != state {
            changing.state = state;
            changing.since = Timestamp::now();
        }
    }

    pub(super) fn listens(&self, place: Option<String>) {
        let mut changing = self.changing();
        if place.is_some() {
            changing.blocked = None;
        }
        changing.listening = place;
        self.bell.notify_waiters();
    }

    /// Answers whether that is news.
    pub(super) fn cannot_listen(&self, failure: &Failure) -> bool {
        self.went_wrong(failure);
        let mut changing = self.changing();
        let before = changing.blocked.take();
        let since = before.as_ref().map_or_else(Timestamp::now, |(since, _)| *since);
        changing.blocked = Some((since, failure.clone()));
        self.bell.notify_waiters();
        before.is_none_or(|(_, before)| before != *failure)
    }

    /// Resolves once it is known whether it can listen.
    pub(super) async fn listens_or_cannot(&self) {
        loop {
            let bell = self.bell.notified();
            let mut bell = std::pin::pin!(bell);
            bell.as_mut().enable();
            let now = self.now();
            if now.listening.is_some() || now.blocked.is_some() {
                return;
            }
            bell.await;
        }
    }

    pub(super) fn went_wrong(&self, failure: &Failure) {
        self.changing().last_error = Some(LastError { time: Timestamp::now().to_string(), failure: failure.clone() });
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reconnected(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
