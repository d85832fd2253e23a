//! Saves through the API, and what can be read at any time.

use std::time::Duration;

use tokio::sync::oneshot;

use super::command::{Command, Handle, Kind, PATIENCE, worker_gone};
use crate::domain::status::RepositoryState;
use crate::domain::{AppName, Failure, FailureClass};
use crate::sync::engine::{Arrival, Engine, Now, Save, SaveRefusal, Saved, Shelf};

impl Handle {
    /// The apps as the last pass left them. Waits for nothing.
    #[must_use]
    pub fn shelf(&self) -> Shelf {
        self.shelf.borrow().clone()
    }

    /// Saves an app; answers when it is on the disk, and committed where that is due, without waiting for a push.
    ///
    /// # Errors
    /// A [`SaveRefusal`], also if the worker is busy or gone.
    pub async fn save(&self, save: Save) -> Result<Saved, SaveRefusal> {
        let work = move |engine: &mut Engine, now: Now| engine.save_app(&save, now);
        self.at_once(work, Kind::Save).await?
    }

    /// Whether what was saved has arrived at the remote.
    ///
    /// # Errors
    /// That the worker is busy or gone.
    pub async fn arrival(&self, app: AppName, saved: Saved) -> Result<Arrival, Failure> {
        self.at_once(move |engine, _| engine.save_arrival(&app, &saved), Kind::Glance).await
    }

    /// Answers from what is known here: without asking the remote, also while that is asked. Before the first pass has ended
    /// too little is known, so that it is waited for.
    ///
    /// # Errors
    /// Those of `work`; that the worker is busy or gone.
    pub async fn question<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, Now) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.begun().await;
        self.at_once(work, Kind::Question).await?
    }

    /// As [`question`](Self::question), of an engine that stays as it is: also answered while a push is under way.
    ///
    /// # Errors
    /// As [`question`](Self::question).
    pub async fn glance<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.begun().await;
        self.at_once(move |engine, _| work(engine), Kind::Glance).await?
    }

    /// Waits for the first pass, but not for ever; a long one shows its apps before it has ended.
    async fn begun(&self) {
        let mut status = self.status();
        let begun = status.wait_for(|status| status.state != RepositoryState::Starting || !status.apps.is_empty());
        let _ = tokio::time::timeout(PATIENCE, begun).await.map(drop);
    }

    /// Lets the worker do `work` and answers right after, before the pass that follows. Waits for its turn.
    async fn at_once<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, Now) -> T + Send + 'static,
        kind: Kind,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let command = Command::new(
            move |engine, now| {
                // The caller may have gone in the meantime; what was asked for is done all the same.
                let _ = reply.send(work(engine, now));
            },
            kind,
        );
        self.send_within(command, PATIENCE).await?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(_)) => Err(worker_gone()),
            Err(_) => Err(busy()),
        }
    }

    async fn send_within(&self, command: Command, limit: Duration) -> Result<(), Failure> {
        use tokio::sync::mpsc::error::SendTimeoutError;
        self.commands.send_timeout(command, limit).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => busy(),
            SendTimeoutError::Closed(_) => worker_gone(),
        })
    }
}

fn busy() -> Failure {
    Failure::new(
        FailureClass::TimeOut,
        "the worker did not answer within a minute",
        "it may still do what was asked; look at the app before you try again",
    )
}
