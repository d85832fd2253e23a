//! The events: a list, or a stream that goes on.
//!
//! The stream is pulled: a reader that does not read makes nobody remember anything, and is cut off by the silence limit of its
//! connection. It goes on where it left off by the id of the last event that it saw.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::answer::ApiError;
use crate::domain::event::Event;
use crate::ports::EventSource;

/// Streams at once: they take connections from all others.
const STREAMS: usize = 16;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events in memory for one stream.
const BATCH: u32 = 100;
const LIST: u32 = 100;
const LONGEST_LIST: u32 = 1_000;

#[derive(Clone)]
struct Feed {
    source: Arc<dyn EventSource>,
    stop: CancellationToken,
    places: Arc<Semaphore>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    after: Option<u64>,
    limit: Option<u32>,
}

/// `GET /events`, without the check of the token.
pub(super) fn router<S: Clone + Send + Sync + 'static>(
    source: Arc<dyn EventSource>,
    stop: CancellationToken,
) -> Router<S> {
    let feed = Feed { source, stop, places: Arc::new(Semaphore::new(STREAMS)) };
    Router::new().route("/events", get(events)).with_state(feed)
}

async fn events(
    State(feed): State<Feed>,
    question: Result<Query<Question>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Query(question) = question.map_err(|rejection| {
        ApiError::request(format!("`after` and `limit` are whole numbers: {}", rejection.body_text()))
    })?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let wants_list = question.limit.is_some() || text(ACCEPT.as_str()).is_some_and(|accept| accept.contains("json"));
    if wants_list {
        let limit = question.limit.unwrap_or(LIST).min(LONGEST_LIST);
        return Ok(Json(feed.source.after(question.after.unwrap_or(0), limit).await?).into_response());
    }
    let seen = match text("last-event-id").filter(|id| !id.is_empty()) {
        Some(id) => Some(id.parse().map_err(|_| ApiError::request(format!("Last-Event-ID {id:?} is not a number")))?),
        None => question.after,
    };
    stream(&feed, seen)
}

fn stream(feed: &Feed, seen: Option<u64>) -> Result<Response, ApiError> {
    let Ok(place) = Arc::clone(&feed.places).try_acquire_owned() else {
        let message = format!("{STREAMS} streams are open");
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            message,
            "close one of them, or ask for lists",
        ));
    };
    let newest = feed.source.newest();
    let now = *newest.borrow();
    // Without an id, from now on. An id that was never given out is from a log that was lost: all of this one is new.
    let at = seen.map_or(now, |seen| if seen > now { 0 } else { seen });
    let reader =
        Reader { source: Arc::clone(&feed.source), stop: feed.stop.clone(), newest, at, greeted: false, _place: place };
    let stream = futures::stream::unfold(reader, |mut reader| async move {
        let piece = reader.next().await?;
        Some((Ok::<_, Infallible>(piece), reader))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, [("x-accel-buffering", "no")], Body::from_stream(stream)).into_response())
}

struct Reader {
    source: Arc<dyn EventSource>,
    stop: CancellationToken,
    newest: watch::Receiver<u64>,
    at: u64,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next piece of the stream; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return Some(Bytes::from_static(b"retry: 2000\n\n"));
        }
        loop {
            self.newest.borrow_and_update();
            let found = match self.source.after(self.at, BATCH).await {
                Ok(found) => found,
                Err(failure) => {
                    tracing::warn!(%failure, "a stream of events ends");
                    return None;
                }
            };
            if let Some(last) = found.last() {
                self.at = last.id;
                return Some(found.iter().map(block).collect::<String>().into());
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.newest.changed() => changed.ok()?,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }
}

/// JSON has no line breaks of its own, so that one `data` line holds it.
fn block(event: &Event) -> String {
    let data = serde_json::to_string(event).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", event.id, event.what.kind())
}
