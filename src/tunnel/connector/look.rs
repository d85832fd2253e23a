//! What can change without a word: the need, a client that does not read, keys, host keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::Instant;

use super::{Connector, Standing};
use crate::domain::tunnel::TunnelState;
use crate::ports::TunnelLink;

/// How old the knowledge may be.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a look has shown.
pub(super) enum Seen {
    /// Whether this connection still is as its keys say.
    Link(Arc<dyn TunnelLink>, bool),
    /// What an attempt would stand on now.
    Ground(u64),
}

impl Connector {
    /// Looks; what takes its time is told to [`seen`](Self::seen).
    pub(super) fn look(&self, now: &mut Standing) {
        if self.facts.connections.load(Ordering::Relaxed) > 0 {
            now.last_needed = Instant::now();
        }
        let idle = !self.eager && self.idle_close.is_some_and(|limit| now.last_needed.elapsed() >= limit);
        match &now.link {
            Some(_) if idle => {
                tracing::info!(tunnel = self.name, "closed: no client needs it");
                self.give_up(now);
                now.was_open = false;
                self.facts.is(TunnelState::Waiting);
            }
            Some(link) if link.is_held_up() => {
                tracing::warn!(
                    tunnel = self.name,
                    "a client that does not read holds up others; new clients get a new connection"
                );
                self.give_up(now);
                self.begin(now, false);
            }
            Some(link) if now.looking.is_none() => {
                let link = Arc::clone(link);
                now.looking = Some(async move { Seen::Link(Arc::clone(&link), link.stands().await) }.boxed());
            }
            None if now.looking.is_none()
                && now.failure.as_ref().is_some_and(|failure| failure.class.is_permanent()) =>
            {
                let way = Arc::clone(&self.way);
                now.looking = Some(async move { Seen::Ground(way.ground().await) }.boxed());
            }
            _ => {}
        }
    }

    pub(super) fn seen(&self, now: &mut Standing, seen: Seen) {
        match seen {
            Seen::Link(link, stands) => {
                if !stands && now.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, &link)) {
                    tracing::info!(
                        tunnel = self.name,
                        "another key is used now, or a host key is not trusted any more: connecting anew"
                    );
                    drop(link);
                    self.give_up(now);
                    self.begin(now, false);
                }
            }
            // Somebody has changed a key, or trusts another host key; or the same login was let in for another tunnel.
            Seen::Ground(ground) => {
                if now.ground.replace(ground).is_some_and(|before| before != ground) && now.link.is_none() {
                    now.next_try = Some(Instant::now());
                }
            }
        }
    }

    /// Clients that use the connection keep it as long as they need it.
    pub(super) fn give_up(&self, now: &mut Standing) {
        let Some(link) = now.link.take() else { return };
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // This one, and nobody else who holds it.
            while Arc::strong_count(&link) > 1 {
                let wait = tokio::time::sleep(LOOK_EVERY);
                tokio::select! {
                    () = wait => {}
                    () = link.lost() => break,
                    () = stop.cancelled() => break,
                }
            }
            link.close().await;
        });
    }
}
