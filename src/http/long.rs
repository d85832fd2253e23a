//! Answers that take their time: so many at once, and none that says nothing for long.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::ApiError;

/// A connection that says nothing for longer is cut off. What is sent in between is white space, which JSON allows.
pub(super) const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Half of the connections: the others stay free for questions.
const AT_ONCE: usize = super::listener::CONNECTIONS / 2;

/// Places for answers that may take hours.
pub(super) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_ONCE))
}

/// Answers *busy* where all places are taken; a place is free again when its answer has gone out whole, or its caller has gone.
pub(super) async fn few_at_once(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Ok(place) = places.try_acquire_owned() else {
        let message = format!("{AT_ONCE} answers that take long are under way");
        let remedy = "ask again when one of them has ended";
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message, remedy));
    };
    let (head, body) = next.run(request).await.into_parts();
    let body = body.into_data_stream().map(move |piece| {
        let _held = &place;
        piece
    });
    Ok(Response::from_parts(head, Body::from_stream(body)))
}

type Work<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send>>;

/// What `work` comes to. If that takes longer than 15 s the answer has begun by then, with status 200 and white space, and an error
/// is told by its body alone.
pub(super) async fn in_its_time<T: Serialize + Send + 'static>(
    work: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Response {
    with_signs_of_life(SIGN_OF_LIFE, Box::pin(work)).await
}

async fn with_signs_of_life<T: Serialize + Send + 'static>(every: Duration, mut work: Work<T>) -> Response {
    match timeout(every, &mut work).await {
        Ok(Ok(done)) => Json(done).into_response(),
        Ok(Err(error)) => error.into_response(),
        Err(_) => {
            let pieces = futures::stream::unfold(Some((work, Duration::ZERO)), move |state| async move {
                let (mut work, patience) = state?;
                let (piece, state) = match timeout(patience, &mut work).await {
                    Ok(done) => (whole(done), None),
                    Err(_) => (Bytes::from_static(b"\n"), Some((work, every))),
                };
                Some((Ok::<_, Infallible>(piece), state))
            });
            let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
            (headers, [("x-accel-buffering", "no")], Body::from_stream(pieces)).into_response()
        }
    }
}

fn whole<T: Serialize>(done: Result<T, ApiError>) -> Bytes {
    let text = match done {
        Ok(done) => serde_json::to_vec(&done),
        Err(error) => serde_json::to_vec(&error.answer()),
    };
    text.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture as _;

    use serde_json::{Value, json};
    use tokio::sync::oneshot;

    use super::*;

    fn outcomes() -> [(Result<Value, ApiError>, StatusCode, Value); 2] {
        let error = ApiError::new(StatusCode::CONFLICT, "key", "there is no such key", "make it");
        let told = json!({"error": {"class": "key", "message": "there is no such key", "remedy": "make it"}});
        [(Ok(json!({"ok": true})), StatusCode::OK, json!({"ok": true})), (Err(error), StatusCode::CONFLICT, told)]
    }

    #[tokio::test]
    async fn a_place_is_taken_until_the_answer_has_gone_out() {
        let (piece, pieces) = tokio::sync::mpsc::channel::<&str>(1);
        let pieces = Arc::new(std::sync::Mutex::new(Some(pieces)));
        let slow = move || {
            let pieces = pieces.lock().unwrap().take().unwrap();
            let stream = futures::stream::unfold(pieces, |mut pieces| async move {
                pieces.recv().await.map(|piece| (Ok::<_, Infallible>(piece), pieces))
            });
            std::future::ready(Body::from_stream(stream))
        };
        let places = Arc::new(Semaphore::new(1));
        let layer = axum::middleware::from_fn_with_state(Arc::clone(&places), few_at_once);
        let router = axum::Router::new()
            .route("/slow", axum::routing::get(slow))
            .route("/quick", axum::routing::get(async || "quick"))
            .layer(layer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = tokio_util::task::TaskTracker::new();
        tasks.spawn(axum::serve(listener, router).into_future());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let ask = async |path: &str| client.get(format!("http://{address}/{path}")).send().await.unwrap();

        let mut answer = ask("slow").await;
        piece.send("a").await.unwrap();
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "a");
        let refused = ask("quick").await;
        assert_eq!(refused.status().as_u16(), 503);
        assert!(refused.text().await.unwrap().contains("busy"));
        drop(piece);
        assert!(answer.chunk().await.unwrap().is_none());
        drop(places.acquire().await.unwrap());
        assert_eq!(ask("quick").await.text().await.unwrap(), "quick");
    }

    #[tokio::test]
    async fn what_is_quick_has_its_status() {
        for (outcome, status, told) in outcomes() {
            let response = in_its_time(std::future::ready(outcome)).await;
            assert_eq!(response.status(), status);
            let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), told);
        }
    }

    #[tokio::test]
    async fn what_is_slow_gives_signs_of_life_and_tells_its_end() {
        for (outcome, _, told) in outcomes() {
            let (end, ended) = oneshot::channel();
            let work = async move { ended.await.unwrap() };
            let response = with_signs_of_life(Duration::from_millis(1), Box::pin(work)).await;
            assert_eq!(response.status(), StatusCode::OK);
            let mut pieces = response.into_body().into_data_stream();
            for _ in 0..3 {
                assert_eq!(pieces.next().await.unwrap().unwrap(), "\n");
            }
            assert!(end.send(outcome).is_ok());
            let last = loop {
                let piece = pieces.next().await.unwrap().unwrap();
                if piece != "\n" {
                    break piece;
                }
            };
            assert_eq!(serde_json::from_slice::<Value>(&last).unwrap(), told);
            assert!(pieces.next().await.is_none());
        }
    }
}
