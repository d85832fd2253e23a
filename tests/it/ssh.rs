//! The SSH adapter against a real OpenSSH server.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod backoff;
mod rotation;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use appferry::domain::{Failure, FailureClass};
use appferry::ports::{ProcessEnd, RemoteProcess, SessionClass, SshSessions as _, SshTarget};
use appferry::ssh::{HostKeys, Sessions, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::process::free_port;
use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring, current_user};
use crate::support::{PATIENCE, fingerprint};

use SessionClass::{Bulk, Control, Shell};

/// A server that lets the key `deploy` in, and sessions that know both.
struct Scene {
    sshd: Sshd,
    key: KeyPair,
    keyring: Arc<TestKeyring>,
    sessions: Sessions,
    target: SshTarget,
}

impl Scene {
    fn new() -> Option<Self> {
        Self::of(Setup::default(), KeyPair::ed25519("deploy"), settings())
    }

    fn with_config(line: &str) -> Option<Self> {
        let setup = Setup { extra_config: vec![line.to_owned()], ..Setup::default() };
        Self::of(setup, KeyPair::ed25519("deploy"), settings())
    }

    fn of(setup: Setup, key: KeyPair, settings: Settings) -> Option<Self> {
        let sshd = Sshd::start_with(setup)?;
        sshd.authorize(&key.public_line);
        let keyring = TestKeyring::with([&key]);
        let host_keys = HostKeys::new(Some(sshd.known_hosts_file()));
        let sessions = Sessions::new(keyring.clone(), host_keys, settings);
        let target = sshd.target(&key);
        Some(Self { sshd, key, keyring, sessions, target })
    }

    async fn start(&self, class: SessionClass, command: &str) -> Result<RemoteProcess, Failure> {
        self.sessions.exec(&self.target, class, command, &[]).await
    }

    async fn run(&self, command: &str) -> (String, ProcessEnd) {
        finish(self.start(Control, command).await.expect("a session")).await
    }

    async fn failure(&self) -> Failure {
        self.start(Control, "true").await.err().expect("a failure")
    }

    /// As [`run`](Self::run), where the limits are so short that a busy machine may miss them.
    async fn run_sometime(&self, command: &str) -> (String, ProcessEnd) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.start(Control, command).await {
                Ok(process) => return finish(process).await,
                Err(failure) => assert!(Instant::now() < deadline, "{failure}"),
            }
        }
    }
}

fn settings() -> Settings {
    Settings { login_timeout: Duration::from_secs(10), ..Settings::default() }
}

