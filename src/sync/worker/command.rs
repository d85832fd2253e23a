//! What others may ask the worker to do, and its answers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::Worker;
use super::before::{Before, Prepared};
use crate::domain::status::RepositoryStatus;
use crate::domain::{Failure, FailureClass};
use crate::sync::engine::{Engine, KeptAside, Now, Shelf};

/// How long a caller waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A request to the worker.
pub struct Command {
    before: Before,
    start: Start,
    kind: Kind,
}

/// How far a request reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Is answered when the pass after it has ended.
    Action,
    /// Changes something, and is answered at once.
    Save,
    /// Only asks: the remote is not tried again because of it. It may look at the disk.
    Question,
    /// Asks, and changes nothing whatever in the engine.
    Glance,
}

impl Command {
    /// Something to do that answers by itself, before the pass.
    pub(super) fn new(work: impl FnOnce(&mut Engine, Now) + Send + 'static, kind: Kind) -> Self {
        let start: Start = Box::new(move |engine, now, _prepared| {
            work(engine, now);
            Box::new(|_| {})
        });
        Self { before: Before::Nothing, start, kind }
    }

    pub(super) fn is_question(&self) -> bool {
        matches!(self.kind, Kind::Question | Kind::Glance)
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Does what is done before the pass.
    pub(super) fn begin(self, engine: &mut Engine, now: Now, prepared: Result<Prepared, Failure>) -> Finish {
        (self.start)(engine, now, prepared)
    }
}

/// What is done before the pass, with what the remote had to say, if that was asked for.
type Start = Box<dyn FnOnce(&mut Engine, Now, Result<Prepared, Failure>) -> Finish + Send>;

/// What is done when the pass has ended: the answer is given, so that the status already shows what was asked for.
pub(super) type Finish = Box<dyn FnOnce(&mut Engine) + Send>;

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").finish_non_exhaustive()
    }
}

/// Talks to a worker.
#[derive(Clone)]
pub struct Handle {
    pub(super) commands: mpsc::Sender<Command>,
    status: watch::Receiver<RepositoryStatus>,
    poll: Arc<Notify>,
    pub(super) shelf: watch::Receiver<Shelf>,
}

impl Handle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        status: watch::Receiver<RepositoryStatus>,
        poll: Arc<Notify>,
        shelf: watch::Receiver<Shelf>,
    ) -> Self {
        Self { commands, status, poll, shelf }
    }

    /// The branch may have moved: it is asked for as soon as the worker is free. Never waits; many hints are one poll.
    pub fn poll_soon(&self) {
        self.poll.notify_one();
    }

    /// The status, and its changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<RepositoryStatus> {
        self.status.clone()
    }

    /// What is kept aside.
    ///
    /// # Errors
    /// That the worker is busy or gone; disk.
    pub async fn kept(&self) -> Result<Vec<KeptAside>, Failure> {
        self.glance(Engine::kept).await
    }

    /// Lets the worker do `work` with its engine, then a pass; answers when that has ended.
    ///
    /// # Errors
    /// Those of `work`; that the worker is busy or gone.
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, Now) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.ask_then(work, |_, done| Ok(done)).await
    }

    /// As [`ask`](Self::ask); what `work` made is completed by `finish` when the pass has ended.
    ///
    /// # Errors
    /// Those of `work` and `finish`; that the worker is busy or gone.
    pub async fn ask_then<T: Send + 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, Now) -> Result<T, Failure> + Send + 'static,
        finish: impl FnOnce(&mut Engine, T) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        self.ask_after(Before::Nothing, move |engine, now, _| work(engine, now), finish).await
    }

    /// As [`ask_then`](Self::ask_then), but the remote is asked for something `before`; if that fails, nothing else is done.
    pub(super) async fn ask_after<T: Send + 'static, R: Send + 'static>(
        &self,
        before: Before,
        work: impl FnOnce(&mut Engine, Now, Prepared) -> Result<T, Failure> + Send + 'static,
        finish: impl FnOnce(&mut Engine, T) -> Result<R, Failure> + Send + 'static,
    ) -> Result<R, Failure> {
        let (reply, answer) = oneshot::channel();
        let start: Start = Box::new(move |engine, now, prepared| {
            let begun = prepared.and_then(|prepared| work(engine, now, prepared));
            Box::new(move |engine| {
                // The caller may have gone in the meantime; what was asked for is done all the same.
                let _ = reply.send(begun.and_then(|begun| finish(engine, begun)));
            })
        });
        self.commands.try_send(Command { before, start, kind: Kind::Action }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                Failure::new(FailureClass::TimeOut, "the worker is busy with other requests", "try again in a moment")
            }
            mpsc::error::TrySendError::Closed(_) => worker_gone(),
        })?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(worker_gone()),
            Err(_) => Err(Failure::new(
                FailureClass::TimeOut,
                "the worker did not answer within a minute",
                "it may still do what was asked; `appferry status` shows it",
            )),
        }
    }
}

pub(super) fn worker_gone() -> Failure {
    Failure::new(FailureClass::Internal, "the worker is ending", "start appferry again")
}

impl Worker {
    /// Begins a request; what ends it is called when the pass has ended.
    pub(super) async fn obey(&mut self, command: Command) -> Result<Finish, Failure> {
        let prepared = self.prepare(command.before).await?;
        let start = command.start;
        self.on_engine(move |engine| start(engine, Now::read(), prepared)).await
    }
}
