//! What the worker does about a damaged local repository.

use std::time::{Duration, Instant};

use super::Worker;
use crate::domain::{Backoff, Failure, FailureClass};
use crate::sync::engine::Now;

/// After damage that mending did not help it is looked again after this long, doubled up to the limit.
const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_mins(10);
/// For so long the trouble stands, whatever works in between: what is damaged is not read at each pass.
const STANDS: Duration = Duration::from_hours(1);

/// Damage that mending did not help.
#[derive(Debug)]
pub(super) struct Unmended {
    standing: Option<(Failure, Instant)>,
    backoff: Backoff,
}

impl Default for Unmended {
    fn default() -> Self {
        Self { standing: None, backoff: Backoff::new(FIRST, LONGEST) }
    }
}

impl Unmended {
    /// What is wrong, as it was said first.
    pub(super) fn trouble(&self, now: Instant) -> Option<Failure> {
        self.standing.as_ref().filter(|(_, until)| now < *until).map(|(failure, _)| failure.clone())
    }

    /// It was met, once more perhaps. Answers how long to wait, and whether that is news.
    fn meet(&mut self, failure: Failure, now: Instant) -> (Duration, bool) {
        let is_news = self.trouble(now).is_none();
        if is_news {
            self.standing = Some((failure, now + STANDS));
        }
        (self.backoff.after_failure(rand::random()), is_news)
    }
}

impl Worker {
    /// Lets a repository that was found damaged in this pass be built anew; the next pass asks the remote for all of it. Where that
    /// was done lately and did not help, the trouble stands, is logged once, and is not looked at as often as usual.
    pub(super) async fn mend(&mut self) -> Result<(), Failure> {
        let Some(damage) = self.damage.take() else { return Ok(()) };
        let begun = self.on_engine(move |engine| engine.begin_mending(&damage, Now::read())).await?;
        self.trouble = None; // its last word counts
        match begun {
            Ok(()) => {
                self.unmended = Unmended::default();
                self.schedule.poll_within(Duration::ZERO);
                self.schedule.look_soon();
            }
            Err(failure) if failure.class == FailureClass::Damaged => {
                let (wait, is_news) = self.unmended.meet(failure, Instant::now());
                self.trouble = self.unmended.trouble(Instant::now());
                if let Some(trouble) = self.trouble.as_ref().filter(|_| is_news) {
                    tracing::warn!(failure = %trouble, "trouble here; it is tried again");
                }
                self.schedule.poll_after(wait);
                self.schedule.look_after(wait);
            }
            failed => self.note_trouble(failed),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_that_mending_does_not_help_is_said_once_and_met_less_and_less_often() {
        let (mut unmended, now) = (Unmended::default(), Instant::now());
        let damaged = |text: &str| Failure::new(FailureClass::Damaged, text, "check the disk");
        assert_eq!(unmended.trouble(now), None);
        let met: Vec<(Duration, bool)> = (0..8).map(|n| unmended.meet(damaged(&format!("object {n}")), now)).collect();
        assert_eq!(met.iter().filter(|(_, is_news)| *is_news).count(), 1);
        assert!(met[0].0 <= FIRST && met[7].0 >= LONGEST / 2, "{met:?}");
        assert_eq!(unmended.trouble(now + STANDS / 2), Some(damaged("object 0")));
        assert_eq!(unmended.trouble(now + STANDS), None);
        assert!(unmended.meet(damaged("again"), now + STANDS).1);
    }
}
