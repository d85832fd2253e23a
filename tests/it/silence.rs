//! Servers that vanish without a word: what waits for them must end, and soon.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use appferry::domain::Failure;
use appferry::ports::{RemoteProcess, SessionClass, SshSessions as _};
use appferry::ssh::{Sessions, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::task::TaskTracker;

use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring};
use crate::support::{run, skip};

/// Set for the child, whose network nobody else uses.
const OWN_NETWORK: &str = "APPFERRY_TEST_OWN_NETWORK";

/// A command on a real server, by sessions with these settings.
struct Scene {
    sshd: Sshd,
    sessions: Sessions,
    process: RemoteProcess,
}

impl Scene {
    async fn start(settings: Settings, command: &str) -> Option<Self> {
        let sshd = Sshd::start_with(Setup::default())?;
        let key = KeyPair::ed25519("deploy");
        sshd.authorize(&key.public_line);
        let trusted = appferry::ssh::HostKeys::new(Some(sshd.known_hosts_file()));
        let sessions = Sessions::new(TestKeyring::with([&key]), trusted, settings);
        let mut process = session(sessions.exec(&sshd.target(&key), SessionClass::Bulk, command, &[]).await);
        process.stdout.read_exact(&mut [0; 6]).await.expect("it says that it is ready");
        Some(Self { sshd, sessions, process })
    }

    /// Waits for the end of the command, which must be a lost connection, and answers how long that took.
    async fn end(mut self) -> Duration {
        let began = Instant::now();
        let mut output = Vec::new();
        let ended = async {
            let error = self.process.stdout.read_to_end(&mut output).await.expect_err("the connection was lost");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            self.process.ended.await
        };
        let end = tokio::time::timeout(Duration::from_secs(30), ended).await.expect("it ends");
        assert!(end.connection_lost, "{end:?}");
        let took = began.elapsed();
        self.sessions.shutdown().await;
        took
    }
}

fn session(started: Result<RemoteProcess, Failure>) -> RemoteProcess {
    started.unwrap_or_else(|failure| panic!("no session: {failure}"))
}

/// Three questions in two seconds: a server that is only busy answers by then.
fn impatient() -> Settings {
    Settings { keepalive_interval: Duration::from_millis(700), keepalive_max: 2, ..Settings::default() }
}

/// No answer is ever missed: only the kernel tells, when a second has gone by without an acknowledgement.
fn trusting() -> Settings {
    Settings { keepalive_interval: Duration::from_secs(1), keepalive_max: 0, ..Settings::default() }
}

#[tokio::test]
async fn a_waiting_command_ends_when_a_frozen_server_answers_no_question() {
    let Some(scene) = Scene::start(impatient(), "echo ready; sleep 600").await else { return };
    scene.sshd.freeze(); // its kernel goes on to acknowledge
    let took = scene.end().await;
    assert!(took >= Duration::from_millis(500), "{took:?}: not before it was asked");
}

#[test]
fn what_waits_for_a_server_that_vanished_without_a_word_ends() {
    if std::env::var_os(OWN_NETWORK).is_some() {
        return;
    }
    // A network of its own; root needs nothing else for that, others need the rights over it, but no other name.
    let unshare: &[&str] = if rustix::process::geteuid().is_root() {
        &["--net"]
    } else {
        &["--user", "--map-current-user", "--keep-caps", "--net"]
    };
    let probe = [unshare, &["ip", "link", "set", "lo", "up"]].concat();
    if !run("unshare", &probe, Path::new("/"), b"").status.success() {
        skip("a network namespace is not allowed here, or `ip` is missing: apt-get install iproute2");
        return;
    }
    for case in ["child_with_nothing_outstanding", "child_with_unacknowledged_data"] {
        let child = Command::new("unshare")
            .args(unshare)
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", &format!("silence::{case}"), "--nocapture"])
            .env(OWN_NETWORK, "1")
            .output()
            .expect("run this program again");
        let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && said.contains("1 passed"), "{case}:\n{said}");
    }
}

/// Takes the child's network up or down; nothing that stands is told.
fn network(state: &str) {
    let done = run("ip", &["link", "set", "lo", state], Path::new("/"), b"");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Not a test by itself: see [`what_waits_for_a_server_that_vanished_without_a_word_ends`].
#[tokio::test]
async fn child_with_nothing_outstanding() {
    if std::env::var_os(OWN_NETWORK).is_none() {
        return;
    }
    network("up");
    let Some(scene) = Scene::start(impatient(), "echo ready; sleep 600").await else { return };
    network("down");
    let took = scene.end().await;
    assert!(took >= Duration::from_millis(500), "{took:?}: not before it was asked");
}

/// Not a test by itself: see [`what_waits_for_a_server_that_vanished_without_a_word_ends`].
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_with_unacknowledged_data() {
    if std::env::var_os(OWN_NETWORK).is_none() {
        return;
    }
    network("up");
    let Some(mut scene) = Scene::start(trusting(), "echo ready; cat >/dev/null; sleep 600").await else { return };
    let (kept, _other) = tokio::io::duplex(1);
    let mut stdin = std::mem::replace(&mut scene.process.stdin, Box::pin(kept));
    let writing = TaskTracker::new().spawn(async move { while stdin.write_all(&[0; 16 << 10]).await.is_ok() {} });
    tokio::time::sleep(Duration::from_millis(200)).await; // the transfer is under way
    assert!(!writing.is_finished());
    network("down");
    let took = scene.end().await;
    assert!(took >= Duration::from_millis(500), "{took:?}: not before the kernel gave up");
    writing.await.expect("the writer ends, too");
}
