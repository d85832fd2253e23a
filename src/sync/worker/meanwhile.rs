//! What is done while the remote is asked or takes a push: a save through the API needs only the engine, and shall not wait for the
//! network. The engine keeps what it sent apart from what is saved meanwhile.

use std::collections::VecDeque;
use std::pin::pin;

use super::Worker;
use super::before::Prepared;
use super::command::{Command, Kind};
use crate::domain::Failure;
use crate::sync::engine::Now;

/// Commands that may wait here, beside those in the channel.
const MOST: usize = 16;

/// What was asked for meanwhile and has to wait for its turn.
pub(super) type Later = VecDeque<Command>;

impl Worker {
    /// Waits for `talk`, and serves meanwhile the requests that need only the engine. The error is a defect of the engine.
    pub(super) async fn meanwhile<T>(&mut self, talk: impl Future<Output = T>) -> Result<T, Failure> {
        let mut talk = pin!(talk);
        loop {
            let command = tokio::select! { biased;
                said = &mut talk => return Ok(said),
                Some(command) = self.commands.recv(), if self.later.len() < MOST => command,
            };
            if command.kind() == Kind::Action {
                self.later.push_back(command);
                continue;
            }
            let mut serving = pin!(self.serve(command));
            let said = tokio::select! {
                said = &mut talk => Some(said),
                served = &mut serving => {
                    served?;
                    None
                }
            };
            if let Some(said) = said {
                serving.await?;
                return Ok(said);
            }
        }
    }

    async fn serve(&mut self, command: Command) -> Result<(), Failure> {
        let is_question = command.is_question();
        let finish = self.on_engine(move |engine| command.begin(engine, Now::read(), Ok(Prepared::Ready))).await?;
        self.on_engine(finish).await?;
        if !is_question {
            self.push_link.try_at_once();
            self.remote.try_at_once();
        }
        Ok(())
    }
}
