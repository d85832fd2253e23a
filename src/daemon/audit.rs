//! Rows of the audit log on their way into it: one after the other, so that a thousand workers do not wait for each other's
//! transactions, and kept until they are written, so that a worker that loses patience loses no row.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::domain::{Failure, FailureClass};
use crate::ports::{AuditEntry, AuditFilter, AuditLog, AuditRow};

/// Rows that wait, at most; a row is a few hundred bytes.
const MOST: usize = 100_000;
/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// A store that answers does so within this.
const LONGEST: Duration = Duration::from_secs(30);

/// The audit log, by way of a queue.
pub(super) struct AuditQueue {
    log: Arc<dyn AuditLog>,
    waiting: Mutex<Waiting>,
    news: Notify,
    written: watch::Sender<u64>,
    pause: Duration,
}

#[derive(Default)]
struct Waiting {
    rows: VecDeque<AuditEntry>,
    /// So many were ever taken.
    taken: u64,
}

impl AuditQueue {
    pub(super) fn new(log: Arc<dyn AuditLog>) -> Self {
        Self { log, waiting: Mutex::default(), news: Notify::new(), written: watch::Sender::new(0), pause: PAUSE }
    }

    /// Writes what comes until `stop` fires.
    pub(super) async fn work(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.news.notified()).await.is_some() {
            let patience = async {
                stop.cancelled().await;
                tokio::time::sleep(self.pause).await;
            };
            let draining = self.drain_whatever_happens(&stop);
            tokio::select! {
                () = draining => {}
                () = patience => return, // `finish` tries what is left once more
            }
        }
    }

    /// Writes what is there, again and again until it is written or `stop` fires.
    async fn drain_whatever_happens(&self, stop: &CancellationToken) {
        let mut complained = false;
        while let Err(failure) = self.drain(stop).await {
            if !complained {
                tracing::warn!(%failure, "the audit log cannot be written; its rows wait, and it is tried again");
            }
            complained = true;
            if stop.run_until_cancelled(tokio::time::sleep(self.pause)).await.is_none() {
                return;
            }
        }
    }

    /// Writes what is left, once nobody else does, within `limit`.
    pub(super) async fn finish(&self, limit: Duration) {
        let all = tokio::time::timeout(limit, self.drain(&CancellationToken::new())).await;
        let left = self.waiting().rows.len();
        if left > 0 || !matches!(all, Ok(Ok(()))) {
            tracing::warn!(left, "rows of the audit log were not written: the key store does not answer");
        }
    }

    async fn drain(&self, stop: &CancellationToken) -> Result<(), Failure> {
        loop {
            let first = self.waiting().rows.front().cloned();
            let Some(row) = first.filter(|_| !stop.is_cancelled()) else { return Ok(()) };
            let written = tokio::time::timeout(LONGEST, self.log.append(row)).await;
            written.unwrap_or_else(|_| Err(silent()))?;
            self.waiting().rows.pop_front();
            self.written.send_modify(|written| *written += 1);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a row, and answers its number.
    fn take(&self, entry: AuditEntry) -> Result<u64, Failure> {
        let mut waiting = self.waiting();
        if waiting.rows.len() >= MOST {
            return Err(silent());
        }
        waiting.rows.push_back(entry);
        waiting.taken += 1;
        Ok(waiting.taken)
    }
}

fn silent() -> Failure {
    Failure::new(FailureClass::TimeOut, "the key store does not answer", "look after its database; it is tried again")
}

#[async_trait]
impl AuditLog for AuditQueue {
    /// The row is safe with the queue as soon as this is polled; whoever waits on is told when it is written.
    async fn append(&self, entry: AuditEntry) -> Result<(), Failure> {
        let number = self.take(entry)?;
        let mut written = self.written.subscribe();
        self.news.notify_one();
        let _ = written.wait_for(|written| *written >= number).await; // the sender lives as long as this does
        Ok(())
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, Failure> {
        self.log.audit(filter).await
    }

    async fn prune(&self) -> Result<(), Failure> {
        self.log.prune().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio_util::task::TaskTracker;

    use super::*;

    /// Answers slowly, and not at all for a while.
    #[derive(Default)]
    struct Slow {
        rows: Mutex<Vec<String>>,
        is_away: AtomicBool,
    }

    #[async_trait]
    impl AuditLog for Slow {
        async fn append(&self, entry: AuditEntry) -> Result<(), Failure> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.is_away.load(Ordering::Relaxed) {
                return Err(silent());
            }
            self.rows.lock().unwrap().push(entry.outcome);
            Ok(())
        }
        async fn audit(&self, _: &AuditFilter) -> Result<Vec<AuditRow>, Failure> {
            Ok(Vec::new())
        }
        async fn prune(&self) -> Result<(), Failure> {
            Ok(())
        }
    }

    fn row(number: usize) -> AuditEntry {
        AuditEntry { event: "app_git_sync", outcome: number.to_string(), ..AuditEntry::default() }
    }

    #[tokio::test]
    async fn a_row_that_nobody_waits_for_any_more_is_written_all_the_same_and_in_order() {
        let log = Arc::new(Slow::default());
        log.is_away.store(true, Ordering::Relaxed);
        let pause = Duration::from_millis(20);
        let queue = Arc::new(AuditQueue { pause, ..AuditQueue::new(Arc::<Slow>::clone(&log)) });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (working, until) = (Arc::clone(&queue), stop.clone());
        tasks.spawn(async move { working.work(until).await });
        for number in 0..3 {
            let patience = tokio::time::timeout(Duration::from_millis(50), queue.append(row(number))).await;
            assert!(patience.is_err(), "it cannot be written yet");
        }
        log.is_away.store(false, Ordering::Relaxed);
        queue.append(row(3)).await.unwrap();
        assert_eq!(*log.rows.lock().unwrap(), ["0", "1", "2", "3"]);
        let _ = tokio::time::timeout(Duration::from_millis(1), queue.append(row(4))).await;
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        queue.finish(Duration::from_secs(2)).await;
        assert_eq!(log.rows.lock().unwrap().len(), 5, "what was left at the end");
    }
}
