//! Servers that misbehave, callers that give up, and a shutdown in the middle.

use super::*;
use crate::support::Dice;

/// A peer that accepts connections and does `answer` to each.
async fn peer<F, T>(answer: F) -> (u16, tokio::task::JoinHandle<()>)
where
    F: Fn(tokio::net::TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    #[allow(clippy::disallowed_methods, reason = "a test ends it itself")]
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            answer(socket).await;
        }
    });
    (port, task)
}

/// Writes `text` until the other side has enough.
async fn repeat(mut socket: tokio::net::TcpStream, first: &[u8], text: &[u8]) {
    if socket.write_all(first).await.is_ok() {
        while socket.write_all(text).await.is_ok() {}
    }
}

async fn failure_of(port: u16, login_timeout: Duration) -> Failure {
    let key = KeyPair::ed25519("deploy");
    let settings = Settings { login_timeout, ..settings() };
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), settings);
    let target = SshTarget { host: "127.0.0.1".into(), port, user: "git".into(), key: key.name.clone() };
    let before = resident_bytes();
    let failure = sessions.exec(&target, Control, "true", &[]).await.err().unwrap();
    assert!(resident_bytes() < before + (16 << 20), "memory stays flat");
    tokio::time::timeout(PATIENCE, sessions.shutdown()).await.unwrap();
    failure
}

#[tokio::test]
async fn endless_words_before_or_after_the_version_are_cut_off() {
    let endless: [(&[u8], &[u8]); 4] = [
        (b"", b"no line ever ends "),
        (b"", b"a banner without an end\r\n"),
        (b"SSH-2.0-x\r\n", b"\0\0\0\0\0\0\0\0"),
        (b"SSH-2.0-x\r\n", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (first, text) in endless {
        let (port, task) = peer(move |socket| repeat(socket, first, text)).await;
        let failure = failure_of(port, Duration::from_secs(5)).await;
        let known = [FailureClass::Protocol, FailureClass::ConnectionLost, FailureClass::TimeOut];
        assert!(known.contains(&failure.class), "{failure}");
        task.abort();
    }
}

#[tokio::test]
async fn a_banner_that_drips_is_cut_off_by_the_time_for_the_login() {
    let drip = |mut socket: tokio::net::TcpStream| async move {
        while socket.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (port, task) = peer(drip).await;
    let failure = failure_of(port, Duration::from_secs(1)).await;
    assert_eq!(failure.class, FailureClass::TimeOut, "{failure}");
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_errors_costs_no_memory_and_gives_its_channel_back() {
    let Some(scene) = Scene::with_config("MaxSessions 1") else { return };
    let flood = scene.start(Control, "cat /dev/zero >&2").await.unwrap();
    let before = resident_bytes();
    tokio::time::sleep(Duration::from_millis(500)).await; // time in which memory would grow by hundreds of MB
    assert!(resident_bytes() < before + (16 << 20));
    finish(scene.start(Bulk, "true").await.unwrap()).await; // the other class goes on
    drop(flood);
    assert_eq!(scene.run("echo free").await.0, "free\n");
}

#[tokio::test]
async fn a_shutdown_ends_an_attempt_to_connect_and_whoever_waits_for_it() {
    let (port, task) = peer(|socket| async move {
        std::future::pending::<()>().await;
        drop(socket);
    })
    .await;
    let key = KeyPair::ed25519("deploy");
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), settings());
    let target = SshTarget { host: "127.0.0.1".into(), port, user: "git".into(), key: key.name.clone() };
    let calls = futures::future::join_all((0..10).map(|_| sessions.exec(&target, Control, "true", &[])));
    let stop = async {
        tokio::task::yield_now().await;
        sessions.shutdown().await;
    };
    let (failed, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(calls, stop) }).await.unwrap();
    for failure in failed {
        assert_eq!(failure.err().unwrap().class, FailureClass::ConnectionLost);
    }
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_give_up_anywhere_leave_no_channel_behind() {
    let Some(scene) = Scene::with_config("MaxSessions 3") else { return };
    let mut dice = Dice::new();
    for _ in 0..200 {
        let patience = Duration::from_micros(dice.roll(6000));
        let class = if dice.roll(4) == 0 { Bulk } else { Control };
        let started = tokio::time::timeout(patience, scene.start(class, "exec cat")).await;
        drop(started);
    }
    // All three channels of both classes can be had, so nothing holds one.
    for class in [Control, Bulk] {
        let all = futures::future::join_all((0..3).map(|_| scene.start(class, "echo here; cat"))).await;
        for process in all {
            assert_eq!(finish(process.unwrap()).await.0, "here\n");
        }
    }
    assert_eq!(scene.sshd.logins(), 2);
    let deadline = Instant::now() + PATIENCE;
    while scene.sshd.runs("cat") {
        assert!(Instant::now() < deadline, "a command goes on that nobody waits for");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_limit_learnt_from_a_refusal_does_not_last_for_ever() {
    let settings = Settings {
        channel_limit_retry: Duration::from_millis(100),
        channel_open_timeout: Duration::from_millis(500),
        ..settings()
    };
    let setup = Setup { extra_config: vec!["MaxSessions 2".to_owned()], ..Setup::default() };
    let Some(scene) = Scene::of(setup, KeyPair::ed25519("deploy"), settings) else { return };
    // The server counts this one although its channel is closed, so that it seems to allow one channel only.
    let mut counted = scene.start(Control, "echo $$; exec sleep 600").await.unwrap();
    let mut pid = [0; 16];
    let length = counted.stdout.read(&mut pid).await.unwrap();
    drop(counted);
    let _first = scene.start(Control, "cat").await.unwrap();
    assert_eq!(scene.failure().await.class, FailureClass::ChannelRefused);
    let pid = std::str::from_utf8(&pid[..length]).unwrap().trim().to_owned();
    assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    assert_eq!(scene.run_sometime("echo second").await.0, "second\n");
    assert_eq!(scene.sshd.logins(), 1);
}
