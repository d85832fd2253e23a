//! A key that is being rotated, as the Git services of a real OpenSSH server take it (rule 23).

use std::sync::Arc;
use std::time::{Duration, Instant};

use appferry::domain::{FailureClass, ObjectId, RepoUrl};
use appferry::git::remote::TimeLimits;
use appferry::ports::{GitService, Remote, RemoteTip};
use appferry::ssh::{HostKeys, Sessions, Settings};

use super::double::Pair;
use super::{accepted, assert_sound, update};
use crate::support::PATIENCE;
use crate::support::sshd::{KeyPair, Sshd, TestKeyring, current_user};

use GitService::{Read, Write};

/// What a provider says to a key without access; the login was accepted.
const STRANGER: &str = r#"command="echo 'ERROR: Repository not found.' >&2; exit 1""#;
/// A deploy key without write access.
const READER: &str = r#"command="case $SSH_ORIGINAL_COMMAND in *receive-pack*) echo 'ERROR: The key you are authenticating with has been marked as read only.' >&2; exit 1;; *) eval $SSH_ORIGINAL_COMMAND;; esac""#;

/// A repository with one commit, and a key that is being rotated.
struct Scene {
    sshd: Sshd,
    pair: Pair,
    keyring: Arc<TestKeyring>,
    sessions: Arc<Sessions>,
    old: KeyPair,
    new: KeyPair,
    first: ObjectId,
}

impl Scene {
    fn new() -> Option<Self> {
        let sshd = Sshd::start()?;
        let pair = Pair::new();
        let first = pair.server_commit(None, &[("a", b"1")], "refs/heads/main");
        let old = KeyPair::ed25519("deploy");
        let keyring = TestKeyring::with([&old]);
        let new = keyring.rotate(&old.name);
        let host_keys = HostKeys::new(Some(sshd.known_hosts_file()));
        let settings = Settings { key_check_interval: Duration::ZERO, ..Settings::default() };
        let sessions = Arc::new(Sessions::new(keyring.clone(), host_keys, settings));
        Some(Self { sshd, pair, keyring, sessions, old, new, first })
    }

    fn remote(&self, rotation: Duration, writes: bool) -> Arc<dyn Remote> {
        let path = self.pair.server.to_str().expect("utf-8").to_owned();
        let url = RepoUrl::Ssh { user: current_user(), host: "127.0.0.1".into(), port: self.sshd.port(), path };
        let limits = TimeLimits { rotation, ..TimeLimits::default() };
        self.pair.through_for(self.sessions.clone(), url, limits, writes)
    }

    fn allow(&self, old: Option<&str>, new: Option<&str>) {
        self.sshd.revoke_all();
        for (key, options) in [(&self.old, old), (&self.new, new)] {
            if let Some(options) = options {
                self.sshd.authorize_with_options(&key.public_line, options);
            }
        }
    }

    /// The services that were told to have answered to the new pair.
    fn told(&self) -> Vec<GitService> {
        let answers = self.keyring.answers();
        assert!(answers.iter().all(|(version, _)| version.fingerprint == self.new.fingerprint));
        answers.into_iter().map(|(_, service)| service).collect()
    }

    /// Fetches, and pushes a change.
    async fn push_change(&self, remote: &dyn Remote) {
        assert_eq!(remote.fetch().await, Ok(RemoteTip::At(self.first)));
        let second = self.pair.commit(Some(self.first), &[("a", b"2")]);
        assert_eq!(remote.push(&[update(Some(self.first), second)]).await, Ok(accepted()));
        assert_sound(&self.pair, second);
    }
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_key_pair_that_is_let_in_but_has_no_access_is_replaced_by_the_one_before() {
    let Some(scene) = Scene::new() else { return };
    scene.allow(Some(""), Some(STRANGER));
    let remote = scene.remote(LONG, true);
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    scene.push_change(&*remote).await;
    remote.check_write().await.expect("the pair before may push");
    assert_eq!(scene.told(), [], "a login is no proof");
}

#[tokio::test]
async fn both_services_are_proved_by_polls_alone_and_told_once() {
    let Some(scene) = Scene::new() else { return };
    scene.allow(Some(""), Some(""));
    let remote = scene.remote(LONG, true);
    for _ in 0..3 {
        assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    }
    assert_eq!(scene.told(), [Read, Write]);
}

#[tokio::test]
async fn an_instance_that_never_pushes_proves_its_key_by_reading() {
    let Some(scene) = Scene::new() else { return };
    scene.allow(Some(""), Some(READER));
    let remote = scene.remote(LONG, false);
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    assert_eq!(scene.told(), [Read, Write]);
}

#[tokio::test]
async fn a_new_pair_that_may_only_read_reads_while_the_one_before_pushes() {
    let Some(scene) = Scene::new() else { return };
    scene.allow(Some(""), Some(READER));
    let remote = scene.remote(LONG, true);
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    scene.push_change(&*remote).await;
    assert_eq!(scene.told(), [Read]);
}

#[tokio::test]
async fn access_given_later_is_found_by_itself() {
    let Some(scene) = Scene::new() else { return };
    scene.allow(Some(""), Some(STRANGER));
    let remote = scene.remote(Duration::from_secs(2), true);
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    assert_eq!(scene.told(), []);
    scene.allow(Some(""), Some(""));
    scene.sshd.cut_connections(); // the options are those of the login
    let deadline = Instant::now() + PATIENCE;
    while scene.told().len() < 2 {
        assert!(Instant::now() < deadline, "the new pair was never tried again");
        assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    }
    assert!(scene.told().starts_with(&[Read, Write]), "{:?}", scene.told());
}

#[tokio::test]
async fn when_neither_pair_has_access_both_are_named_and_both_are_tried_again() {
    let Some(scene) = Scene::new() else { return };
    scene.allow(Some(STRANGER), Some(STRANGER));
    let remote = scene.remote(LONG, true);
    for _ in 0..2 {
        let failure = remote.poll().await.expect_err("no access");
        assert_eq!(failure.class, FailureClass::RepositoryAbsent);
        assert!(failure.message.contains(&scene.old.fingerprint), "{failure}");
    }
    scene.allow(None, Some(""));
    scene.sshd.cut_connections();
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
}

#[tokio::test]
async fn without_a_rotation_a_refusal_is_what_it_is_and_nothing_is_told() {
    let Some(scene) = Scene::new() else { return };
    scene.keyring.drop_previous(&scene.new.name);
    scene.allow(None, Some(STRANGER));
    let remote = scene.remote(LONG, true);
    let failure = remote.poll().await.expect_err("no access");
    assert_eq!(failure.class, FailureClass::RepositoryAbsent);
    assert!(!failure.message.contains("the key pair before"), "{failure}");
    scene.allow(None, Some(""));
    scene.sshd.cut_connections();
    assert_eq!(remote.poll().await, Ok(RemoteTip::At(scene.first)));
    assert_eq!(scene.told(), []);
}
