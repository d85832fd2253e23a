//! The worker over a repository that is damaged again and again, and over a disk that fails at the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::world::{EDITING, RemoteRefs, quiet, world};
use crate::domain::event::{EventRepository, NewEvent};
use crate::domain::status::{RepositoryState, RepositoryStatus};
use crate::domain::{Failure, FailureClass, ObjectId};
use crate::ports::{
    AuditEntry, AuditFilter, AuditLog, AuditRow, ChangeHints, EventLog, FoundCommit, Hint, PushError, RefOutcome,
    RefUpdate, Remote, RemoteRef, RemoteTip,
};
use crate::sync::engine::Engine;
use crate::sync::worker::{Face, Handle, Pace, Worker};

const HOUR: Duration = Duration::from_hours(1);

/// Nothing is kept.
struct Deaf;

#[async_trait]
impl AuditLog for Deaf {
    async fn append(&self, _: AuditEntry) -> Result<(), Failure> {
        Ok(())
    }
    async fn audit(&self, _: &AuditFilter) -> Result<Vec<AuditRow>, Failure> {
        Ok(Vec::new())
    }
    async fn prune(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl EventLog for Deaf {
    async fn append(&self, _: Vec<NewEvent>) -> Result<(), Failure> {
        Ok(())
    }
    async fn states(&self, _: &EventRepository) -> Result<BTreeMap<String, String>, Failure> {
        Ok(BTreeMap::new())
    }
}

#[async_trait]
impl ChangeHints for Deaf {
    async fn next(&mut self) -> Hint {
        std::future::pending().await
    }
    fn rescan_every(&self) -> Duration {
        Duration::from_millis(20)
    }
    fn notice(&self) -> Option<String> {
        None
    }
}

/// Every second answer finds the local repository damaged.
struct Flapping {
    tip: ObjectId,
    polls: AtomicUsize,
}

#[async_trait]
impl Remote for Flapping {
    async fn poll(&self) -> Result<RemoteTip, Failure> {
        let number = self.polls.fetch_add(1, Ordering::SeqCst);
        if number % 2 == 1 {
            return Err(Failure::new(FailureClass::Damaged, format!("object {number} is damaged"), "check the disk"));
        }
        Ok(RemoteTip::At(self.tip))
    }
    async fn fetch(&self) -> Result<RemoteTip, Failure> {
        Ok(RemoteTip::At(self.tip))
    }
    async fn refs(&self) -> Result<Vec<RemoteRef>, Failure> {
        Ok(Vec::new())
    }
    async fn fetch_ref(&self, _: &str) -> Result<FoundCommit, Failure> {
        Err(Failure::internal("not asked for"))
    }
    async fn push(&self, _: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        Ok(Vec::new())
    }
    async fn check_write(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test]
async fn a_repository_that_is_damaged_again_and_again_stays_in_trouble_until_it_is_tried_again() {
    let mut all = world(&[EDITING]);
    all[0].save("A", "x.json", "{}");
    all[0].pass(true, quiet);
    let tip = all[0].remote.lock().unwrap()["refs/heads/main"];
    let remote = Arc::new(Flapping { tip, polls: AtomicUsize::new(0) });
    let (worker, handle) = worker(all[0].engine.take().unwrap(), Arc::clone(&remote) as _, HOUR);
    let stop = CancellationToken::new();
    let running = TaskTracker::new().spawn(worker.run(stop.clone()));
    let mut status = handle.status();
    let hopeless = |state| state == RepositoryState::DiskTrouble;
    while !hopeless(status.borrow_and_update().state) {
        handle.poll_soon();
        let _ = tokio::time::timeout(Duration::from_millis(50), status.changed()).await;
    }
    let first = status.borrow_and_update().clone();
    assert!(first.summary.contains("built anew 2 times"), "{}", first.summary);
    // Polls that find nothing and polls that find damage, and looks between them.
    for _ in 0..6 {
        let polls = remote.polls.load(Ordering::SeqCst);
        handle.poll_soon();
        while remote.polls.load(Ordering::SeqCst) == polls {
            tokio::task::yield_now().await;
        }
        handle.glance(|_| Ok(())).await.unwrap(); // the pass is over
        let now = status.borrow_and_update().clone();
        let error =
            |of: &RepositoryStatus| of.last_error.as_ref().map(|error| (error.failure.clone(), error.since.clone()));
        assert_eq!((now.state, error(&now)), (first.state, error(&first)));
    }
    stop.cancel();
    running.await.unwrap().unwrap();
}

fn worker(engine: Engine, remote: Arc<dyn Remote>, poll_interval: Duration) -> (Worker, Handle) {
    let face = Face {
        name: "global".to_owned(),
        url: "git@host:x".to_owned(),
        branch: "main".to_owned(),
        apps_dir: "/apps".to_owned(),
        prefix: "App".to_owned(),
        locked: false,
        key: None,
    };
    let pace = Pace { poll_interval, debounce: Duration::ZERO };
    Worker::new(engine, (remote, Arc::new(Deaf), Arc::new(Deaf)), Box::new(Deaf), face, pace)
}

/// A branch that compares and swaps.
struct Swapping(RemoteRefs);

#[async_trait]
impl Remote for Swapping {
    async fn poll(&self) -> Result<RemoteTip, Failure> {
        Ok(RemoteTip::At(self.0.lock().unwrap()["refs/heads/main"]))
    }
    async fn fetch(&self) -> Result<RemoteTip, Failure> {
        self.poll().await
    }
    async fn refs(&self) -> Result<Vec<RemoteRef>, Failure> {
        Ok(Vec::new())
    }
    async fn fetch_ref(&self, _: &str) -> Result<FoundCommit, Failure> {
        Err(Failure::internal("not asked for"))
    }
    async fn push(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        let mut refs = self.0.lock().unwrap();
        let mut push = |update: &RefUpdate| {
            if refs.get(&update.name).copied() != update.expected {
                return RefOutcome::Moved;
            }
            refs.insert(update.name.clone(), update.new);
            RefOutcome::Accepted
        };
        Ok(updates.iter().map(&mut push).collect())
    }
    async fn check_write(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_is_sent_after_a_kill_before_it_is_known_what_became_of_the_push_before() {
    let mut all = world(&[EDITING]);
    for number in 1..=3 {
        all[0].save("A", "x.json", &format!("{{\"n\":{number}}}"));
        all[0].loses_answer = number == 2;
        all[0].pass(number < 3, quiet); // the third waits on top of what may have landed
    }
    all[0].start();
    all[0].repo.writes_to_failure.store(1, Ordering::Relaxed); // when the branch is seen again
    let remote = Arc::new(Swapping(Arc::clone(&all[0].remote)));
    let (worker, handle) = worker(all[0].engine.take().unwrap(), remote, Duration::from_millis(20));
    let stop = CancellationToken::new();
    let running = TaskTracker::new().spawn(worker.run(stop.clone()));
    let mut status = handle.status();
    let over =
        |status: &RepositoryStatus| matches!(status.state, RepositoryState::InSync | RepositoryState::AppsWaiting);
    assert_eq!(status.wait_for(over).await.unwrap().state, RepositoryState::InSync);
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(all[0].log().len(), 3, "{:?}", all[0].log());
}
