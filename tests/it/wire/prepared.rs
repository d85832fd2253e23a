//! Pushes that were prepared ahead, through a real OpenSSH server.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use appferry::domain::{Failure, ObjectId, RepoUrl};
use appferry::git::remote::TimeLimits;
use appferry::ports::{PushError, RefOutcome, Remote, RemoteProcess, RemoteTip, SessionClass, SshSessions, SshTarget};
use appferry::ssh::{HostKeys, Sessions, Settings};
use async_trait::async_trait;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;

use super::double::{Pair, git};
use super::{accepted, assert_sound, update};
use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring, current_user};

const PATIENCE: Duration = Duration::from_secs(20);
const UNUSED: Duration = Duration::from_secs(10);

/// A repository with one commit behind a real server, and a remote that is warm.
struct Scene {
    sshd: Sshd,
    pair: Pair,
    sessions: Arc<Watched>,
    remote: Arc<dyn Remote>,
    first: ObjectId,
}

impl Scene {
    async fn new() -> Option<Self> {
        Self::of(Setup::default(), UNUSED).await
    }

    async fn of(setup: Setup, unused: Duration) -> Option<Self> {
        let sshd = Sshd::start_with(setup)?;
        let pair = Pair::new();
        let key = KeyPair::ed25519("deploy");
        sshd.authorize(&key.public_line);
        let host_keys = HostKeys::new(Some(sshd.known_hosts_file()));
        let sessions = Sessions::new(TestKeyring::with([&key]), host_keys, Settings::default());
        let sessions = Arc::new(Watched { sessions, seen: watch::Sender::default(), commands: Mutex::default() });
        let path = pair.server.to_str().expect("utf-8").to_owned();
        let url = RepoUrl::Ssh { user: current_user(), host: "127.0.0.1".into(), port: sshd.port(), path };
        let limits = TimeLimits { prepared: unused, ..TimeLimits::default() };
        let remote = pair.through(sessions.clone(), url, limits);
        let first = pair.commit(None, &[("a", b"1")]);
        assert_eq!(remote.push(&[update(None, first)]).await, Ok(accepted()));
        sessions.commands.lock().expect("commands").clear();
        Some(Self { sshd, pair, sessions, remote, first })
    }

    /// Has a push prepared, and waits until the server has said all that it says unasked.
    async fn prepare(&self) {
        let mut seen = self.sessions.seen.subscribe();
        let before = seen.borrow_and_update().advertised;
        self.remote.prepare_push().await;
        let advertised = seen.wait_for(|seen| seen.advertised > before);
        tokio::time::timeout(PATIENCE, advertised).await.expect("it is prepared").expect("the sender lives");
    }

    /// Kills what is prepared, on the server, and waits until we have heard of it.
    async fn kill_prepared(&self) {
        let mut seen = self.sessions.seen.subscribe();
        let before = seen.borrow_and_update().ended;
        self.sshd.kill_commands("receive-pack");
        let ended = seen.wait_for(|seen| seen.ended > before);
        tokio::time::timeout(PATIENCE, ended).await.expect("its end is seen").expect("the sender lives");
    }

    async fn push_change(&self, content: &[u8]) -> (ObjectId, Result<Vec<RefOutcome>, PushError>) {
        let next = self.pair.commit(Some(self.first), &[("a", content)]);
        (next, self.remote.push(&[update(Some(self.first), next)]).await)
    }

    fn pushes_started(&self) -> usize {
        self.sessions.started("git-receive-pack").len()
    }

    async fn no_process_is_left(&self) {
        let look = async {
            while self.sshd.runs("receive-pack") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, look).await.expect("the server's process ends");
    }
}

#[tokio::test]
async fn a_prepared_push_is_accepted_on_the_process_that_waited() {
    let Some(scene) = Scene::new().await else { return };
    scene.prepare().await;
    scene.remote.prepare_push().await; // one is enough
    let (next, outcome) = scene.push_change(b"2").await;
    assert_eq!(outcome, Ok(accepted()));
    assert_eq!(scene.pushes_started(), 1);
    assert_sound(&scene.pair, next);
}

#[tokio::test]
async fn a_push_joins_the_preparation_that_is_under_way() {
    let Some(scene) = Scene::new().await else { return };
    scene.remote.prepare_push().await;
    let (next, outcome) = scene.push_change(b"2").await;
    assert_eq!((outcome, scene.pushes_started()), (Ok(accepted()), 1));
    assert_sound(&scene.pair, next);
}

