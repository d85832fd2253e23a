//! Remotes against real Git: over a stand-in for SSH that runs the server's command here, over real SSH servers, over HTTP,
//! and over a path.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests, too")]

mod cases;
mod door;
pub(crate) mod double;
mod hosts;
pub(crate) mod http;
mod named;
mod permissions;
mod prepared;
mod rekey;
mod rotation;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use appferry::domain::{FailureClass, ObjectId};
use appferry::ports::{PushError, RefOutcome, RefUpdate, RemoteTip};

use double::{Cut, Pair, Shell, git, noise};

fn update(expected: Option<ObjectId>, new: ObjectId) -> RefUpdate {
    RefUpdate { name: "refs/heads/main".into(), expected, new }
}

fn accepted() -> Vec<RefOutcome> {
    vec![RefOutcome::Accepted]
}

/// Both ends must be sound, and the server's branch where we think it is.
fn assert_sound(pair: &Pair, tip: ObjectId) {
    git(&pair.server, &["fsck", "--strict", "--full"]);
    git(&pair.local, &["fsck", "--strict", "--full"]);
    assert_eq!(git(&pair.server, &["rev-parse", "refs/heads/main"]), tip.to_string());
}

#[tokio::test]
async fn a_poll_asks_one_question() {
    let pair = Pair::new();
    let first = pair.server_commit(None, &[("a", b"1")], "refs/heads/main");
    let shell = Arc::new(Shell { version_2: true, ..Shell::default() });
    let remote = pair.ssh(shell.clone(), "main");
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(first)));
    assert_eq!(shell.execs.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_lost_after_the_pack_leaves_the_push_unknown() {
    let pair = Pair::new();
    let shell = Arc::new(Shell::default());
    let remote = pair.ssh(shell.clone(), "main");
    let first = pair.commit(None, &[("a", b"1")]);
    shell.cut_next(Cut::AtTheEnd(pair.advertisement_length()));
    let lost = remote.push(&[update(None, first)]).await;
    assert!(
        matches!(&lost, Err(PushError::Unknown(failure)) if failure.class == FailureClass::ConnectionLost),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_command_that_the_server_did_not_answer_is_started_once_more() {
    let pair = Pair::new();
    let shell = Arc::new(Shell::default());
    let remote = pair.ssh(shell.clone(), "main");
    let first = pair.commit(None, &[("a", b"1")]);
    let cut = || shell.cut_next(Cut::BeforeTheStart);
    cut();
    assert_eq!(remote.check_write().await, Ok(()));
    cut();
    assert_eq!(remote.push(&[update(None, first)]).await, Ok(accepted()));
    cut();
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(first)));
    cut();
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(first)));
    assert_eq!(shell.execs.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn a_connection_lost_before_the_pack_is_a_push_not_sent() {
    let pair = Pair::new();
    let shell = Arc::new(Shell::default());
    let remote = pair.ssh(shell.clone(), "main");
    let first = pair.commit(None, &[("a", b"1")]);
    shell.cut_next(Cut::At(20));
    let lost = remote.push(&[update(None, first)]).await;
    assert!(
        matches!(&lost, Err(PushError::NotSent(failure)) if failure.class == FailureClass::ConnectionLost),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_renamed_folder_is_not_sent_again() {
    let pair = Pair::new();
    let remote = pair.ssh(Arc::new(Shell::default()), "main");
    let first = pair.commit(None, &[("App/A/big", &noise(300_000))]);
    assert_eq!(remote.push(&[update(None, first)]).await, Ok(accepted()));
    let second = pair.renamed(first, "App/A", "App/B");
    git(&pair.server, &["config", "receive.maxInputSize", "5000"]);
    assert_eq!(remote.push(&[update(Some(first), second)]).await, Ok(accepted()));
    assert_sound(&pair, second);
}

#[tokio::test]
async fn a_sha256_repository_is_refused_by_that_name() {
    let pair = Pair::new();
    std::fs::remove_dir_all(&pair.server).expect("removed");
    git(Path::new("/"), &["init", "-q", "--bare", "--object-format=sha256", pair.server.to_str().expect("utf-8")]);
    for remote in [
        pair.ssh(Arc::new(Shell { version_2: true, ..Shell::default() }), "main"),
        pair.ssh(Arc::new(Shell::default()), "main"),
        pair.path("main"),
    ] {
        let failure = remote.poll().await.expect_err("not supported");
        assert_eq!(failure.class, FailureClass::Protocol, "{failure}");
        assert!(failure.message.contains("object-format=sha256"), "{failure}");
    }
}

#[tokio::test]
async fn a_refusal_to_write_is_found_without_pushing() {
    let pair = Pair::new();
    let shell = Shell {
        refusal: Some("ERROR: The key you are authenticating with has been marked as read only."),
        ..Shell::default()
    };
    let failure = pair.ssh(Arc::new(shell), "main").check_write().await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::Refused);
    assert!(failure.remedy.contains("Allow write access"), "{failure}");
}

#[tokio::test]
async fn a_server_that_says_nothing_runs_into_the_time_limit() {
    let pair = Pair::new();
    let shell = Shell { stuck: true, ..Shell::default() };
    let failure = pair.ssh(Arc::new(shell), "main").poll().await.expect_err("stuck");
    assert_eq!(failure.class, FailureClass::TimeOut);
}

#[tokio::test]
async fn an_absent_path_says_so() {
    let pair = Pair::new();
    std::fs::remove_dir_all(&pair.server).expect("removed");
    let failure = pair.path("main").poll().await.expect_err("absent");
    assert!(matches!(failure.class, FailureClass::RepositoryAbsent | FailureClass::Refused), "{failure:?}");
}

#[tokio::test]
async fn a_path_is_a_remote_too() {
    let pair = Pair::new();
    let remote = pair.path("main");
    assert_eq!(remote.poll().await, Ok(RemoteTip::Unborn));
    remote.check_write().await.expect("writable");
    let first = pair.commit(None, &[("App/A/x.json", b"{}")]);
    assert_eq!(remote.push(&[update(None, first)]).await, Ok(accepted()));
    let theirs = pair.server_commit(Some(first), &[("b", b"2")], "refs/heads/main");
    let ours = pair.commit(Some(first), &[("a", b"2")]);
    assert_eq!(remote.push(&[update(Some(first), ours)]).await, Ok(vec![RefOutcome::Moved]));
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(theirs)));
    assert_eq!(remote.fetch().await, Ok(RemoteTip::At(theirs)));
    let merged = pair.commit(Some(theirs), &[("a", b"2")]);
    assert_eq!(remote.push(&[update(Some(theirs), merged)]).await, Ok(accepted()));
    let again = RefUpdate { name: "refs/heads/copy".into(), expected: None, new: merged };
    assert_eq!(remote.push(&[again]).await, Ok(accepted()));
    assert_sound(&pair, merged);
}

