//! The delivery loop of one target.
//!
//! At least once: an event leaves the queue after the target took it. In order for each app: while an event waits for its next
//! try, later ones of the same app wait behind it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lanes::Lanes;
use super::{Outcome, Sink};
use crate::domain::Failure;
use crate::ports::{EventQueue, Waiting};

/// So many ids are read at once.
const BATCH: u32 = 256;
/// When the queue itself cannot be read or written.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Delivers until `stop` fires.
pub(super) async fn run(queue: &dyn EventQueue, target: &str, sink: &dyn Sink, stop: &CancellationToken) {
    let mut newest = queue.newest();
    let mut lanes = Lanes::default();
    while !stop.is_cancelled() {
        newest.borrow_and_update();
        let pause = match round(queue, target, sink, &mut lanes, stop).await {
            Ok(()) => lanes.next(),
            Err(failure) => {
                tracing::warn!(target = sink.shown(), %failure, "the queue of events cannot be used; it is tried again");
                Some(Instant::now() + AFTER_TROUBLE)
            }
        };
        let news = async {
            if lanes.is_target_waiting() || newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = news => {}
            () = until(pause) => {}
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Goes through the queue once.
async fn round(
    queue: &dyn EventQueue,
    target: &str,
    sink: &dyn Sink,
    lanes: &mut Lanes,
    stop: &CancellationToken,
) -> Result<(), Failure> {
    let (mut at, mut held) = (0, BTreeSet::new());
    while !lanes.is_target_waiting() {
        let batch = queue.waiting(target, at, BATCH).await?;
        let Some(last) = batch.last() else {
            lanes.keep(&held); // the others have nothing to wait for any more
            return Ok(());
        };
        at = last.id;
        for waiting in batch {
            if lanes.is_target_waiting() || stop.is_cancelled() {
                return Ok(());
            }
            if held.contains(&waiting.lane) || !lanes.may_try(&waiting.lane) {
                held.insert(waiting.lane);
                continue;
            }
            let Some(outcome) = stop.run_until_cancelled(deliver(queue, sink, &waiting)).await else { return Ok(()) };
            if !settle(queue, target, sink, lanes, &waiting, outcome?).await? {
                held.insert(waiting.lane);
            }
        }
    }
    Ok(())
}

async fn deliver(queue: &dyn EventQueue, sink: &dyn Sink, waiting: &Waiting) -> Result<Outcome, Failure> {
    match queue.event(waiting.id).await? {
        Some(event) => Ok(sink.deliver(&event).await),
        None => Ok(Outcome::Delivered), // too old in the meantime
    }
}

/// Notes what came of it. Answers whether the event is done with.
async fn settle(
    queue: &dyn EventQueue,
    target: &str,
    sink: &dyn Sink,
    lanes: &mut Lanes,
    waiting: &Waiting,
    outcome: Outcome,
) -> Result<bool, Failure> {
    let (why, refused) = match outcome {
        Outcome::Delivered => {
            queue.settled(target, waiting.id).await?;
            lanes.delivered(&waiting.lane);
            return Ok(true);
        }
        Outcome::Down(why, at_least) => {
            let (wait, is_news) = lanes.target_failed(at_least);
            if is_news {
                tracing::warn!(target = sink.shown(), why, "events cannot be delivered; they wait and are tried again");
            }
            tracing::debug!(target = sink.shown(), retry_in_ms = wait.as_millis(), "waits for a target");
            return Ok(false);
        }
        Outcome::Failed(why) => (why, false),
        Outcome::Refused(why) => (why, true),
    };
    let (tries, wait) = lanes.failed(&waiting.lane);
    if refused && Lanes::is_last_try(tries) {
        tracing::warn!(target = sink.shown(), event = waiting.id, tries, why, "gave an event up");
        queue.settled(target, waiting.id).await?;
        lanes.given_up(&waiting.lane);
        return Ok(true);
    }
    tracing::info!(
        target = sink.shown(),
        event = waiting.id,
        tries,
        retry_in_ms = wait.as_millis(),
        why,
        "not delivered"
    );
    Ok(false)
}