#[tokio::test]
async fn a_race_lost_after_preparing_is_moved() {
    let Some(scene) = Scene::new().await else { return };
    scene.prepare().await;
    let theirs = scene.pair.server_commit(Some(scene.first), &[("b", b"2")], "refs/heads/main");
    let (_, outcome) = scene.push_change(b"2").await;
    assert_eq!(outcome, Ok(vec![RefOutcome::Moved]));
    assert_eq!(scene.pushes_started(), 1, "the server's own compare-and-swap refused it");
    assert_sound(&scene.pair, theirs);
}

#[tokio::test]
async fn what_was_advertised_before_the_caller_knew_better_is_not_believed() {
    let Some(scene) = Scene::new().await else { return };
    let second = scene.pair.commit(Some(scene.first), &[("a", b"2")]);
    let third = scene.pair.commit(Some(second), &[("a", b"3")]);
    scene.prepare().await;
    let from_here = format!("{second}:refs/heads/main");
    git(&scene.pair.local, &["push", "-q", scene.pair.server.to_str().expect("utf-8"), &from_here]);
    assert_eq!(scene.remote.push(&[update(Some(second), third)]).await, Ok(accepted()));
    assert_eq!(scene.pushes_started(), 2);
    assert_sound(&scene.pair, third);
    scene.no_process_is_left().await;
}

#[tokio::test]
async fn a_prepared_process_that_was_killed_does_not_harm_the_push() {
    let Some(scene) = Scene::new().await else { return };
    scene.prepare().await;
    scene.kill_prepared().await;
    let (next, outcome) = scene.push_change(b"2").await;
    assert_eq!(outcome, Ok(accepted()));
    assert_sound(&scene.pair, next);
}

#[tokio::test]
async fn a_process_that_dies_with_the_whole_push_is_asked_after() {
    let Some(scene) = Scene::new().await else { return };
    scene.pair.hook("pre-receive", "mkdir once 2>/dev/null && kill -9 $PPID; cat >/dev/null");
    scene.prepare().await;
    let (next, outcome) = scene.push_change(b"2").await;
    assert_eq!((outcome, scene.pushes_started()), (Ok(accepted()), 2));
    assert_sound(&scene.pair, next);
}

#[tokio::test]
async fn a_push_that_landed_without_a_report_is_found_again() {
    let Some(scene) = Scene::new().await else { return };
    scene.pair.hook("reference-transaction", "cat >/dev/null; [ \"$1\" != committed ] || kill -9 $PPID");
    scene.prepare().await;
    let (next, outcome) = scene.push_change(b"2").await;
    assert_eq!(outcome, Ok(accepted()));
    assert_sound(&scene.pair, next);
}

