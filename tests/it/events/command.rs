//! The program that is run for each event.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use appferry::domain::event::Event;

use super::kinds_of;
use crate::support::PATIENCE;
use crate::support::apps::write_app;
use crate::support::instance::Instance;
use crate::support::world::World;

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
    dev.set("APPFERRY_EVENT_COMMAND", path.display().to_string()).set("APPFERRY_EVENT_TIMEOUT", "300ms");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the next event", || kinds_of(&events(&aside), "PO App") == ["pushed"]);
    let sleepers = fs::read_to_string(aside.join("sleepers")).expect("what it started");
    assert_eq!(sleepers.lines().count(), 5, "it was tried five times: {sleepers}");
    let is_there =
        |pid: &str| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("4000"));
    dev.wait(PATIENCE, "the sleepers' end", || !sleepers.lines().any(is_there));
}

#[test]
fn one_that_fails_is_tried_again_and_what_it_says_is_logged() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let aside = dev.aside();
    let place = aside.display();
    let path = script(
        &dev,
        &format!(
            "if [ ! -e '{place}/once' ]; then touch '{place}/once'; echo 'no coffee left' >&2; exit 3; fi\n\
             cat >> '{place}/events'; echo >> '{place}/events'"
        ),
    );
    dev.set("APPFERRY_EVENT_COMMAND", path.display().to_string());
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait(PATIENCE, "the events", || kinds_of(&events(&aside), "PO App") == ["committed", "pushed"]);
    assert!(dev.whole_log().contains("it ended with 3: no coffee left"), "{}", dev.log());
}