async fn finish(mut process: RemoteProcess) -> (String, ProcessEnd) {
    process.stdin.shutdown().await.expect("end of input");
    let mut output = String::new();
    process.stdout.read_to_string(&mut output).await.expect("the output");
    (output, process.ended.await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_into_a_command_comes_out_of_it() {
    let Some(scene) = Scene::new() else { return };
    echo_five_megabytes(&scene).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_exchanged_again_during_a_transfer_do_not_disturb_it() {
    let Some(scene) = Scene::with_config("RekeyLimit 1M") else { return };
    echo_five_megabytes(&scene).await;
}

async fn echo_five_megabytes(scene: &Scene) {
    let RemoteProcess { mut stdin, mut stdout, ended, .. } = scene.start(Bulk, "cat").await.unwrap();
    let sent: Vec<u8> = (0..5_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    let write = async {
        stdin.write_all(&sent).await.unwrap();
        stdin.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (read, ()) = tokio::join!(stdout.read_to_end(&mut received), write);
    assert_eq!(read.unwrap(), sent.len());
    assert!(received == sent);
    let end = ended.await;
    assert_eq!((end.exit_status, end.connection_lost), (Some(0), false));
}

#[tokio::test]
async fn exit_codes_signals_and_stderr_arrive() {
    let Some(scene) = Scene::new() else { return };
    let (output, end) = scene.run("echo out; echo err >&2; exit 7").await;
    assert_eq!((output.as_str(), end.stderr.as_slice(), end.exit_status), ("out\n", b"err\n".as_slice(), Some(7)));
    let (_, end) = scene.run("kill -TERM $$").await;
    assert_eq!((end.signal.as_deref(), end.exit_status, end.connection_lost), (Some("TERM"), None, false));
    let (_, end) = scene.run("head -c 200000 /dev/zero >&2").await;
    assert_eq!((end.stderr.len(), end.exit_status), (64 << 10, Some(0)));
}

#[tokio::test]
async fn the_environment_is_passed_where_the_server_accepts_it() {
    let Some(scene) = Scene::with_config("AcceptEnv GIT_PROTOCOL") else { return };
    let env = [("GIT_PROTOCOL", "version=2"), ("OTHER", "x")];
    let process = scene.sessions.exec(&scene.target, Control, "echo $GIT_PROTOCOL:$OTHER", &env).await.unwrap();
    assert_eq!(finish(process).await.0, "version=2:\n");
}

#[tokio::test]
async fn many_commands_share_one_login_and_each_class_has_its_own() {
    let Some(scene) = Scene::new() else { return };
    for _ in 0..10 {
        assert_eq!(scene.run("echo x").await.0, "x\n");
    }
    assert_eq!(scene.sshd.logins(), 1);
    finish(scene.start(Bulk, "true").await.unwrap()).await;
    assert_eq!(scene.sshd.logins(), 2);
    let uses = scene.keyring.uses();
    assert_eq!(uses.len(), 2);
    assert_eq!(uses[0].1.outcome, "ok");
    assert_eq!(uses[0].1.purpose, format!("git {}@127.0.0.1:{}", current_user(), scene.sshd.port()));
    assert!(uses[0].1.host_key.as_ref().is_some_and(|shown| shown.starts_with("SHA256:")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_commands_at_once_make_one_login_and_wait_for_free_channels() {
    let Some(scene) = Scene::new() else { return }; // MaxSessions is 10
    let run = async |n: usize| scene.run(&format!("echo {n}")).await;
    let outputs = futures::future::join_all((0..20).map(run)).await;
    for (n, (output, end)) in outputs.into_iter().enumerate() {
        assert_eq!((output, end.exit_status), (format!("{n}\n"), Some(0)));
    }
    assert_eq!(scene.sshd.logins(), 1);
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_end_the_attempt_of_the_others() {
    let Some(scene) = Scene::new() else { return };
    let (gone, process) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(1), scene.start(Control, "true")),
        scene.start(Control, "echo here")
    );
    drop(gone);
    assert_eq!(finish(process.unwrap()).await.0, "here\n");
    assert_eq!(scene.sshd.logins(), 1);
}

#[tokio::test]
async fn after_the_server_was_killed_and_started_again_the_next_command_works() {
    let Some(mut scene) = Scene::new() else { return };
    let mut process = scene.start(Control, "echo ready; sleep 600").await.unwrap();
    process.stdout.read_exact(&mut [0; 6]).await.unwrap();
    scene.sshd.restart();
    let error = process.stdout.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(process.ended.await.connection_lost);
    assert_eq!(scene.run("echo again").await.0, "again\n");
    scene.sshd.stop();
    let failure = scene.failure().await;
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
}

#[tokio::test]
async fn a_frozen_server_is_cut_off_and_the_next_command_gets_a_new_connection() {
    let mut settings = settings();
    settings.channel_open_timeout = Duration::from_millis(300);
    settings.login_timeout = Duration::from_millis(1500);
    (settings.retry_first, settings.retry_limit) = (Duration::ZERO, Duration::ZERO);
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    scene.run_sometime("true").await;
    scene.sshd.freeze();
    let failure = scene.failure().await;
    assert_eq!(failure.class, FailureClass::TimeOut, "{failure}");
    scene.sshd.thaw();
    assert_eq!(scene.run_sometime("echo back").await.0, "back\n");
}

#[tokio::test]
async fn a_changed_host_key_shows_both_fingerprints_and_blocks_that_host_until_its_line_is_replaced() {
    let Some(mut scene) = Scene::new() else { return };
    let known = scene.sshd.known_hosts_file();
    let before = fingerprint(&scene.sshd.host_key_line());
    scene.sshd.change_host_key();
    scene.sshd.restart();
    let failure = scene.failure().await;
    assert_eq!(failure.class, FailureClass::HostKey);
    assert!(failure.message.contains(&before), "{failure}");
    assert!(failure.message.contains(&fingerprint(&scene.sshd.host_key_line())), "{failure}");
    assert!(failure.remedy.contains(&format!("replace line 1 of {}", known.display())), "{failure}");
    assert!(scene.keyring.uses().is_empty(), "nothing was proved to a host that is not trusted");
    let line = failure.remedy.split("this one: ").nth(1).unwrap();
    std::fs::write(known, line).unwrap();
    assert_eq!(scene.run("echo trusted").await.0, "trusted\n");
}

#[tokio::test]
async fn a_server_that_has_only_a_key_of_another_type_is_a_changed_host_key_too() {
    let Some(scene) = Scene::new() else { return };
    let setup = Setup { host_key_types: vec!["ecdsa"], ..Setup::default() };
    let Some(other) = Sshd::start_with(setup) else { return };
    let pinned = scene.sshd.host_key_line().replace(&scene.sshd.port().to_string(), &other.port().to_string());
    let known = other.folder().join("pinned");
    std::fs::write(&known, &pinned).unwrap();
    let sessions = Sessions::new(scene.keyring.clone(), HostKeys::new(Some(known)), settings());
    let failure = sessions.exec(&other.target(&scene.key), Control, "true", &[]).await.err().unwrap();
    assert_eq!(failure.class, FailureClass::HostKey, "{failure}");
    assert!(failure.message.contains(&fingerprint(&pinned)), "{failure}");
    assert!(failure.message.contains(&fingerprint(&other.host_key_line())), "{failure}");
}

#[tokio::test]
async fn of_several_host_keys_only_a_pinned_one_is_asked_for() {
    let setup = Setup { host_key_types: vec!["ed25519", "ecdsa", "rsa"], ..Setup::default() };
    let Some(scene) = Scene::of(setup, KeyPair::ed25519("deploy"), settings()) else { return };
    let lines = scene.sshd.host_key_lines();
    for line in &lines {
        std::fs::write(scene.sshd.folder().join("known_hosts"), line).unwrap();
        let sessions = Sessions::new(
            scene.keyring.clone(),
            HostKeys::new(Some(scene.sshd.folder().join("known_hosts"))),
            settings(),
        );
        let process = sessions.exec(&scene.target, Control, "true", &[]).await.unwrap();
        finish(process).await;
        let (_, used) = scene.keyring.uses().pop().unwrap();
        assert_eq!(used.host_key, Some(fingerprint(line)));
        sessions.shutdown().await;
    }
}

#[tokio::test]
async fn an_unknown_host_is_refused_with_the_line_that_would_trust_it() {
    let Some(scene) = Scene::new() else { return };
    let sessions = Sessions::new(scene.keyring.clone(), HostKeys::new(None), settings());
    let failure = sessions.exec(&scene.target, Control, "true", &[]).await.err().unwrap();
    assert_eq!(failure.class, FailureClass::HostKey);
    assert!(failure.message.contains(&fingerprint(&scene.sshd.host_key_line())), "{failure}");
    assert!(failure.remedy.ends_with(&scene.sshd.host_key_line()), "{failure}");
    assert_eq!(scene.sshd.logins(), 0);
}

#[tokio::test]
async fn host_names_that_openssh_hashed_are_understood() {
    let Some(scene) = Scene::new() else { return };
    let known = scene.sshd.known_hosts_file();
    let hashed = std::process::Command::new("ssh-keygen").arg("-Hf").arg(&known).output().unwrap();
    assert!(hashed.status.success());
    assert!(std::fs::read_to_string(known).unwrap().starts_with("|1|"));
    assert_eq!(scene.run("echo known").await.0, "known\n");
}

/// A host may be a Git host and a server to run commands on: each is told what it needs, and the audit log tells them apart.
#[tokio::test]
async fn a_refused_key_is_explained_by_what_it_was_for() {
    let Some(scene) = Scene::new() else { return };
    scene.sshd.revoke_all();
    assert!(scene.failure().await.remedy.contains("the repository's deploy keys"));
    let shell = scene.start(Shell, "true").await.err().expect("a failure");
    assert!(!shell.remedy.contains("repository") && shell.remedy.contains("authorized_keys on 127.0.0.1"), "{shell}");
    let place = format!("{}@127.0.0.1:{}", current_user(), scene.sshd.port());
    let purposes: Vec<String> = scene.keyring.uses().into_iter().map(|(_, used)| used.purpose).collect();
    assert_eq!(purposes, [format!("git {place}"), format!("shell {place}")]);
}

#[tokio::test]
async fn a_key_that_is_not_authorized_is_named_with_its_fingerprint_and_user() {
    let settings = Settings { ask_again: Duration::ZERO, ..settings() };
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    scene.sshd.revoke_all();
    let failure = scene.failure().await;
    assert_eq!(failure.class, FailureClass::Authentication);
    for part in ["deploy", &scene.key.fingerprint, &current_user()] {
        assert!(failure.message.contains(part), "{failure}");
    }
    assert!(failure.remedy.contains("authorized_keys"), "{failure}");
    assert_eq!(scene.keyring.uses()[0].1.outcome, "authentication");
    scene.sshd.authorize(&scene.key.public_line);
    assert_eq!(scene.failure().await.class, FailureClass::Authentication, "it is not tried at each call");
    scene.sessions.try_at_once(&scene.target);
    assert_eq!(scene.run("echo in").await.0, "in\n");
}

#[tokio::test]
async fn every_type_of_key_logs_in() {
    for key in [KeyPair::rsa("deploy"), KeyPair::ecdsa("deploy")] {
        let Some(scene) = Scene::of(Setup::default(), key, settings()) else { return };
        assert_eq!(scene.run("echo in").await.0, "in\n");
    }
}

#[tokio::test]
async fn a_rotated_key_gets_a_new_session_and_the_old_one_closes_when_its_work_is_done() {
    let mut settings = settings();
    settings.key_check_interval = Duration::ZERO;
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    let mut old = scene.start(Control, "echo ready; read line; echo $line").await.unwrap();
    old.stdout.read_exact(&mut [0; 6]).await.unwrap();
    let rotated = KeyPair { generation: 2, ..KeyPair::ed25519("deploy") };
    scene.sshd.authorize(&rotated.public_line);
    scene.keyring.put(&rotated);
    assert_eq!(scene.run("echo new").await.0, "new\n");
    assert_eq!(scene.sshd.logins(), 2);
    old.stdin.write_all(b"still here\n").await.unwrap();
    assert_eq!(finish(old).await.0, "still here\n");
    scene.sshd.logged("Disconnected from user").await;
}

#[tokio::test]
async fn a_refused_connection_and_a_name_that_does_not_exist_have_their_own_classes() {
    let key = KeyPair::ed25519("deploy");
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), settings());
    let mut target =
        SshTarget { host: "127.0.0.1".into(), port: free_port(), user: "git".into(), key: key.name.clone() };
    let failure = sessions.exec(&target, Control, "true", &[]).await.err().unwrap();
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    target.host = "no-such-host.invalid".into();
    let failure = sessions.exec(&target, Control, "true", &[]).await.err().unwrap();
    assert_eq!(failure.class, FailureClass::NameLookup, "{failure}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_time_out_and_shutdown_does_not_wait_for_it() {
    let key = KeyPair::ed25519("deploy");
    let login_timeout = Duration::from_millis(200);
    let settings = Settings { login_timeout, retry_first: Duration::ZERO, ..settings() };
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), settings);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let target = SshTarget { host: "127.0.0.1".into(), port, user: "git".into(), key: key.name.clone() };
    let failure = sessions.exec(&target, Control, "true", &[]).await.err().unwrap();
    assert_eq!(failure.class, FailureClass::TimeOut, "{failure}");
    // One that greets and then falls silent in the key exchange: its connection must not outlive the attempt.
    let greet = async {
        let (_first, _) = silent.accept().await.unwrap();
        let (mut second, _) = silent.accept().await.unwrap();
        let _ = second.write_all(b"SSH-2.0-silent\r\n").await; // on a busy machine its time is over already
        let _ = second.read_to_end(&mut Vec::new()).await; // ends with the connection, in whatever way
    };
    let ((), failure) = tokio::join!(greet, sessions.exec(&target, Control, "true", &[]));
    assert_eq!(failure.err().unwrap().class, FailureClass::TimeOut);
    tokio::time::timeout(PATIENCE, sessions.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_channel_opened_ahead_serves_the_next_command_only() {
    let Some(scene) = Scene::new() else { return };
    scene.sessions.open_ahead(&scene.target, Control).await; // nothing is warm: nothing happens
    assert_eq!(scene.sshd.logins(), 0);
    scene.run("true").await;
    scene.sessions.open_ahead(&scene.target, Control).await;
    scene.sessions.open_ahead(&scene.target, Control).await;
    let first = scene.start(Control, "echo 1").await.unwrap();
    let second = scene.start(Control, "echo 2").await.unwrap();
    assert_eq!((first.preopened, second.preopened), (true, false));
    assert_eq!((finish(first).await.0, finish(second).await.0), ("1\n".into(), "2\n".into()));
    assert_eq!(scene.sshd.logins(), 1);
}

#[tokio::test]
async fn a_server_that_allows_one_channel_serves_one_command_after_the_other() {
    let mut settings = settings();
    settings.channel_open_timeout = Duration::from_secs(2);
    let setup = Setup { extra_config: vec!["MaxSessions 1".to_owned()], ..Setup::default() };
    let Some(scene) = Scene::of(setup, KeyPair::ed25519("deploy"), settings) else { return };
    let mut first = scene.start(Control, "echo ready; read line").await.unwrap();
    first.stdout.read_exact(&mut [0; 6]).await.unwrap();
    scene.sessions.open_ahead(&scene.target, Control).await;
    let failure = scene.failure().await;
    assert_eq!(failure.class, FailureClass::ChannelRefused, "{failure}");
    let (ended, second) = tokio::join!(finish(first), scene.run_sometime("echo second"));
    assert_eq!((ended.1.connection_lost, second.0), (false, "second\n".into()));
    scene.sessions.open_ahead(&scene.target, Control).await;
    let third = scene.start(Control, "echo third").await.unwrap();
    assert!(third.preopened);
    assert_eq!(finish(third).await.0, "third\n");
    assert_eq!(scene.sshd.logins(), 1);
}

#[tokio::test]
async fn a_command_takes_the_only_channel_while_it_is_being_opened_ahead() {
    let Some(scene) = Scene::with_config("MaxSessions 1") else { return };
    scene.run("true").await;
    for _ in 0..20 {
        let ahead = scene.sessions.open_ahead(&scene.target, Control);
        let ((), (output, _)) = tokio::join!(ahead, scene.run("echo in time"));
        assert_eq!(output, "in time\n");
    }
}

#[tokio::test]
async fn dropping_a_process_gives_its_channel_back() {
    let Some(scene) = Scene::with_config("MaxSessions 2") else { return };
    for _ in 0..6 {
        drop(scene.start(Control, "cat").await.unwrap());
    }
    assert_eq!(scene.run("echo free").await.0, "free\n");
    assert_eq!(scene.sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_nobody_reads_blocks_neither_the_other_class_nor_memory_nor_shutdown() {
    let Some(scene) = Scene::new() else { return };
    let mut endless = scene.start(Bulk, "cat /dev/zero").await.unwrap();
    endless.stdout.read_exact(&mut [0; 1000]).await.unwrap();
    for _ in 0..5 {
        assert_eq!(scene.run("echo x").await.0, "x\n");
    }
    let rss = resident_bytes();
    tokio::time::sleep(Duration::from_millis(300)).await; // time in which memory would grow by hundreds of MB
    assert!(resident_bytes() < rss + (8 << 20));
    tokio::time::timeout(PATIENCE, scene.sessions.shutdown()).await.expect("it ends");
    let cut_off = endless.stdout.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(cut_off.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(endless.ended.await.connection_lost);
    assert_eq!(scene.failure().await.class, FailureClass::ConnectionLost);
}

#[tokio::test]
async fn an_idle_session_is_closed_and_opened_again_when_needed() {
    let settings = Settings { idle_close: Duration::from_millis(50), ..settings() };
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    scene.run("true").await;
    scene.sshd.logged("Disconnected from user").await;
    assert_eq!(scene.run("echo x").await.0, "x\n");
    assert_eq!(scene.sshd.logins(), 2);
}

#[tokio::test]
async fn a_forced_command_that_refuses_is_an_end_with_its_words() {
    let Some(scene) = Scene::new() else { return };
    scene.sshd.revoke_all();
    scene.sshd.authorize_with_options(&scene.key.public_line, r#"restrict,command="echo no >&2; exit 1""#);
    let (_, end) = scene.run("git-upload-pack 'x'").await;
    assert_eq!((end.stderr.as_slice(), end.exit_status), (b"no\n".as_slice(), Some(1)));
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("resident pages") * 4096
}
