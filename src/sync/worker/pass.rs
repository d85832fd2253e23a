//! One pass: what woke the worker is done, the remote is asked where that is due, and planning and work go on until nothing moves.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::schedule::Wake;
use super::{Start, Worker, view};
use crate::domain::{Failure, FailureClass};
use crate::sync::engine::done::Done;
use crate::sync::engine::{Engine, Now, Progress, Report};

/// A pass that lasts longer ends, and the next one goes on: in between others have their turn.
const LONG: Duration = Duration::from_secs(2);
/// The same for a pass that somebody waits for; the answer must come within [`command::PATIENCE`].
const LONG_FOR_A_PERSON: Duration = Duration::from_secs(30);
/// Rounds of one pass: far more than work needs, so that a defect cannot spin for ever.
const MOST_ROUNDS: usize = 2_000;

impl Worker {
    pub(super) async fn pass(&mut self, wake: Wake, stop: &CancellationToken) -> Result<(), Failure> {
        // Trouble stands until everything was looked at again; that is soon (see `note_trouble`).
        if wake.look.is_some() {
            if self.trouble.take().is_none() {
                self.trouble_logged = None;
            }
            self.trouble = self.unmended.trouble(Instant::now());
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
        let begun = Instant::now();
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

    pub(super) fn note_trouble(&mut self, result: Result<(), Failure>) {
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

    fn publish(&mut self, report: Report) {
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
}
