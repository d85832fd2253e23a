//! A key that is being rotated: the new pair is tried first, and nobody is locked out.

use super::*;
use appferry::domain::KeyName;
use appferry::ports::{KeyUse, KeyVersion, Keyring, Pair, ResolvedKey, UsedKey};

fn at_once() -> Settings {
    Settings { key_check_interval: Duration::ZERO, ask_again: Duration::ZERO, ..settings() }
}

fn scene() -> Option<Scene> {
    Scene::of(Setup::default(), KeyPair::ed25519("deploy"), at_once())
}

fn login(key: &KeyPair, outcome: &str) -> (String, String) {
    (key.fingerprint.clone(), outcome.to_owned())
}

#[tokio::test]
async fn the_key_pair_before_stands_in_until_the_new_one_is_accepted_at_one_refusal_for_all_classes() {
    let Some(scene) = scene() else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    for class in [Control, Bulk, Control, Bulk] {
        assert_eq!(finish(scene.start(class, "echo in").await.unwrap()).await.0, "in\n");
    }
    let old_in = login(&scene.key, "ok");
    assert_eq!(scene.keyring.logins(), [login(&new, "authentication"), old_in.clone(), old_in]);

    scene.sshd.authorize(&new.public_line);
    scene.sessions.try_at_once(&scene.target);
    let process = scene.start(Control, "echo new").await.unwrap();
    assert!(process.key.as_ref().is_some_and(UsedKey::is_being_proved));
    assert_eq!(finish(process).await.0, "new\n");
    assert_eq!(scene.keyring.logins().last(), Some(&login(&new, "ok")));
    scene.sshd.logged("Disconnected from user").await; // what stood in is not kept
}

#[tokio::test]
async fn the_new_key_pair_is_tried_again_by_itself_after_its_time() {
    let settings = Settings { previous_pair_retry: Duration::ZERO, ..at_once() };
    let Some(scene) = Scene::of(Setup::default(), KeyPair::ed25519("deploy"), settings) else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    scene.run("true").await;
    scene.sshd.authorize(&new.public_line);
    scene.run("true").await;
    assert_eq!(scene.keyring.logins(), [login(&new, "authentication"), login(&scene.key, "ok"), login(&new, "ok")]);
}

#[tokio::test]
async fn when_both_pairs_are_refused_both_are_named_with_what_to_do() {
    let Some(scene) = scene() else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    scene.sshd.revoke_all();
    for _ in 0..2 {
        let failure = scene.failure().await;
        assert_eq!(failure.class, FailureClass::Authentication);
        assert!(failure.message.contains(&new.fingerprint), "{failure}");
        assert!(failure.message.contains(&scene.key.fingerprint), "{failure}");
        assert!(failure.remedy.contains("add the public key of deploy"), "{failure}");
    }
    assert_eq!(scene.keyring.logins(), [login(&new, "authentication"), login(&scene.key, "authentication")]);
}

#[tokio::test]
async fn a_server_that_ends_the_connection_after_one_refused_key_is_asked_with_the_pair_before() {
    let setup = Setup { extra_config: vec!["MaxAuthTries 1".to_owned()], ..Setup::default() };
    let Some(scene) = Scene::of(setup, KeyPair::ed25519("deploy"), at_once()) else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    assert_eq!(scene.run("echo in").await.0, "in\n");
    assert_eq!(scene.keyring.logins(), [login(&new, "authentication"), login(&scene.key, "ok")]);
}

/// Knows of a pair before that it cannot open.
struct HalfLocked(Arc<TestKeyring>);

#[async_trait::async_trait]
impl Keyring for HalfLocked {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        Ok(ResolvedKey { previous: None, ..self.0.resolve(name).await? })
    }
    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        self.0.version(name).await
    }
    async fn record_use(&self, name: &KeyName, used: KeyUse) {
        self.0.record_use(name, used).await;
    }
}

#[tokio::test]
async fn a_refused_key_whose_pair_before_cannot_be_opened_is_held_back_and_both_are_named() {
    let Some(scene) = scene() else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    let host_keys = HostKeys::new(Some(scene.sshd.known_hosts_file()));
    let sessions = Sessions::new(Arc::new(HalfLocked(Arc::clone(&scene.keyring))), host_keys, at_once());
    for _ in 0..3 {
        let failure = sessions.exec(&scene.target, Control, "true", &[]).await.err().unwrap();
        assert_eq!(failure.class, FailureClass::Authentication);
        assert!(
            failure.message.contains(&new.fingerprint) && failure.message.contains("cannot be opened"),
            "{failure}"
        );
    }
    assert_eq!(scene.keyring.logins(), [login(&new, "authentication")]);
}

#[tokio::test]
async fn only_a_refusal_of_the_key_makes_the_one_before_be_tried() {
    let Some(mut scene) = scene() else { return };
    scene.keyring.rotate(&scene.key.name);
    scene.sshd.stop();
    assert_eq!(scene.failure().await.class, FailureClass::Connect);
    assert_eq!(scene.keyring.logins(), []);
}

#[tokio::test]
async fn the_end_of_a_rotation_costs_the_new_pair_no_reconnection_and_ends_what_the_old_one_opened() {
    let Some(scene) = scene() else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    scene.sshd.authorize(&new.public_line);
    scene.run("true").await;
    scene.keyring.drop_previous(&scene.key.name);
    let process = scene.start(Control, "true").await.unwrap();
    assert!(process.key.as_ref().is_some_and(|key| key.version.previous.is_none()), "it is not proved any more");
    finish(process).await;
    assert_eq!(scene.sshd.logins(), 1);

    let refused = scene.keyring.rotate(&scene.key.name);
    scene.run("true").await; // the pair before, which is `new`, stands in
    scene.keyring.drop_previous(&scene.key.name);
    let failure = scene.failure().await;
    assert_eq!(failure.class, FailureClass::Authentication);
    assert!(failure.message.contains(&refused.fingerprint), "{failure}");
    scene.sshd.logged("Disconnected from user").await;
}

#[tokio::test]
async fn a_command_can_be_run_as_who_the_key_pair_before_logs_in() {
    let Some(scene) = scene() else { return };
    let new = scene.keyring.rotate(&scene.key.name);
    scene.sshd.revoke_all();
    scene.sshd.authorize_with_options(&scene.key.public_line, r#"command="echo old""#);
    scene.sshd.authorize_with_options(&new.public_line, r#"command="echo new""#);
    let old = scene.sessions.exec_with_previous(&scene.target, Control, "true", &[]).await.unwrap();
    assert!(old.key.as_ref().is_some_and(|key| key.pair == Pair::Previous));
    assert_eq!(finish(old).await.0, "old\n");
    assert_eq!(scene.run("true").await.0, "new\n");
    let old = scene.sessions.exec_with_previous(&scene.target, Control, "true", &[]).await.unwrap();
    assert_eq!(finish(old).await.0, "old\n");
    scene.keyring.drop_previous(&scene.key.name);
    let now = scene.sessions.exec_with_previous(&scene.target, Control, "true", &[]).await.unwrap();
    assert_eq!(finish(now).await.0, "new\n", "there is no other any more");
}

#[tokio::test]
async fn looking_whether_the_key_changed_opens_no_private_key() {
    let Some(scene) = scene() else { return };
    for _ in 0..5 {
        scene.run("true").await;
    }
    assert_eq!((scene.keyring.opened(), scene.sshd.logins()), (1, 1));
}
