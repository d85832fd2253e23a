//! After a failure: one attempt at a time, not too often, and everybody is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A server that accepts and closes at once, and counts.
struct Door {
    target: SshTarget,
    knocks: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Door {
    async fn new(key: &KeyPair) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let knocks = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&knocks);
        #[allow(clippy::disallowed_methods, reason = "a test ends it itself")]
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                drop(socket);
            }
        });
        let target = SshTarget { host: "127.0.0.1".into(), port, user: "git".into(), key: key.name.clone() };
        Self { target, knocks, task }
    }

    fn knocks(&self) -> usize {
        self.knocks.load(Ordering::Relaxed)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const HOUR: Duration = Duration::from_hours(1);

fn patient() -> Settings {
    Settings { retry_first: HOUR, retry_limit: HOUR, permanent_retry: HOUR, ..settings() }
}

#[tokio::test]
async fn a_thousand_callers_of_a_dead_host_make_one_attempt_and_all_are_told() {
    let key = KeyPair::ed25519("deploy");
    let door = Door::new(&key).await;
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), patient());
    let call = |_| sessions.exec(&door.target, Control, "true", &[]);
    for failed in futures::future::join_all((0..1000).map(call)).await {
        assert_eq!(failed.err().unwrap().class, FailureClass::ConnectionLost);
    }
    assert_eq!(door.knocks(), 1);
    let told = sessions.exec(&door.target, Bulk, "true", &[]).await.err().unwrap();
    assert!(told.remedy.contains("the next attempt is due in"), "{told}");
    assert_eq!(door.knocks(), 1, "the other class neither");
    let other = SshTarget { user: "other".into(), ..door.target.clone() };
    assert!(sessions.exec(&other, Control, "true", &[]).await.is_err());
    assert_eq!(door.knocks(), 2, "another user is another matter");
}

#[tokio::test]
async fn the_first_caller_after_the_wait_tries_again_and_a_person_does_at_once() {
    let key = KeyPair::ed25519("deploy");
    let door = Door::new(&key).await;
    let with_a_person = Settings { ask_again: Duration::ZERO, ..patient() };
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), with_a_person);
    for attempts in 1..=3 {
        for _ in 0..3 {
            assert!(sessions.exec(&door.target, Control, "true", &[]).await.is_err());
        }
        assert_eq!(door.knocks(), attempts);
        sessions.try_at_once(&door.target);
    }
    let impatient = Settings { retry_first: Duration::ZERO, retry_limit: Duration::ZERO, ..settings() };
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(None), impatient);
    for attempts in 4..=6 {
        assert!(sessions.exec(&door.target, Control, "true", &[]).await.is_err());
        assert_eq!(door.knocks(), attempts);
    }
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_not_tried_again_until_it_changes() {
    let settings = Settings { key_check_interval: Duration::ZERO, ..patient() };
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    scene.sshd.revoke_all();
    for class in [Control, Bulk, Control] {
        let failure = scene.start(class, "true").await.err().unwrap();
        assert_eq!(failure.class, FailureClass::Authentication);
    }
    assert_eq!(scene.keyring.uses().len(), 1);
    let other = KeyPair { generation: 2, ..KeyPair::ed25519("deploy") };
    scene.sshd.authorize(&other.public_line);
    scene.keyring.put(&other);
    assert_eq!(scene.run("echo in").await.0, "in\n");
}

#[tokio::test]
async fn a_host_key_that_is_not_trusted_is_not_asked_for_again_until_what_is_trusted_changes() {
    let key = KeyPair::ed25519("deploy");
    let Some(mut scene) = Scene::of(Setup::default(), key, patient()) else { return };
    scene.sshd.change_host_key();
    scene.sshd.restart();
    for _ in 0..3 {
        assert_eq!(scene.failure().await.class, FailureClass::HostKey);
    }
    assert_eq!(scene.sshd.log().matches("Connection from").count(), 1);
    scene.sshd.known_hosts_file(); // written anew, with the key of now
    assert_eq!(scene.run("echo trusted").await.0, "trusted\n");
}

#[tokio::test]
async fn a_warm_session_is_given_up_when_its_host_key_is_not_trusted_any_more() {
    let settings = Settings { key_check_interval: Duration::ZERO, ..patient() };
    let Some(mut scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    scene.run("true").await;
    scene.sshd.change_host_key();
    scene.sshd.known_hosts_file(); // the session stands on the other one
    let _ = scene.start(Control, "true").await; // which key the server shows now depends on its version
    scene.sshd.logged("Disconnected from user").await;
}

#[tokio::test]
async fn a_server_that_hangs_after_the_key_was_accepted_is_not_logged_in_to_at_each_call() {
    let (login_timeout, channel_open_timeout) = (Duration::from_secs(2), Duration::from_secs(2));
    let settings = Settings { login_timeout, channel_open_timeout, ..patient() };
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    let freeze = async {
        scene.sshd.logged("Accepted publickey for").await;
        scene.sshd.freeze();
        std::future::pending::<()>().await;
    };
    let failed = tokio::select! {
        failed = scene.start(Control, "sleep 1") => failed,
        () = freeze => unreachable!("it waits for the other"),
    };
    if let Err(failure) = failed {
        assert_eq!(failure.class, FailureClass::TimeOut, "{failure}");
        scene.sshd.thaw();
        assert_eq!(scene.failure().await.class, FailureClass::TimeOut);
    } // else the freeze came too late, and there is nothing to see
    assert!(scene.sshd.logins() <= 1, "none where a busy machine took longer to log in");
}

#[tokio::test]
async fn a_server_that_refuses_all_channels_is_asked_on_the_session_that_stands() {
    let Some(scene) = Scene::with_config("MaxSessions 0") else { return };
    for _ in 0..3 {
        assert_eq!(scene.failure().await.class, FailureClass::ChannelRefused);
    }
    assert_eq!(scene.sshd.logins(), 1);
}
