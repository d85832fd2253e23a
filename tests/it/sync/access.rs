//! Keys, host keys and what a key may do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use appferry::domain::FailureClass;
use appferry::domain::status::{RepositoryState, RepositoryStatus};

use crate::support::PATIENCE;
use crate::support::apps::{set, value, write, write_app};
use crate::support::run;
use crate::support::world::{KEY, World};

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

fn error_of(repository: &RepositoryStatus) -> (FailureClass, String) {
    let error = repository.last_error.as_ref().expect("an error");
    (error.failure.class, error.failure.to_string())
}

#[test]
fn a_wrong_key_name_lists_the_names_there_are_and_points_out_the_near_miss() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.generate_key("Other-Key");
    dev.set("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "myGitSynckey");
    dev.start();
    let repository = dev.wait_for_state(RepositoryState::Blocked);
    let (class, words) = error_of(&repository);
    assert_eq!(class, FailureClass::Key);
    assert!(words.contains("myGitSynckey") && words.contains(KEY) && words.contains("Other-Key"), "{words}");
    assert_eq!(world.sshd.logins(), 0, "nothing else was tried in its place");
    let key = repository.key.expect("the key that was asked for");
    assert_eq!((key.name.as_str(), key.fingerprint), ("myGitSynckey", None));
}

#[test]
fn a_key_made_while_the_worker_waits_for_it_is_taken_up() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_for_state(RepositoryState::Blocked);
    world.sshd.authorize(&dev.generate_key(KEY));
    let repository = dev.wait_until_in_sync();
    assert!(repository.key.and_then(|key| key.fingerprint).is_some_and(|print| print.starts_with("SHA256:")));
}

#[test]
fn a_wrong_host_key_is_refused_and_both_fingerprints_are_shown() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    let known = fingerprint(world.sshd.folder(), &world.sshd.host_key_line());
    world.sshd.change_host_key();
    world.sshd.restart();
    let offered = fingerprint(world.sshd.folder(), &world.sshd.host_key_line());
    assert_ne!(known, offered);

    dev.start();
    let (class, words) = error_of(&dev.wait_for_state(RepositoryState::Blocked));
    assert_eq!(class, FailureClass::HostKey);
    assert!(words.contains(&known) && words.contains(&offered), "{known} and {offered} in: {words}");
    assert_eq!(world.sshd.logins(), 0, "no login was tried");
    assert_eq!(world.repo.branches(), Vec::<String>::new());
}

#[test]
fn an_unknown_host_is_refused_with_its_fingerprint() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.env.remove("APPFERRY_KNOWN_HOSTS");
    dev.start();
    let (class, words) = error_of(&dev.wait_for_state(RepositoryState::Blocked));
    assert_eq!(class, FailureClass::HostKey);
    let offered = fingerprint(world.sshd.folder(), &world.sshd.host_key_line());
    assert!(words.contains(&offered), "{words}");
    assert!(words.contains("APPFERRY_KNOWN_HOSTS"), "it says what to do: {words}");
}

#[test]
fn a_key_that_is_not_authorised_is_an_authentication_failure_that_shows_the_public_key() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    let public = dev.generate_key(KEY);
    dev.start();
    let repository = dev.wait_for_state(RepositoryState::Blocked);
    let (class, words) = error_of(&repository);
    assert_eq!(class, FailureClass::Authentication);
    assert!(words.contains(KEY), "{words}");
    let print = repository.key.and_then(|key| key.fingerprint).expect("its fingerprint");
    assert_eq!(print, fingerprint(world.sshd.folder(), &public));
}

#[test]
fn a_key_revoked_while_the_worker_runs_blocks_it_visibly() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.revoke_all();
    world.sshd.cut_connections();
    dev.wait_for_state(RepositoryState::Blocked);
    world.sshd.authorize(&dev.cli_text(&["keys", "public", KEY]));
    dev.stop();
    dev.start();
    dev.wait_until_in_sync();
}

#[test]
fn a_read_only_key_pulls_and_is_told_that_it_may_not_push() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    let wrapper = world.sshd.folder().join("read-only.sh");
    write(
        &wrapper,
        "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n\
         *git-receive-pack*) echo 'ERROR: this deploy key is read-only' >&2; exit 1 ;;\n\
         *) exec sh -c \"$SSH_ORIGINAL_COMMAND\" ;;\nesac\n",
    );
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("make it executable");
    let options = format!("restrict,command=\"{}\"", wrapper.display());
    world.sshd.authorize_with_options(&dev.generate_key(KEY), &options);
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
        write_app(&tree.join("App"), "Other");
    });
    dev.start();
    dev.wait_until("both apps", |repository| repository.apps.len() == 2);
    dev.wait_until_in_sync();

    set(&dev.apps.join(SCREEN), "color", "green");
    let (class, words) = error_of(&dev.wait_until("a refusal", |repository| repository.last_error.is_some()));
    assert_eq!(class, FailureClass::Refused, "{words}");
    assert!(words.contains("this deploy key is read-only"), "the server's own words: {words}");

    let other_screen = "Other/screens/Screen 2/meta.json";
    world.repo.somebody_commits("Go on", |tree| set(&tree.join("App").join(other_screen), "title", "New"));
    dev.wait(PATIENCE, "changes still arrive", || value(&dev.apps.join(other_screen), "title") == Some("New".into()));
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("green".into()), "our save is still here");
}

#[test]
fn a_push_that_fails_while_reading_works_is_tried_again_less_and_less_often() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    let (wrapper, tries) = (world.sshd.folder().join("no-push.sh"), world.sshd.folder().join("tries"));
    write(
        &wrapper,
        format!(
            "#!/bin/sh\ncase \"$SSH_ORIGINAL_COMMAND\" in\n\
             *git-receive-pack*) echo try >>{}; echo 'git-receive-pack: not found' >&2; exit 127 ;;\n\
             *) exec sh -c \"$SSH_ORIGINAL_COMMAND\" ;;\nesac\n",
            tries.display()
        ),
    );
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("make it executable");
    let options = format!("restrict,command=\"{}\"", wrapper.display());
    world.sshd.authorize_with_options(&dev.generate_key(KEY), &options);
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    dev.start();
    dev.wait_until_in_sync();
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_until("a failure", |repository| repository.last_error.is_some());
    let count = || fs::read_to_string(&tries).unwrap_or_default().lines().count();
    let before = count();
    std::thread::sleep(std::time::Duration::from_secs(6)); // time in which it would be tried ten times and more
    let more = count() - before;
    assert!(more <= 5, "{more} more tries");
    assert!(dev.repository().last_error.is_some(), "the failure stands meanwhile");
    dev.wait(PATIENCE, "one more try", || count() > before);
}

/// The SHA-256 fingerprint of a public key line or a `known_hosts` line, by OpenSSH.
fn fingerprint(folder: &Path, line: &str) -> String {
    let file = folder.join("to-show");
    fs::write(&file, format!("{line}\n")).expect("write the line");
    let output = run("ssh-keygen", &["-lf", &file.display().to_string()], folder, b"");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split(' ').find(|word| word.starts_with("SHA256:")).expect("a fingerprint").to_owned()
}
