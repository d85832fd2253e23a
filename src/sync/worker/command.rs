//! What others may ask the worker to do, and its answers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::Worker;
use crate::domain::status::RepositoryStatus;
use crate::domain::{AppName, Failure, FailureClass};
use crate::sync::engine::conflict::Take;
use crate::sync::engine::{KeptAside, Look, Now};

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request to the worker.
#[derive(Debug)]
pub struct Command {
    request: Request,
    reply: oneshot::Sender<Result<Reply, Failure>>,
}

#[derive(Debug)]
enum Request {
    Confirm(Option<BTreeSet<AppName>>),
    Resolve(AppName, Take),
    Want(Option<BTreeSet<AppName>>),
    Kept,
    RestoreKept(String),
}

#[derive(Debug)]
enum Reply {
    Apps(Vec<AppName>),
    Kept(Vec<KeptAside>),
}

/// An answer that is sent when the pass has ended, so that the status already shows what was asked for.
pub(super) struct Answer {
    result: Result<Reply, Failure>,
    reply: oneshot::Sender<Result<Reply, Failure>>,
}

impl Answer {
    pub(super) fn send(self) {
        // The caller may have gone in the meantime; what was asked for is done all the same.
        let _ = self.reply.send(self.result);
    }
}

/// Talks to a worker.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<RepositoryStatus>,
    poll: Arc<Notify>,
}

impl Handle {
    pub(super) fn new(
        commands: mpsc::Sender<Command>,
        status: watch::Receiver<RepositoryStatus>,
        poll: Arc<Notify>,
    ) -> Self {
        Self { commands, status, poll }
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

    /// Lets held removals happen: of these apps, or of all. Answers the apps whose removal was held.
    ///
    /// # Errors
    /// That the worker is busy or gone; disk.
    pub async fn confirm(&self, apps: Option<BTreeSet<AppName>>) -> Result<Vec<AppName>, Failure> {
        self.ask_for_apps(Request::Confirm(apps)).await
    }

    /// Ends a conflict.
    ///
    /// # Errors
    /// That the app is in none, or the worker is busy or gone; disk.
    pub async fn resolve(&self, app: AppName, take: Take) -> Result<Vec<AppName>, Failure> {
        self.ask_for_apps(Request::Resolve(app, take)).await
    }

    /// Adds or pushes these apps, or all that are changed here and followed, although that does not happen by itself.
    ///
    /// # Errors
    /// That the instance is locked, an app is not there, or the worker is busy or gone; disk.
    pub async fn push(&self, apps: Option<BTreeSet<AppName>>) -> Result<Vec<AppName>, Failure> {
        self.ask_for_apps(Request::Want(apps)).await
    }

    /// What is kept aside.
    ///
    /// # Errors
    /// That the worker is busy or gone; disk.
    pub async fn kept(&self) -> Result<Vec<KeptAside>, Failure> {
        match self.ask(Request::Kept).await? {
            Reply::Kept(list) => Ok(list),
            Reply::Apps(_) => Err(Failure::internal("the worker answered another question")),
        }
    }

    /// Brings what is kept aside back to the disk.
    ///
    /// # Errors
    /// That there is no such id, or the worker is busy or gone; disk.
    pub async fn restore_kept(&self, id: String) -> Result<Vec<AppName>, Failure> {
        self.ask_for_apps(Request::RestoreKept(id)).await
    }

    async fn ask_for_apps(&self, request: Request) -> Result<Vec<AppName>, Failure> {
        match self.ask(request).await? {
            Reply::Apps(apps) => Ok(apps),
            Reply::Kept(_) => Err(Failure::internal("the worker answered another question")),
        }
    }

    async fn ask(&self, request: Request) -> Result<Reply, Failure> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(Command { request, reply }).map_err(|error| match error {
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

fn worker_gone() -> Failure {
    Failure::new(FailureClass::Internal, "the worker is ending", "start appferry again")
}

impl Worker {
    /// Carries a request out; the answer is sent when the pass has ended.
    pub(super) async fn obey(&mut self, command: Command) -> Result<Option<Answer>, Failure> {
        let Command { request, reply } = command;
        let result = self
            .on_engine(move |engine| {
                let now = Now::read();
                match request {
                    Request::Confirm(apps) => engine.confirm(apps.as_ref(), now).map(Reply::Apps),
                    Request::Resolve(app, take) => {
                        engine.look(&Look::Apps(BTreeSet::from([app.clone()])), now)?;
                        engine.resolve(&app, take, now).map(|()| Reply::Apps(vec![app]))
                    }
                    Request::Want(apps) => {
                        engine.look(&Look::All, now)?;
                        engine.want(apps.as_ref(), now).map(Reply::Apps)
                    }
                    Request::Kept => engine.kept().map(Reply::Kept),
                    Request::RestoreKept(id) => engine.restore_kept(&id, now).map(|app| Reply::Apps(vec![app])),
                }
            })
            .await?;
        Ok(Some(Answer { result, reply }))
    }
}
