//! Host keys: who trusts them, and what follows when a server shows another one. With the real program and a real OpenSSH
//! server.

mod certificates;
mod scanning;

use appferry::config::{BaseConfig, DiskFiles, Environment};
use appferry::domain::FailureClass;
use appferry::domain::status::{RepositoryState, RepositoryStatus};
use appferry::ports::{SessionClass, SshSessions as _};
use appferry::ssh::{HostKeys, Sessions, Settings};
use serde_json::Value;

use crate::support::apps::{value, write_app};
use crate::support::instance::Instance;
use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring};
use crate::support::world::World;
use crate::support::{PATIENCE, fingerprint};

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

/// A server with all types of keys, and an instance that has a key for it but knows no host.
fn strangers() -> Option<(World, Instance)> {
    let setup = Setup { host_key_types: vec!["ed25519", "ecdsa", "rsa"], ..Setup::default() };
    let world = World::with(setup)?;
    let mut dev = world.instance("dev");
    dev.env.remove("APPFERRY_KNOWN_HOSTS");
    write_app(&dev.apps, "PO App");
    Some((world, dev))
}

fn address(world: &World) -> String {
    format!("127.0.0.1:{}", world.sshd.port())
}

fn prints(world: &World) -> Vec<String> {
    world.sshd.host_key_lines().iter().map(|line| fingerprint(line)).collect()
}

fn json(dev: &Instance, args: &[&str]) -> Vec<Value> {
    serde_json::from_str(&dev.cli_text(args)).unwrap()
}

fn refusal(dev: &Instance, args: &[&str]) -> String {
    let output = dev.cli(args);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// The keys that people have trusted: fingerprint and who did it.
fn stored(dev: &Instance) -> Vec<(String, String)> {
    let text = |key: &Value, field: &str| key[field].as_str().unwrap_or_default().to_owned();
    let all = json(dev, &["hosts", "list", "--json"]);
    let stored = all.iter().filter(|key| key["source"] == "store");
    stored.map(|key| (text(key, "fingerprint"), text(key, "trusted_by"))).collect()
}

fn host_key_failure(repository: &RepositoryStatus) -> String {
    let failure = &repository.last_error.as_ref().expect("an error").failure;
    assert_eq!(failure.class, FailureClass::HostKey);
    failure.to_string()
}

#[test]
fn a_blocked_worker_goes_on_within_seconds_after_the_host_was_trusted_and_needs_no_restart() {
    let Some((world, mut dev)) = strangers() else { return };
    dev.start();
    let words = host_key_failure(&dev.wait_for_state(RepositoryState::Blocked));
    let prints = prints(&world);
    let command = format!("`appferry hosts trust {} --fingerprint {}`", address(&world), prints[0]);
    assert!(words.contains(&command), "{words}");
    assert_eq!(world.sshd.logins(), 0);

    let began = std::time::Instant::now();
    dev.cli_text(&["hosts", "trust", &address(&world), "--fingerprint", &prints[0]]);
    dev.wait_until_in_sync();
    eprintln!("in sync {} ms after `hosts trust` began", began.elapsed().as_millis());
    let stored = stored(&dev);
    assert_eq!((stored.len(), &stored[0].0), (1, &prints[0]));
    assert!(stored[0].1.contains('@'), "an account at a machine: {}", stored[0].1);
}

#[test]
fn a_changed_key_blocks_until_one_deliberate_act_and_is_noted_once() {
    let Some((mut world, mut dev)) = strangers() else { return };
    let host = format!("ssh://git@{}/team/apps.git", address(&world));
    let old = prints(&world).remove(0);
    dev.cli_text(&["hosts", "trust", &host, "--fingerprint", old.trim_start_matches("SHA256:")]);
    dev.start();
    dev.wait_until_in_sync();

    world.sshd.change_host_key();
    world.sshd.restart();
    let words = host_key_failure(&dev.wait_for_state(RepositoryState::Blocked));
    let new = prints(&world).remove(0);
    let command = format!("`appferry hosts trust {} --fingerprint {new} --replace`", address(&world));
    assert!(words.contains(&old) && words.contains(&new) && words.contains(&command), "{words}");
    let scanned = dev.cli_text(&["hosts", "scan", &host]);
    assert!(scanned.contains("CHANGED") && scanned.contains(&old), "{scanned}");

    let refused = refusal(&dev, &["hosts", "trust", &host, "--fingerprint", &new]);
    for part in [&old, &new, "--replace"] {
        assert!(refused.contains(part), "{refused}");
    }
    dev.wait_for_state(RepositoryState::Blocked);
    let replaced = dev.cli_text(&["hosts", "trust", &host, "--fingerprint", &new, "--replace"]);
    assert!(replaced.contains(&format!("in place of {old}")), "{replaced}");
    dev.wait_until_in_sync();
    assert_eq!(stored(&dev).into_iter().map(|key| key.0).collect::<Vec<_>>(), [new]);
    dev.stop();
    let events = audit(&dev);
    let count = |event: &str| events.iter().filter(|known| *known == event).count();
    assert_eq!([count("host_key_trusted"), count("host_key_forgotten"), count("host_key_changed")], [2, 1, 1]);
}

#[tokio::test]
async fn a_changed_key_stops_that_host_alone() {
    let (Some(mut one), Some(other)) = (Sshd::start(), Sshd::start()) else { return };
    let key = KeyPair::ed25519("deploy");
    let known = other.folder().join("both");
    std::fs::write(&known, format!("{}\n{}\n", one.host_key_line(), other.host_key_line())).unwrap();
    let sessions = Sessions::new(TestKeyring::with([&key]), HostKeys::new(Some(known)), Settings::default());
    one.change_host_key();
    one.restart();
    for sshd in [&one, &other] {
        sshd.authorize(&key.public_line);
    }
    for _ in 0..2 {
        let failed = sessions.exec(&one.target(&key), SessionClass::Control, "true", &[]).await;
        assert_eq!(failed.err().map(|failure| failure.class), Some(FailureClass::HostKey));
        sessions.exec(&other.target(&key), SessionClass::Control, "true", &[]).await.unwrap();
    }
    assert_eq!(one.log().matches("Connection from").count(), 1, "a refused host is left alone for a while");
    sessions.shutdown().await;
}

/// The events of the audit log about host keys.
fn audit(dev: &Instance) -> Vec<String> {
    let environment = Environment::of(dev.env.clone());
    let base = BaseConfig::from_environment(&environment, &DiskFiles).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (keys, _) = appferry::keys::KeyService::open(&base.keys, "a test").await.unwrap();
        let rows = keys.audit_log().audit(&appferry::ports::AuditFilter::default()).await.unwrap();
        keys.close().await;
        rows.into_iter().map(|row| row.event).filter(|event| event.starts_with("host_key")).collect()
    })
}

