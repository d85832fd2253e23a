//! Talking to the remote: where the branch is, what is new there, and what goes out.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::domain::{Failure, FailureClass};
use crate::ports::{PushError, RemoteTip};
use crate::sync::engine::{Engine, Now, PushEffect};

/// After losing this many races in a row, a pause lets the others finish.
const PATIENCE: u32 = 2;
/// Nobody loses this many: the remote says one thing and does another.
const MOST_RACES: u32 = 30;

impl Worker {
    /// Asks the remote where the branch is, and takes over what is new.
    pub(super) async fn poll(&mut self) -> Result<(), Failure> {
        self.schedule.polled();
        let remote = Arc::clone(&self.remote);
        match self.meanwhile(async move { remote.poll().await }).await? {
            Ok(tip @ RemoteTip::At(id)) => {
                let take_known = move |engine: &mut Engine| {
                    let is_known = engine.tip() == Some(id);
                    is_known.then(|| engine.take_tip(&tip, Now::read()))
                };
                match self.on_engine(take_known).await? {
                    Some(taken) => {
                        self.link.succeeded();
                        self.took(taken);
                        Ok(())
                    }
                    None => self.fetch().await,
                }
            }
            answer => self.heard(answer).await,
        }
    }

    async fn fetch(&mut self) -> Result<(), Failure> {
        self.fetched = true;
        let remote = Arc::clone(&self.remote);
        let answer = self.meanwhile(async move { remote.fetch().await }).await?;
        self.heard(answer).await
    }

    async fn heard(&mut self, answer: Result<RemoteTip, Failure>) -> Result<(), Failure> {
        match answer {
            Ok(tip) => {
                self.link.succeeded();
                self.take_tip(tip).await
            }
            Err(failure) => {
                self.lost(failure);
                Ok(())
            }
        }
    }

    async fn take_tip(&mut self, tip: RemoteTip) -> Result<(), Failure> {
        let taken = self.on_engine(move |engine| engine.take_tip(&tip, Now::read())).await?;
        self.took(taken);
        Ok(())
    }

    fn took(&mut self, taken: Result<bool, Failure>) {
        self.push_link.in_doubt &= taken.is_err();
        self.note_trouble(taken.map(drop));
    }

    pub(super) async fn push(&mut self) -> Result<(), Failure> {
        let outgoing = self.on_engine(|engine| engine.set_out(Now::read())).await?;
        let outgoing = match outgoing {
            Ok(outgoing) => outgoing,
            Err(failure) => {
                self.push_failed(failure);
                return Ok(());
            }
        };
        let (remote, updates) = (Arc::clone(&self.remote), outgoing.updates.clone());
        match self.meanwhile(async move { remote.push(&updates).await }).await? {
            Ok(outcomes) => {
                self.push_link.succeeded();
                let effect =
                    self.on_engine(move |engine| engine.take_outcomes(&outgoing, &outcomes, Now::read())).await?;
                self.after_push(effect).await
            }
            Err(error) => {
                self.push_link.in_doubt = matches!(error, PushError::Unknown(_));
                let (PushError::NotSent(failure) | PushError::Unknown(failure)) = error;
                self.push_failed(failure);
                Ok(())
            }
        }
    }

    async fn after_push(&mut self, effect: Result<PushEffect, Failure>) -> Result<(), Failure> {
        match effect {
            Ok(PushEffect::Done | PushEffect::Refused(_)) => self.races_lost = 0,
            Ok(PushEffect::FetchFirst) => {
                self.races_lost += 1;
                self.push_link.in_doubt = true; // until the branch is seen
                if self.races_lost > MOST_RACES {
                    self.races_lost = 0;
                    self.push_failed(endless_race());
                    return Ok(());
                }
                if self.races_lost > PATIENCE {
                    let pause = Duration::from_millis(50) * self.races_lost.min(20);
                    tokio::time::sleep(pause.mul_f64(rand::random::<f64>())).await;
                }
                self.fetch().await?;
            }
            Err(failure) => {
                // The remote has answered, and it is not noted what: nothing more is sent before it was asked where the branch is.
                self.push_link.in_doubt = true;
                self.schedule.poll_within(Duration::ZERO);
                self.note_trouble(Err(failure));
            }
        }
        Ok(())
    }

    /// The remote cannot be talked to for now.
    fn lost(&mut self, failure: Failure) {
        if failure.class == FailureClass::Damaged {
            return self.note_trouble(Err(failure));
        }
        let next_try = self.link.failed(failure);
        self.schedule.poll_after(next_try);
    }

    /// Nothing can be pushed for now. Reading goes on, unless the way there is what failed: only pushing tells when pushing
    /// works again, so what is read well meanwhile must not shorten its wait.
    fn push_failed(&mut self, failure: Failure) {
        if matches!(failure.class, FailureClass::Damaged | FailureClass::Disk) {
            return self.note_trouble(Err(failure));
        }
        if concerns_the_way(failure.class) {
            self.lost(failure.clone());
        }
        self.push_link.failed(failure);
    }
}

/// Whether a failure to push is one to read, too.
const fn concerns_the_way(class: FailureClass) -> bool {
    use FailureClass::{Authentication, Connect, ConnectionLost, HostKey, Key, NameLookup, TimeOut};
    matches!(class, NameLookup | Connect | TimeOut | HostKey | Authentication | ConnectionLost | Key)
}

fn endless_race() -> Failure {
    Failure::new(
        FailureClass::Protocol,
        format!("the remote said {MOST_RACES} times in a row that somebody else pushed first"),
        "look whether something resets the branch at each push; it is tried again by itself",
    )
}