#[tokio::test]
async fn https_polls_fetches_and_pushes_with_the_token() {
    for version_2 in [true, false] {
        let pair = Pair::new();
        let server = http::serve(&pair.server, version_2).await;
        let remote = pair.http(&server.url("repo.git"), "s3cret");
        assert_eq!(remote.poll().await, Ok(RemoteTip::Unborn));
        remote.check_write().await.expect("may push");
        let first = pair.commit(None, &[("App/A/x.json", b"{}")]);
        assert_eq!(remote.push(&[update(None, first)]).await, Ok(accepted()));
        assert_eq!(remote.poll().await, Ok(RemoteTip::At(first)));
        let theirs = pair.server_commit(Some(first), &[("b", &noise(100_000))], "refs/heads/main");
        let ours = pair.commit(Some(first), &[("a", b"2")]);
        assert_eq!(remote.push(&[update(Some(first), ours)]).await, Ok(vec![RefOutcome::Moved]));
        assert_eq!(remote.fetch().await, Ok(RemoteTip::At(theirs)));
        let big = pair.commit(Some(theirs), &[("c", &noise(3 << 20))]);
        assert_eq!(remote.push(&[update(Some(theirs), big)]).await, Ok(accepted()));
        assert_sound(&pair, big);
    }
}

#[tokio::test]
async fn https_refusals_have_their_classes_and_never_show_the_token() {
    let pair = Pair::new();
    let server = http::serve(&pair.server, true).await;
    let first = pair.commit(None, &[("a", b"1")]);
    let wrong = pair.http(&server.url("repo.git"), "wr0ng");
    let failure = wrong.poll().await.expect_err("wrong token");
    assert_eq!(failure.class, FailureClass::Authentication);
    let absent = pair.http(&server.url("other.git"), "s3cret").poll().await.expect_err("absent");
    assert_eq!(absent.class, FailureClass::RepositoryAbsent);
    let away = pair.http(&server.url("away.git"), "s3cret").poll().await.expect_err("another host");
    assert_eq!(away.class, FailureClass::RepositoryAbsent);
    let moved = pair.http(&server.url("moved.git"), "s3cret");
    assert_eq!(moved.push(&[update(None, first)]).await, Ok(accepted()));
    pair.hook("update", "echo protected >&2; exit 1");
    let second = pair.commit(Some(first), &[("a", b"2")]);
    assert_eq!(
        moved.push(&[update(Some(first), second)]).await,
        Ok(vec![RefOutcome::Refused(
            "hook declined: protected; error: hook declined to update refs/heads/main".into()
        )])
    );
    for failure in [failure, absent, away] {
        let shown = format!("{failure:?} {failure}");
        assert!(!shown.contains("wr0ng") && !shown.contains("s3cret"), "{shown}");
    }
}

#[tokio::test]
async fn a_token_in_a_file_is_read_at_each_attempt() {
    let pair = Pair::new();
    let server = http::serve(&pair.server, true).await;
    let file = pair.folder.path().join("token");
    std::fs::write(&file, "wr0ng\n").expect("written");
    let remote = pair.http_with_file(&server.url("repo.git"), &file);
    assert_eq!(remote.poll().await.map_err(|failure| failure.class), Err(FailureClass::Authentication));
    std::fs::write(&file, "s3cret\n").expect("written");
    assert_eq!(remote.poll().await, Ok(RemoteTip::Unborn));
}
