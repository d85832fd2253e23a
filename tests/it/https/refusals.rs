//! What a server's statuses mean, and that one which asks for patience is left alone.

use std::time::Duration;

use appferry::domain::FailureClass;
use appferry::git::remote::{TimeLimits, Web};
use appferry::ports::PushError;

use super::{front, open, token, update};
use crate::wire::double::Pair;

async fn answering(status: &str, headers: &str) -> front::Server {
    front::canned(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n")).await
}

fn plain(server: &front::Server) -> String {
    format!("http://127.0.0.1:{}/repo.git", server.address.port())
}

#[tokio::test]
async fn each_status_has_its_class_and_a_remedy() {
    use FailureClass::{Authentication, Refused, RemoteCommand, RepositoryAbsent};
    for (status, reading, writing, words) in [
        ("401 Unauthorized", Authentication, Authentication, "make a new token"),
        ("403 Forbidden", RepositoryAbsent, Refused, "access"),
        ("404 Not Found", RepositoryAbsent, RepositoryAbsent, "spelling"),
        ("413 Payload Too Large", Refused, Refused, "raise the limit"),
        ("429 Too Many Requests", RemoteCommand, RemoteCommand, "APPFERRY_POLL_INTERVAL"),
        ("500 Internal Server Error", RemoteCommand, RemoteCommand, "tried again by itself"),
        ("503 Service Unavailable", RemoteCommand, RemoteCommand, "tried again by itself"),
        ("407 Proxy Authentication Required", Authentication, Authentication, "proxy's variable"),
    ] {
        let (pair, server) = (Pair::new(), answering(status, "").await);
        let remote = open(&pair, &plain(&server), Web::default());
        let read = remote.poll().await.expect_err(status);
        let write = remote.check_write().await.expect_err(status);
        assert_eq!((read.class, write.class), (reading, writing), "{read} {write}");
        for failure in [read, write] {
            assert!(failure.message.contains(&status[..3]) && failure.remedy.contains(words), "{failure}");
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure}");
        }
        let first = pair.commit(None, &[("a", b"1")]);
        let pushed = remote.push(&[update(None, first)]).await;
        assert!(matches!(pushed, Err(PushError::NotSent(_))), "{status}: {pushed:?}");
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_token_does_not_have_it_shown() {
    let said = "you sent Basic Z2l0OnMzY3JldA== that is s3cret, go away"; // git:s3cret
    let (pair, length) = (Pair::new(), said.len());
    for status in ["401 Unauthorized", "500 Internal Server Error"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{said}");
        let server = front::canned(answer).await;
        let failure = open(&pair, &plain(&server), Web::default()).poll().await.expect_err(status);
        assert!(failure.message.contains("go away"), "{failure}");
        assert!(!failure.message.contains("s3cret") && !failure.message.contains("Z2l0"), "{failure}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_patience_is_not_asked_before() {
    let pair = Pair::new();
    for status in ["429 Too Many Requests", "503 Service Unavailable", "403 Forbidden"] {
        let server = answering(status, "Retry-After: 600\r\n").await;
        let remote = pair.https(&plain(&server), token(), Web::default(), TimeLimits::default());
        let failure = remote.poll().await.expect_err(status);
        assert_eq!(failure.class, FailureClass::RemoteCommand, "{failure}");
        assert!(failure.message.contains("asks to wait 600 s"), "{failure}");
        assert_eq!(remote.poll().await, Err(failure.clone()));
        assert_eq!(remote.check_write().await, Err(failure));
        assert_eq!(server.connected(), 1, "it was asked once");
    }
    let server = answering("429 Too Many Requests", "Retry-After: 1\r\n").await;
    let remote = pair.https(&plain(&server), token(), Web::default(), TimeLimits::default());
    remote.poll().await.expect_err("too many");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    remote.poll().await.expect_err("too many");
    assert_eq!(server.connected(), 2, "it is asked again when the time is over");
}
