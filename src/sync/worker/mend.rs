//! What the worker does about a damaged local repository.

use std::time::Duration;

use super::Worker;
use crate::domain::Failure;
use crate::sync::engine::Now;

impl Worker {
    /// Lets a repository that was found damaged in this pass be built anew; the next pass asks the remote for all of it.
    pub(super) async fn mend(&mut self) -> Result<(), Failure> {
        let Some(damage) = self.damage.take() else { return Ok(()) };
        let begun = self.on_engine(move |engine| engine.begin_mending(&damage, Now::read())).await?;
        if begun.is_ok() {
            self.schedule.poll_within(Duration::ZERO);
        }
        self.trouble = None; // its last word counts
        self.note_trouble(begun);
        self.damage = None;
        Ok(())
    }
}