#[test]
fn a_key_is_trusted_on_first_use_only_where_that_is_set_and_a_changed_one_never() {
    let Some((mut world, mut dev)) = strangers() else { return };
    dev.set("APPFERRY_HOST_KEYS", "accept-new").start();
    dev.wait_until_in_sync();
    let first = prints(&world).remove(0);
    assert_eq!(stored(&dev), [(first.clone(), "first use by instance dev".to_owned())]);
    let log = dev.whole_log();
    assert!(log.lines().any(|line| line.contains("was trusted on first use") && line.contains(&first)), "{log}");

    world.sshd.change_host_key();
    world.sshd.restart();
    let words = host_key_failure(&dev.wait_for_state(RepositoryState::Blocked));
    assert!(words.contains("has changed") && words.contains(&first), "{words}");
    assert_eq!(stored(&dev).len(), 1);
    assert_eq!(value(&dev.apps.join(SCREEN), "nothing"), None);
}

#[test]
fn only_a_key_that_the_server_shows_is_trusted_and_it_can_be_forgotten() {
    let Some((world, dev)) = strangers() else { return };
    let host = address(&world);
    let other = "SHA256:uNiVztksCsDhcc0u9e8BrWwAYBAQ0KY0MeyTe7Vy9ZM";
    let prints = prints(&world);
    let refused = refusal(&dev, &["hosts", "trust", &host, "--fingerprint", &prints[0], "--fingerprint", other]);
    assert!(prints.iter().all(|print| refused.contains(print)) && refused.contains(other), "{refused}");
    assert_eq!(stored(&dev), []);

    let both = ["hosts", "trust", &host, "--fingerprint", &prints[0], "--fingerprint", &prints[2]];
    dev.cli_text(&both);
    assert_eq!(stored(&dev).len(), 2);
    assert!(dev.cli_text(&both).contains("already had ssh-rsa"), "once more does no harm");
    dev.cli_text(&["hosts", "forget", &host, "--fingerprint", &prints[0]]);
    assert_eq!(stored(&dev)[0].0, prints[2]);
    dev.cli_text(&["hosts", "forget", &host]);
    assert_eq!(stored(&dev), []);
    assert!(refusal(&dev, &["hosts", "forget", &host]).contains("nobody has trusted"));
    assert!(refusal(&dev, &["hosts", "forget", "github.com"]).contains("(built in)"));
}

#[test]
fn a_revoked_key_is_never_trusted_and_a_line_that_stays_beside_a_new_key_is_named() {
    let Some((mut world, mut dev)) = strangers() else { return };
    let known = dev.aside().join("known_hosts");
    let lines = world.sshd.host_key_lines();
    let revoked = lines[1].split_once(' ').unwrap().1;
    std::fs::write(&known, format!("{}\n@revoked * {revoked}\n", lines[0])).unwrap();
    dev.set("APPFERRY_KNOWN_HOSTS", known.display().to_string());
    let (host, prints_before) = (address(&world), prints(&world));
    let refused = refusal(&dev, &["hosts", "trust", &host, "--fingerprint", &prints_before[1]]);
    assert!(refused.contains("was revoked"), "{refused}");
    let scanned = dev.cli_text(&["hosts", "scan", &host]);
    assert!(scanned.contains(&format!("trusted: line 1 of {}", known.display())) && scanned.contains("REVOKED"));

    world.sshd.change_host_key();
    world.sshd.restart();
    let new = prints(&world).remove(0);
    let refused = refusal(&dev, &["hosts", "trust", &host, "--fingerprint", &new]);
    assert!(refused.contains("line 1 of") && refused.contains("--replace"), "{refused}");
    let done = dev.cli_text(&["hosts", "trust", &host, "--fingerprint", &new, "--replace"]);
    assert!(done.contains("still trusted beside it") && done.contains("line 1 of"), "{done}");
    dev.start();
    dev.wait(PATIENCE, "the app in Git", || !world.repo.branches().is_empty());
    dev.wait_until_in_sync();
}
