//! Drives the engine of one repository: waits for changes on either side, talks to the remote, and keeps the status.

mod act;
mod before;
mod command;
mod incoming;
mod link;
mod meanwhile;
mod mend;
mod pass;
mod remote;
mod saving;
mod schedule;
mod tell;
mod turns;
mod view;
mod waking;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::Failure;
use crate::domain::status::{KeyStatus, RepositoryStatus};
use crate::ports::{AuditLog, ChangeHints, EventLog, Remote};

pub use command::{Command, Handle};
pub use incoming::NewBranch;
pub use turns::Turns;
pub use view::{branch_absent, first as starting, unopened};

use super::engine::{Engine, Now};
use link::{Link, PUSHING, READING};
use schedule::Schedule;
use tell::Teller;

/// What the status says of a repository and what does not change.
#[derive(Clone, Debug)]
pub struct Face {
    /// What the repository is called here.
    pub name: String,
    /// Without secrets.
    pub url: String,
    /// The branch.
    pub branch: String,
    /// The folder here.
    pub apps_dir: String,
    /// The folder there.
    pub prefix: String,
    /// Whether local edits never reach Git.
    pub locked: bool,
    /// The key.
    pub key: Option<KeyStatus>,
}

/// How often and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often the branch is asked for.
    pub poll_interval: Duration,
    /// How long a file must have been quiet.
    pub debounce: Duration,
}

/// The worker of one repository.
pub struct Worker {
    engine: Option<Engine>,
    remote: Arc<dyn Remote>,
    teller: Teller,
    hints: Box<dyn ChangeHints>,
    commands: mpsc::Receiver<Command>,
    /// Came while the remote was asked, and is due now.
    later: meanwhile::Later,
    turns: Turns,
    status: watch::Sender<RepositoryStatus>,
    face: Face,
    schedule: Schedule,
    link: Link,
    /// The same for pushing.
    push_link: Link,
    /// What is wrong on our side of the line.
    trouble: Option<Failure>,
    /// What of it was logged last: a full disk is not news every two seconds.
    trouble_logged: Option<Failure>,
    /// When a save was the reason for a try that was not due.
    woken_at: Option<std::time::Instant>,
    /// The local repository was found damaged in this pass.
    damage: Option<Failure>,
    /// It is damaged again and again.
    unmended: mend::Unmended,
    /// Something went wrong in this pass: more of the same would not help.
    stumbled: bool,
    races_lost: u32,
    /// Something was fetched in this pass, and so probably installed.
    fetched: bool,
    /// The last pass ended because it was long, and there is more to do.
    cut: bool,
    start: Start,
}

/// How far the start has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Start {
    /// The remote was not asked yet.
    Begun,
    /// It was; what came of it is being done.
    Polled,
    /// That is done.
    Done,
}

impl Worker {
    /// A worker, and the handle by which others talk to it.
    #[must_use]
    pub fn new(
        engine: Engine,
        (remote, audit, events): (Arc<dyn Remote>, Arc<dyn AuditLog>, Arc<dyn EventLog>),
        hints: Box<dyn ChangeHints>,
        face: Face,
        pace: Pace,
    ) -> (Self, Handle) {
        let (sender, commands) = mpsc::channel(16);
        let (status, receiver) = watch::channel(view::first(&face));
        let schedule = Schedule::new(pace, hints.rescan_every());
        let (holds_back, poll) = (remote.holds_back(), schedule.poll_hint());
        let shelf = engine.shelf();
        let mut push_link = Link::new(holds_back, PUSHING);
        push_link.in_doubt = engine.is_in_doubt();
        let worker = Self {
            engine: Some(engine),
            remote,
            teller: Teller::new(audit, events),
            hints,
            commands,
            later: meanwhile::Later::default(),
            turns: Turns::default(),
            status,
            face,
            schedule,
            link: Link::new(holds_back, READING),
            push_link,
            trouble: None,
            trouble_logged: None,
            woken_at: None,
            damage: None,
            unmended: mend::Unmended::default(),
            stumbled: false,
            races_lost: 0,
            fetched: false,
            cut: false,
            start: Start::Begun,
        };
        (worker, Handle::new(sender, receiver, poll, shelf))
    }

    /// The same, sharing the machine with others.
    #[must_use]
    pub fn in_turns(self, turns: Turns) -> Self {
        Self { turns, ..self }
    }

    /// Runs until `stop` fires. A push already begun is finished, never cut in half.
    ///
    /// # Errors
    /// Internal, if the engine itself failed (a defect).
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Failure> {
        while !stop.is_cancelled() {
            let pushes = self.link.is_up() && self.engine.as_ref().is_some_and(Engine::pushes_by_itself);
            let pushes_to = pushes.then_some(&*self.remote);
            let wake = if let Some(command) = self.later.pop_front() {
                self.schedule.with(command, &*self.hints)
            } else {
                tokio::select! { biased;
                    () = stop.cancelled() => break,
                    wake = self.schedule.next(&mut *self.hints, &mut self.commands, pushes_to) => wake,
                }
            };
            self.pass(wake, &stop).await?; // outside select!: never dropped half-way
        }
        self.on_engine(|engine| {
            if let Err(failure) = engine.save(Now::read()).and_then(|()| engine.tidy(Now::read())) {
                tracing::warn!(%failure, "not everything was saved for the next start; it will only take longer");
            }
        })
        .await
    }

    /// Runs `work` on a blocking thread. The engine goes there and comes back: there is no lock to hold. Each time wakes two
    /// threads, which is most of what an idle poll costs: what belongs together goes in one.
    async fn on_engine<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let gone = || Failure::internal("the sync engine stopped after a defect");
        let mut engine = self.engine.take().ok_or_else(gone)?;
        let working = self.turns.run(move || {
            let result = work(&mut engine);
            (engine, result)
        });
        let (engine, result) = working.await.map_err(|_| gone())?;
        self.engine = Some(engine);
        Ok(result)
    }
}
