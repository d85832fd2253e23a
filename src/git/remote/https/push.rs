//! Pushing over HTTPS: the advertisement by GET, then commands and pack in one POST whose answer is the report.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use reqwest::{Body, Response};

use super::super::advertisement::Advertisement;
use super::super::blocking;
use super::super::error::{Asking, stalled};
use super::super::outcome::{Verdict, before_sending, verdict};
use super::super::pack::{self, Pieces, Plan};
use super::super::receive_pack::{Chosen, Report, commands, read_report};
use super::{HttpsRemote, failure};
use crate::domain::{Failure, ObjectId};
use crate::ports::{PushError, RefOutcome, RefUpdate};

/// Up to this size a push has a `Content-Length`, which old servers and proxies want; above it is sent in chunks. In bytes.
const BUFFERED: usize = 1 << 20;

impl HttpsRemote {
    /// The refs and capabilities for a push.
    pub(super) async fn pushable(&self) -> Result<Advertisement, Failure> {
        let mut answer = self.client.advertisement(Asking::Write).await?;
        Advertisement::read(&mut answer).await.map_err(|error| failure(error, Asking::Write))
    }

    /// See [`crate::ports::Remote::push`].
    pub(super) async fn push_now(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let local = self.local.clone();
        blocking(move || local.flush()).await.map_err(PushError::NotSent)?;
        let advertisement = self.pushable().await.map_err(PushError::NotSent)?;
        let mut outcomes = before_sending(&advertisement, updates);
        let open = |(update, outcome): (_, &Option<RefOutcome>)| outcome.is_none().then_some(update);
        let sending: Vec<&RefUpdate> = updates.iter().zip(&outcomes).filter_map(open).collect();
        if !sending.is_empty() {
            let report = self.send(&advertisement, &sending).await?;
            let mut reported = self.settle(&report, &sending).await.into_iter();
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
                *outcome = reported.next();
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    async fn send(&self, advertisement: &Advertisement, sending: &[&RefUpdate]) -> Result<Report, PushError> {
        let wire = |error| PushError::NotSent(failure(error, Asking::Write));
        let chosen = Chosen::from_offered(&advertisement.capabilities).map_err(wire)?;
        let commands = commands(sending, &chosen).map_err(wire)?;
        let plan = Plan {
            repository: self.repository.clone(),
            new: sending.iter().map(|update| update.new).collect(),
            there: advertisement.refs.iter().map(|known| known.id).collect::<Vec<ObjectId>>(),
            bases: advertisement.bases_for_deltas(),
            deltas: true,
        };
        let progress = Arc::new(Progress::default());
        let body = body(commands, pack::stream(plan), &progress).await.map_err(PushError::NotSent)?;
        let response = self.post(body, &progress).await?;
        // A status of its own is the server's answer to the whole request: nothing was moved.
        let refused = response.status().is_client_error() || response.status().is_redirection();
        let sorted = |failure| if refused { PushError::NotSent(failure) } else { PushError::Unknown(failure) };
        let mut answer = self.client.answer(response, Asking::Write, "result").await.map_err(sorted)?;
        answer.set_idle(self.limits.report);
        let report = read_report(&mut answer, chosen.side_band).await;
        report.map_err(|error| PushError::Unknown(failure(error, Asking::Write)))
    }

    /// Sends, and watches that it moves.
    async fn post(&self, body: Body, progress: &Progress) -> Result<Response, PushError> {
        let request = self.client.post(Asking::Write).await.map_err(PushError::NotSent)?;
        let mut sent = std::pin::pin!(request.body(body).send());
        let failure = loop {
            let allowed = if progress.is_all_sent() { self.limits.report } else { self.limits.idle };
            let quiet = progress.quiet_for();
            if quiet >= allowed {
                break stalled(Asking::Write, allowed);
            }
            match tokio::time::timeout(allowed.saturating_sub(quiet), sent.as_mut()).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) if error.is_connect() => return Err(PushError::NotSent(self.client.not_sent(&error))),
                Ok(Err(error)) => break progress.made_wrong().unwrap_or_else(|| self.client.not_sent(&error)),
                Err(_) => {} // it may have moved on meanwhile
            }
        };
        Err(if progress.is_all_sent() { PushError::Unknown(failure) } else { PushError::NotSent(failure) })
    }

    /// The outcomes for `sent`; looks at the refs once more where the report leaves room for two.
    async fn settle(&self, report: &Report, sent: &[&RefUpdate]) -> Vec<RefOutcome> {
        let verdicts: Vec<Verdict> = sent.iter().map(|update| verdict(report, update)).collect();
        let unclear = verdicts.iter().any(|verdict| matches!(verdict, Verdict::LookAgain(_)));
        let now = if unclear { self.pushable().await.ok() } else { None };
        verdicts.into_iter().zip(sent).map(|(verdict, update)| verdict.settled(update, now.as_ref())).collect()
    }
}

/// How far the body of a request is.
#[derive(Default)]
struct Progress {
    all_sent: AtomicBool,
    /// Milliseconds from `start` to the last piece taken.
    moved_ms: AtomicU64,
    start: Started,
    wrong: std::sync::Mutex<Option<Failure>>,
}

/// When it started.
struct Started(Instant);

impl Default for Started {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Progress {
    fn moved(&self) {
        let now = u64::try_from(self.start.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(now, Ordering::Relaxed);
    }

    fn quiet_for(&self) -> Duration {
        self.start.0.elapsed().saturating_sub(Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)))
    }

    fn is_all_sent(&self) -> bool {
        self.all_sent.load(Ordering::Relaxed)
    }

    /// Why the pack could not be made, if that is what ended the request.
    fn made_wrong(&self) -> Option<Failure> {
        self.wrong.lock().ok()?.take()
    }
}

/// Commands and pack: in one piece when small, else as a stream.
async fn body(commands: Vec<u8>, mut pieces: Pieces, progress: &Arc<Progress>) -> Result<Body, Failure> {
    let mut first = commands;
    while let Some(piece) = pieces.recv().await {
        first.extend_from_slice(&piece?);
        if first.len() > BUFFERED {
            return Ok(streamed(first.into(), pieces, progress.clone()));
        }
    }
    progress.moved();
    progress.all_sent.store(true, Ordering::Relaxed);
    Ok(first.into())
}

fn streamed(first: Bytes, pieces: Pieces, progress: Arc<Progress>) -> Body {
    // The piece held back is handed out once it is known whether it is the last: from then on the server may have it all.
    let rest = stream::unfold((Some(first), pieces), move |(held, mut pieces)| {
        let progress = progress.clone();
        async move {
            let held = held?;
            progress.moved();
            let next = match pieces.recv().await {
                Some(Ok(piece)) => Some(piece),
                Some(Err(failure)) => {
                    let error = std::io::Error::other(failure.message.clone());
                    if let Ok(mut wrong) = progress.wrong.lock() {
                        *wrong = Some(failure);
                    }
                    return Some((Err(error), (None, pieces)));
                }
                None => {
                    progress.all_sent.store(true, Ordering::Relaxed);
                    None
                }
            };
            Some((Ok(held), (next, pieces)))
        }
    });
    Body::wrap_stream(rest)
}
