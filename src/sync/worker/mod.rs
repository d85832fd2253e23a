//! Drives the engine of one repository: waits for changes on either side, talks to the remote, and keeps the status.

mod act;
mod before;
mod command;
mod incoming;
mod link;
mod meanwhile;
mod mend;
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

use crate::domain::status::{KeyStatus, RepositoryStatus};
use crate::domain::{Failure, FailureClass};
use crate::ports::{AuditLog, ChangeHints, EventLog, Remote};

pub use command::{Command, Handle};
pub use incoming::NewBranch;
pub use turns::Turns;
pub use view::{branch_absent, first as starting, unopened};

use super::engine::done::Done;
use super::engine::{Engine, Now, Progress};
use link::{Link, PUSHING, READING};
use schedule::{Schedule, Wake};
use tell::Teller;

/// A pass that lasts longer ends, and the next one goes on: in between others have their turn.
const LONG: Duration = Duration::from_secs(2);
/// The same for a pass that somebody waits for; the answer must come within [`command::PATIENCE`].
const LONG_FOR_A_PERSON: Duration = Duration::from_secs(30);
/// Rounds of one pass: far more than work needs, so that a defect cannot spin for ever.
const MOST_ROUNDS: usize = 2_000;
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

    async fn pass(&mut self, wake: Wake, stop: &CancellationToken) -> Result<(), Failure> {
        // Trouble stands until everything was looked at again; that is soon (see `note_trouble`).
        if wake.look.is_some() {
            if self.trouble.take().is_none() {
                self.trouble_logged = None;
            }
            self.trouble = self.unmended.trouble(std::time::Instant::now());
        }
        let mut asked = false;
        let answer = match wake.command {
            Some(command) => {
                asked = !command.is_question();
                Some(self.obey(command).await?)
            }
            None => None,
        };
        if asked {
            self.push_link.try_at_once();
            self.remote.try_at_once();
        }
        if wake.poll || (self.push_link.in_doubt || !self.link.is_up()) && asked {
            self.poll().await?;
        }
        self.wake_for(wake.look.as_ref());
        // After the poll: what was fetched need not be written again when the disk holds the same.
        if let Some(look) = wake.look {
            let looked = self.on_engine(move |engine| engine.look(&look, Now::read())).await?;
            self.note_trouble(looked);
        }
        self.settle(stop, if asked { LONG_FOR_A_PERSON } else { LONG }).await?;
        if wake.tidy {
            let tidied = self.on_engine(|engine| engine.tidy(Now::read())).await?;
            self.note_trouble(tidied);
        }
        self.mend().await?;
        let (done, report, waits) = self
            .on_engine(|engine| {
                engine.shelve();
                (engine.done(), engine.report(), engine.waits(Now::read()))
            })
            .await?;
        self.schedule.look_again(waits);
        self.tell(done).await?;
        if std::mem::take(&mut self.fetched) {
            self.schedule.expect_echo();
        }
        if wake.poll {
            self.start = self.start.max(Start::Polled);
        }
        if self.start == Start::Polled && !self.cut {
            self.start = Start::Done;
        }
        if let Some(wait) = self.push_link.waits() {
            self.schedule.poll_within(wait);
        }
        if report.unpushed == 0 && self.link.is_up() && !self.push_link.in_doubt {
            self.push_link.nothing_left();
        }
        self.publish(report);
        self.teller.tell_states(&self.status).await;
        if let Some(answer) = answer {
            self.on_engine(answer).await?;
        }
        Ok(())
    }

    /// Plans and works until nothing moves, or the time is up.
    async fn settle(&mut self, stop: &CancellationToken, time: Duration) -> Result<(), Failure> {
        let begun = std::time::Instant::now();
        self.cut = false;
        for _ in 0..MOST_ROUNDS {
            let may_push = self.link.is_up() && self.push_link.may_try();
            let can_push = may_push && !stop.is_cancelled();
            let round = move |engine: &mut Engine| {
                let progress = engine.advance(can_push, Now::read());
                let goes_on = matches!(progress, Ok(Progress::Push | Progress::Moved));
                (progress, (!goes_on).then(|| engine.save(Now::read())))
            };
            let (progress, saved) = self.on_engine(round).await?;
            if let Some(saved) = saved {
                self.note_trouble(progress.map(drop));
                self.note_trouble(saved);
                return Ok(());
            }
            if matches!(progress, Ok(Progress::Push)) {
                self.stumbled = false;
                self.push().await?;
                if self.stumbled {
                    break;
                }
            } else if begun.elapsed() > time {
                self.cut = true;
                self.schedule.go_on();
                break;
            } else if stop.is_cancelled() {
                break;
            }
        }
        let saved = self.on_engine(|engine| engine.save(Now::read())).await?;
        self.note_trouble(saved);
        Ok(())
    }

    /// Tells what was done. The logs may fail, and are not waited for: what was synced stays synced.
    async fn tell(&mut self, done: Done) -> Result<(), Failure> {
        if done.deeds.is_empty() {
            return Ok(());
        }
        let told = self.teller.tell(done, &self.face).await;
        self.on_engine(move |engine| engine.forget_done(told)).await
    }

    fn note_trouble(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.stumbled = true;
            if failure.class == FailureClass::Damaged {
                self.damage = Some(failure); // see `mend`, at the end of the pass
                return;
            }
            if self.trouble_logged.as_ref() != Some(&failure) {
                tracing::warn!(%failure, "trouble here; it is tried again");
            }
            self.trouble_logged = Some(failure.clone());
            if failure.class == FailureClass::Disk || self.trouble.is_none() {
                self.trouble = Some(failure);
            }
            self.schedule.look_soon();
        }
    }

    fn publish(&mut self, report: super::engine::Report) {
        let notice = self.hints.notice();
        let trouble = self.trouble.as_ref();
        let links = [&self.link, &self.push_link];
        let mut status = view::repository(&self.face, report, links, trouble, notice, self.start == Start::Done);
        self.status.send_if_modified(|old| {
            view::keep_since(&mut status, old);
            let changed = *old != status;
            if changed && view::is_news(old, &status) {
                tracing::info!(state = ?status.state, summary = status.summary, "state");
            }
            *old = status;
            changed
        });
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