#[tokio::test]
async fn without_a_report_and_without_another_look_the_outcome_is_unknown() {
    let Some(scene) = Scene::new().await else { return };
    scene.pair.hook("pre-receive", "mv \"$(pwd -P)\" \"$(pwd -P).away\"; kill -9 $PPID");
    scene.prepare().await;
    let (_, outcome) = scene.push_change(b"2").await;
    assert!(matches!(outcome, Err(PushError::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_was_restarted_after_preparing_gets_the_push() {
    let Some(mut scene) = Scene::new().await else { return };
    scene.prepare().await;
    scene.sshd.restart();
    let (next, outcome) = scene.push_change(b"2").await;
    assert_eq!(outcome, Ok(accepted()));
    assert_sound(&scene.pair, next);
}

#[tokio::test]
async fn a_server_that_went_away_after_preparing_was_not_sent_the_push() {
    let Some(mut scene) = Scene::new().await else { return };
    scene.prepare().await;
    let mut seen = scene.sessions.seen.subscribe();
    let before = seen.borrow_and_update().ended;
    scene.sshd.stop();
    seen.wait_for(|seen| seen.ended > before).await.expect("the sender lives");
    let (_, outcome) = scene.push_change(b"2").await;
    assert!(matches!(outcome, Err(PushError::NotSent(_))), "{outcome:?}");
}

#[tokio::test]
async fn the_words_of_a_hook_come_through_a_prepared_push() {
    let Some(scene) = Scene::new().await else { return };
    scene.pair.hook("pre-receive", "echo no pushes on friday >&2; exit 1");
    scene.prepare().await;
    let (_, outcome) = scene.push_change(b"2").await;
    let words = "pre-receive hook declined: no pushes on friday".to_owned();
    assert_eq!((outcome, scene.pushes_started()), (Ok(vec![RefOutcome::Refused(words)]), 1));
}

#[tokio::test]
async fn what_was_prepared_in_vain_ends_by_itself() {
    let Some(scene) = Scene::of(Setup::default(), Duration::from_millis(100)).await else { return };
    scene.prepare().await;
    scene.no_process_is_left().await;
    let (_, outcome) = scene.push_change(b"2").await;
    assert_eq!((outcome, scene.pushes_started()), (Ok(accepted()), 2));
}

#[tokio::test]
async fn what_is_prepared_ends_with_the_remote() {
    let Some(mut scene) = Scene::new().await else { return };
    scene.prepare().await;
    assert!(scene.sshd.runs("receive-pack"));
    scene.remote = scene.pair.path("main");
    scene.no_process_is_left().await;
}

#[tokio::test]
async fn a_host_that_ends_prepared_processes_is_not_bothered_again() {
    let Some(scene) = Scene::new().await else { return };
    for _ in 0..2 {
        scene.prepare().await;
        scene.kill_prepared().await;
    }
    scene.remote.prepare_push().await;
    assert_eq!(scene.remote.fetch().await, Ok(RemoteTip::At(scene.first)));
    assert_eq!(scene.pushes_started(), 2);
    let (_, outcome) = scene.push_change(b"2").await;
    assert_eq!(outcome, Ok(accepted()));
}

#[tokio::test]
async fn a_prepared_push_gives_way_where_only_one_channel_is_allowed() {
    let setup = Setup { extra_config: vec!["MaxSessions 1".to_owned()], ..Setup::default() };
    let Some(scene) = Scene::of(setup, UNUSED).await else { return };
    scene.prepare().await;
    let theirs = scene.pair.server_commit(Some(scene.first), &[("b", b"2")], "refs/heads/main");
    assert_eq!(scene.remote.fetch().await, Ok(RemoteTip::At(theirs)));
    scene.no_process_is_left().await;
}

/// One command a poll, on a channel that is open already: whether the server takes version 2 or not.
#[tokio::test]
async fn polls_find_their_channel_open() {
    for accepts in [&["AcceptEnv GIT_PROTOCOL"][..], &[]] {
        let setup = Setup { extra_config: accepts.iter().map(|line| (*line).to_owned()).collect(), ..Setup::default() };
        let Some(scene) = Scene::of(setup, UNUSED).await else { return };
        let mut seen = scene.sessions.seen.subscribe();
        for n in 1..=3 {
            assert_eq!(scene.remote.poll().await, Ok(RemoteTip::At(scene.first)));
            let opened = seen.wait_for(|seen| seen.opened_for_control >= n);
            tokio::time::timeout(PATIENCE, opened).await.expect("opened ahead").expect("the sender lives");
        }
        assert_eq!(scene.sessions.started("git-upload-pack"), [false, true, true]);
    }
}

/// Real sessions, watched.
struct Watched {
    sessions: Sessions,
    seen: watch::Sender<Seen>,
    /// What was started, and whether its channel was open already.
    commands: Mutex<Vec<(String, bool)>>,
}

#[derive(Default)]
struct Seen {
    /// Outputs that have come to a flush packet: for a push, that is the end of the advertisement.
    advertised: usize,
    /// Outputs that have ended.
    ended: usize,
    opened_for_control: usize,
}

impl Watched {
    fn started(&self, program: &str) -> Vec<bool> {
        let commands = self.commands.lock().expect("commands");
        commands.iter().filter(|(command, _)| command.starts_with(program)).map(|(_, open)| *open).collect()
    }
}

#[async_trait]
impl SshSessions for Watched {
    async fn exec(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        let mut process = self.sessions.exec(target, class, command, env).await?;
        self.commands.lock().expect("commands").push((command.to_owned(), process.preopened));
        process.stdout = Box::pin(WatchedOutput { output: process.stdout, seen: self.seen.clone() });
        Ok(process)
    }

    async fn open_ahead(&self, target: &SshTarget, class: SessionClass) {
        self.sessions.open_ahead(target, class).await;
        if class == SessionClass::Control {
            self.seen.send_modify(|seen| seen.opened_for_control += 1);
        }
    }
}

struct WatchedOutput {
    output: Pin<Box<dyn AsyncRead + Send>>,
    seen: watch::Sender<Seen>,
}

impl AsyncRead for WatchedOutput {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(self.output.as_mut().poll_read(cx, buf));
        let new = &buf.filled()[before..];
        let (ended, flushed) = (new.is_empty(), new.ends_with(b"0000"));
        self.seen.send_modify(|seen| {
            seen.ended += usize::from(ended);
            seen.advertised += usize::from(flushed);
        });
        Poll::Ready(read)
    }
}
