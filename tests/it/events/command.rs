//! The program that is run for each event.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use appferry::domain::event::Event;

use super::kinds_of;
use crate::support::apps::write_app;
use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{PATIENCE, run};

fn script(instance: &Instance, text: &str) -> PathBuf {
    let path = instance.aside().join("on-event");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("write the script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it a program");
    path
}

fn events(folder: &Path) -> Vec<Event> {
    let text = fs::read_to_string(folder.join("events")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn it_gets_each_event_on_its_input_and_none_of_our_secrets() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let aside = dev.aside();
    let place = aside.display();
    let path = script(&dev, &format!("env >> '{place}/env'; cat >> '{place}/events'; echo >> '{place}/events'"));
    dev.set("APPFERRY_EVENT_COMMAND", path.display().to_string())
        .set("APPFERRY_HOOK_SECRET", "s3cret-of-the-hooks")
        .set("GIT_SYNC_PERSONAL_ACCESS_TOKEN", "s3cret-token")
        .set("HTTPS_PROXY", "http://jo:s3cret-proxy@127.0.0.1:1")
        .set("TEAM", "purple");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the events", || kinds_of(&events(&aside), "PO App") == ["committed", "pushed"]);
    let seen = fs::read_to_string(aside.join("env")).expect("its environment");
    assert!(seen.contains("APPFERRY_EVENT=pushed") && seen.contains("TEAM=purple"), "{seen}");
    assert!(!seen.contains("s3cret") && !seen.contains("GIT_SYNC") && !seen.contains("APPFERRY_DATA_DIR"), "{seen}");
}

#[test]
fn one_that_takes_too_long_is_killed_with_all_that_it_started_and_given_up_after_some_tries() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let aside = dev.aside();
    let place = aside.display();
    let path = script(
        &dev,
        &format!(
            "body=$(cat); case \"$body\" in *'\"kind\":\"committed\"'*) sleep 4000 & echo $! >> '{place}/sleepers'; wait;; esac\n\
             printf '%s\\n' \"$body\" >> '{place}/events'"
        ),
    );
    dev.set("APPFERRY_EVENT_COMMAND", path.display().to_string()).set("APPFERRY_EVENT_TIMEOUT", "700ms");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the next event", || kinds_of(&events(&aside), "PO App").contains(&"pushed"));
    assert!(!kinds_of(&events(&aside), "PO App").contains(&"committed"));
    let log = dev.whole_log();
    let given_up = log.lines().find(|line| line.contains("gave an event up")).expect("it was given up");
    assert!(given_up.contains("tries=5") && given_up.contains("took longer than 700ms"), "{given_up}");
    // A try that was killed before it came so far left nothing here.
    let sleepers = fs::read_to_string(aside.join("sleepers")).expect("what it started");
    dev.wait(PATIENCE, "the sleepers' end", || !sleepers.lines().any(sleeps));
}

/// Whether the process of that number is one of the sleepers.
fn sleeps(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("4000"))
}

#[test]
fn one_that_fails_is_tried_again_and_its_last_words_are_logged_although_what_it_started_goes_on() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let aside = dev.aside();
    let place = aside.display();
    let path = script(
        &dev,
        &format!(
            "if [ ! -e '{place}/sleeper' ]; then sleep 4000 & echo $! > '{place}/sleeper'; echo 'no coffee left' >&2; exit 3; fi\n\
             cat >> '{place}/events'; echo >> '{place}/events'"
        ),
    );
    // It holds the program's output open: whoever waits for the end of that waits in vain.
    dev.set("APPFERRY_EVENT_COMMAND", path.display().to_string()).set("APPFERRY_EVENT_TIMEOUT", "1h");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the events", || kinds_of(&events(&aside), "PO App") == ["committed", "pushed"]);
    assert!(dev.whole_log().contains("it ended with 3: no coffee left"), "{}", dev.log());
    let sleeper = fs::read_to_string(aside.join("sleeper")).expect("what it started");
    assert!(sleeps(sleeper.trim()), "what was left running on purpose goes on");
    let ended = run("kill", &[sleeper.trim()], &aside, b"");
    assert!(ended.status.success());
}
