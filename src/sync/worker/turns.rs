//! Taking turns: many repositories share the machine, and each works a little at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Work that takes longer goes on without a turn of its own, so that a disk that hangs costs nobody else his.
const LONGEST: Duration = Duration::from_secs(5);

/// How many engines work at the same time. Whoever waits longest is next.
#[derive(Clone, Debug, Default)]
pub struct Turns(Option<Arc<Semaphore>>, Duration);

impl Turns {
    /// At most `at_once`; the default is without end.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self(Some(Arc::new(Semaphore::new(at_once.max(1)))), LONGEST)
    }

    /// Runs `work` on a blocking thread, when it is its turn.
    ///
    /// # Errors
    /// That it broke.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let turn = self.begin().await;
        let span = tracing::Span::current(); // so that the log tells whose work it is
        let mut working = tokio::task::spawn_blocking(move || span.in_scope(work));
        if turn.is_none() {
            return working.await;
        }
        if let Ok(done) = tokio::time::timeout(self.1, &mut working).await {
            return done;
        }
        drop(turn);
        working.await
    }

    async fn begin(&self) -> Option<OwnedSemaphorePermit> {
        let turns = self.0.clone()?;
        turns.acquire_owned().await.ok() // never closed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn free(turns: &Turns) -> usize {
        turns.0.as_ref().expect("a limit").available_permits()
    }

    #[tokio::test]
    async fn only_so_many_work_at_once() {
        let turns = Turns::new(1);
        let (release, held) = mpsc::channel::<()>();
        let first = turns.run(move || held.recv());
        tokio::pin!(first);
        assert!(futures::poll!(&mut first).is_pending() && free(&turns) == 0);
        let second = turns.run(|| 2);
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        drop(release);
        assert!(first.await.expect("no panic").is_err());
        assert_eq!(second.await.expect("no panic"), 2);
    }

    #[tokio::test]
    async fn what_hangs_keeps_no_turn() {
        let turns = Turns(Some(Arc::new(Semaphore::new(1))), Duration::from_millis(10));
        let (release, held) = mpsc::channel::<()>();
        let hanging = turns.run(move || held.recv());
        let other = async {
            let done = turns.run(|| 2).await;
            drop(release);
            done
        };
        let (hung, done) = futures::join!(hanging, other);
        assert_eq!(done.expect("no panic"), 2);
        assert!(hung.expect("no panic").is_err());
    }
}
