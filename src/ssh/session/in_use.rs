//! How many channels of a session are in use.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Session, locked};

/// Counts a channel as in use until it is dropped.
pub(in super::super) struct InUse {
    session: Arc<Session>,
    /// There was a channel, not just the attempt to open one.
    served: bool,
}

impl InUse {
    /// One more, whatever the limit is.
    pub(super) fn one_more(session: &Arc<Session>) -> Self {
        session.in_use.send_modify(|n| *n += 1);
        Self { session: Arc::clone(session), served: false }
    }

    /// One more, if the server is thought to allow it.
    pub(super) fn within_limit(session: &Arc<Session>) -> Option<Self> {
        let limit = locked(&session.limit).most();
        let add = |n: &mut usize| {
            let free = *n < limit;
            *n += usize::from(free);
            free
        };
        session.in_use.send_if_modified(add).then(|| Self { session: Arc::clone(session), served: false })
    }

    /// Whose channel it is.
    pub(in super::super) fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Resolves when the connection is gone.
    pub(in super::super) async fn lost(&self) {
        self.session.link.ended.cancelled().await;
    }

    /// There is a channel now.
    pub(super) fn serve(mut self) -> Self {
        self.served = true;
        self
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if self.served {
            *locked(&self.session.last_used) = Instant::now();
        }
        self.session.in_use.send_modify(|n| *n = n.saturating_sub(1));
    }
}
