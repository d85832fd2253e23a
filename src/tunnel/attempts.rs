//! Attempts to connect, and the clients that wait for one of them.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ways::{Answer, Outcome, Way};

/// Who waits for it.
pub(super) type Waiter = oneshot::Sender<Answer>;

/// Rule 26: an attempt that is older hangs in something that may have passed, so a client begins another one beside it.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// As many may hang at once; one more takes the place of the oldest, which is the least likely to come to an end.
const MOST: usize = 8;

/// The attempts that are under way.
pub(super) struct Attempts {
    name: String,
    way: Arc<Way>,
    /// The oldest first.
    running: VecDeque<BoxFuture<'static, (u64, Outcome)>>,
    newest: Option<(u64, Instant)>,
    waiting: Vec<(u64, Waiter)>,
}

impl Attempts {
    pub(super) fn new(name: String, way: Arc<Way>) -> Self {
        Self { name, way, running: VecDeque::new(), newest: None, waiting: Vec::new() }
    }

    pub(super) fn are_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Whether one was begun a moment ago.
    pub(super) fn began_just_now(&self) -> bool {
        self.newest.is_some_and(|(_, at)| at.elapsed() < FRESH)
    }

    /// Begins one. A person's is not told what is known already.
    pub(super) fn begin(&mut self, by_a_person: bool) {
        if self.running.len() >= MOST {
            self.running.pop_front(); // who waits for it hears of the next that ends
        }
        let number = self.newest.map_or(0, |(number, _)| number + 1);
        self.newest = Some((number, Instant::now()));
        let (name, way) = (self.name.clone(), Arc::clone(&self.way));
        let attempt = async move { (number, way.open(&name, by_a_person).await) };
        self.running.push_back(attempt.boxed());
    }

    /// Lets a client wait for the newest.
    pub(super) fn join(&mut self, waiter: Waiter) {
        match self.newest {
            Some((number, _)) => self.waiting.push((number, waiter)),
            None => drop(waiter),
        }
    }

    /// The next one that ends; its waiters are told. Waits for ever when there is none.
    pub(super) async fn next(&mut self) -> Outcome {
        let (number, outcome) = poll_fn(|cx| {
            let ended = self.running.iter_mut().enumerate().find_map(|(place, attempt)| match attempt.poll_unpin(cx) {
                Poll::Ready(outcome) => Some((place, outcome)),
                Poll::Pending => None,
            });
            let Some((place, outcome)) = ended else { return Poll::Pending };
            self.running.remove(place);
            Poll::Ready(outcome)
        })
        .await;
        let answer = &outcome.answer;
        if answer.is_ok() {
            self.running.clear();
        }
        for (waits_for, waiter) in std::mem::take(&mut self.waiting) {
            if answer.is_ok() || waits_for <= number {
                let _ = waiter.send(answer.clone());
            } else if !waiter.is_closed() {
                self.waiting.push((waits_for, waiter));
            }
        }
        outcome
    }
}
