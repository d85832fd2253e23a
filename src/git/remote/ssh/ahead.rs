//! Work done before it is asked for: channels opened ahead, and a push prepared ahead.
//!
//! A prepared push is a running `git-receive-pack` whose advertisement was read, so that commands, pack and report are all
//! that is left: one round trip. It costs the server an idle process, so there is one at most, and not for long.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::super::advertisement::Advertisement;
use super::super::error::Asking;
use super::server::Server;
use super::talk::Talk;
use crate::ports::SessionClass;

/// A host that ended this many prepared processes in a row does not want them.
const PATIENCE: u32 = 2;

/// A push of which only commands, pack and report are left.
pub(super) struct Prepared {
    pub(super) talk: Talk,
    pub(super) advertisement: Advertisement,
}

impl Prepared {
    /// Lets the server end in peace: no commands, end of input.
    pub(super) async fn give_up(mut self) {
        let _ = self.talk.input.send(b"0000").await;
    }
}

/// Does things ahead, in tasks of its own that end when this is dropped.
pub(super) struct Ahead {
    server: Arc<Server>,
    /// How long a prepared push waits for its use.
    unused: Duration,
    keeper: Mutex<Option<oneshot::Sender<oneshot::Sender<Prepared>>>>,
    /// How many prepared processes in a row the host ended.
    ended_early: Arc<AtomicU32>,
    tracker: TaskTracker,
    stop: CancellationToken,
    _dropped: DropGuard,
}

impl Ahead {
    pub(super) fn new(server: Arc<Server>, unused: Duration) -> Self {
        let stop = CancellationToken::new();
        Self {
            server,
            unused,
            keeper: Mutex::default(),
            ended_early: Arc::default(),
            tracker: TaskTracker::new(),
            _dropped: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Has a channel opened for the next command of this class.
    pub(super) fn open(&self, class: SessionClass) {
        let (server, stop) = (Arc::clone(&self.server), self.stop.clone());
        self.tracker.spawn(async move {
            tokio::select! {
                () = server.open_ahead(class) => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Has a push prepared, unless one is, or the host does not want it.
    pub(super) fn prepare(&self) {
        if self.ended_early.load(Ordering::Relaxed) >= PATIENCE {
            return;
        }
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if keeper.as_ref().is_some_and(|keeper| !keeper.is_closed()) {
            return;
        }
        let (ask, asked) = oneshot::channel();
        *keeper = Some(ask);
        let ended_early = Arc::clone(&self.ended_early);
        self.tracker.spawn(keep(Arc::clone(&self.server), self.unused, asked, ended_early, self.stop.clone()));
    }

    /// The prepared push, if there is one; waits for one that is on its way.
    pub(super) async fn take(&self) -> Option<Prepared> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (reply, prepared) = oneshot::channel();
        keeper.send(reply).ok()?;
        prepared.await.ok()
    }

    /// Has the prepared push given up, if there is one.
    pub(super) fn discard(&self) {
        drop(self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Notes that the host let a prepared push end as it should.
    pub(super) fn was_useful(&self) {
        self.ended_early.store(0, Ordering::Relaxed);
    }

    /// Notes that the host ended a prepared process.
    pub(super) fn was_ended(&self) {
        note_ended(&self.ended_early);
    }
}

fn note_ended(ended_early: &AtomicU32) {
    let times = ended_early.fetch_add(1, Ordering::Relaxed) + 1;
    tracing::debug!(times, "the host ended a push that was prepared");
}

/// Prepares a push and keeps it until somebody asks for it, its time is over, or the host ends it.
async fn keep(
    server: Arc<Server>,
    unused: Duration,
    asked: oneshot::Receiver<oneshot::Sender<Prepared>>,
    ended_early: Arc<AtomicU32>,
    stop: CancellationToken,
) {
    let prepared = tokio::select! {
        prepared = begin(&server, &ended_early) => prepared,
        () = stop.cancelled() => None,
    };
    let Some(mut prepared) = prepared else { return };
    tokio::select! { biased;
        () = prepared.talk.output.disturbed() => note_ended(&ended_early),
        reply = asked => match reply {
            Ok(reply) => if let Err(unwanted) = reply.send(prepared) {
                unwanted.give_up().await;
            },
            Err(_) => prepared.give_up().await,
        },
        () = tokio::time::sleep(unused) => prepared.give_up().await,
        () = stop.cancelled() => prepared.give_up().await,
    }
}

async fn begin(server: &Server, ended_early: &AtomicU32) -> Option<Prepared> {
    let started = server.talk(SessionClass::Bulk, Asking::Write, false).await;
    let mut talk = started.inspect_err(|failure| tracing::debug!(%failure, "no push could be prepared")).ok()?;
    match server.advertisement(&mut talk).await {
        Ok(advertisement) => Some(Prepared { talk, advertisement }),
        Err(error) => {
            note_ended(ended_early);
            let failure = server.explain(talk, error).await.failure;
            tracing::debug!(%failure, "no push could be prepared");
            None
        }
    }
}
