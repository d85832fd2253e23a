//! `check` and `status`: what a person and a program are told.

use std::os::unix::fs::PermissionsExt;

use appferry::domain::status::Status;

use crate::support::apps::{snapshot, write, write_app};
use crate::support::instance::Instance;
use crate::support::world::{KEY, World};

const STEPS: [&str; 11] = [
    "environment",
    "store",
    "key",
    "name lookup",
    "connect",
    "host key",
    "login",
    "read",
    "write",
    "branch",
    "apps folder",
];

fn check(instance: &Instance) -> (bool, String) {
    let output = instance.cli(&["check"]);
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Asserts that this step is the first that fails, and that it says what to do.
fn failed(instance: &Instance, step: &str) -> String {
    let (good, said) = check(instance);
    assert!(!good, "{step} should fail:\n{said}");
    let first = said.lines().find(|line| line.starts_with("FAIL")).unwrap_or_default();
    assert!(first.trim_start_matches("FAIL").trim_start().starts_with(step), "{step} should fail:\n{said}");
    assert!(said.contains("fix: "), "it says what to do:\n{said}");
    said
}

#[test]
fn check_shows_each_step_and_changes_nothing() {
    let Some(world) = World::new() else { return };
    let dev = world.instance("dev");
    let (good, said) = check(&dev);
    assert!(good, "an unborn branch and an empty folder are no fault:\n{said}");
    let steps: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(steps.len(), STEPS.len(), "each step has a line of its own:\n{said}");
    for (line, step) in steps.iter().zip(STEPS) {
        assert_eq!(
            line.strip_prefix("ok").map(str::trim_start).map(|rest| rest.starts_with(step)),
            Some(true),
            "{line}"
        );
    }
    assert_eq!(world.repo.branches(), Vec::<String>::new());
    assert_eq!(snapshot(&dev.apps), []);
}

#[test]
fn check_works_beside_a_running_worker() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let tip = world.repo.tip("main");
    let (good, said) = check(&dev);
    assert!(good, "{said}");
    assert_eq!(world.repo.tip("main"), tip);
    dev.wait_until_in_sync();
}

#[test]
fn check_names_the_step_that_fails_and_what_to_do() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.stranger("dev");

    let said = failed(&dev, "key");
    assert!(said.contains(KEY), "no key yet: {said}");

    dev.generate_key(KEY);
    failed(&dev, "login");

    world.sshd.authorize(&dev.cli_text(&["keys", "public", KEY]));
    dev.set("GIT_SYNC_BRANCH_NAME", "mian");
    world.repo.somebody_commits("Start", |tree| write(&tree.join("App/A/A.json"), "{}\n"));
    let said = failed(&dev, "branch");
    assert!(said.contains("mian") && said.contains("main"), "no such branch, but this one: {said}");

    let missing = dev.apps.join("not there").display().to_string();
    dev.set("GIT_SYNC_BRANCH_NAME", "main").set("APPFERRY_APPS_DIR", missing);
    let said = failed(&dev, "apps folder");
    assert!(said.contains("not there"), "no apps folder: {said}");

    world.sshd.stop();
    failed(&dev, "connect");
}

#[test]
fn everything_wrong_with_the_environment_is_said_at_once() {
    let mut dev = Instance::new("dev");
    dev.set("GIT_SYNC_IS_GLOBAL", "maybe")
        .set("GIT_SYNC_IS_AUTO_SAVE", "perhaps")
        .set("GIT_SYNC_BRANCH_NAME", "a..b")
        .set("APPFERRY_DEBOUNCE", "soon");
    let output = dev.cli(&["run"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for word in ["GIT_SYNC_IS_GLOBAL", "maybe", "GIT_SYNC_IS_AUTO_SAVE", "perhaps", "APPFERRY_DEBOUNCE", "soon"] {
        assert!(said.contains(word), "{word} is missing in:\n{said}");
    }
}

#[test]
fn status_is_text_for_people_and_json_for_programs() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let text = dev.cli_text(&["status"]);
    assert!(text.contains("PO App") && text.contains("main") && text.contains(KEY), "{text}");

    let status: Status = serde_json::from_str(&dev.cli_text(&["status", "--json"])).expect("JSON");
    assert_eq!(status.instance, "dev");
    assert!(status.sync_enabled);
    assert_eq!(status.repositories.len(), 1);
    let repository = &status.repositories[0];
    assert_eq!(repository.branch, "main");
    assert_eq!(repository.remote_tip, world.repo.tip("main"));
    assert_eq!(repository.apps.len(), 1);
    assert!(repository.last_sync.is_some());

    dev.stop();
    let output = dev.cli(&["status"]);
    assert!(!output.status.success(), "no worker, no answer");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("run"), "it says how to start one: {said}");
}

#[test]
fn status_names_what_is_wrong_and_still_exits_with_zero() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    dev.start();
    dev.wait_until("an error", |repository| repository.last_error.is_some());
    let text = dev.cli_text(&["status"]);
    assert!(text.contains(KEY), "{text}");
}

#[test]
fn the_api_answers_strangers_with_no_more_than_its_health() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    assert_eq!(dev.http_get("/healthz", false).map(|(code, _)| code), Some(200));
    assert_eq!(dev.http_get("/readyz", false).map(|(code, _)| code), Some(200));
    assert_eq!(dev.http_get("/api/v1/status", false).map(|(code, _)| code), Some(401));
    let mode = std::fs::metadata(dev.data.join("api.token")).expect("the token").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn with_git_sync_off_the_worker_idles_and_says_so_once() {
    let mut dev = Instance::new("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    let status = dev.status();
    assert!(!status.sync_enabled);
    assert_eq!(status.repositories, []);
    dev.stop();
    let log = dev.whole_log();
    assert_eq!(log.to_lowercase().matches("git sync is off").count(), 1, "{log}");
}

#[test]
fn no_secret_is_in_the_log_the_status_or_a_readable_file() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("RUST_LOG", "trace");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let token = std::fs::read_to_string(dev.data.join("api.token")).expect("the token");
    let status = dev.cli_text(&["status", "--json"]);
    dev.stop();
    let log = dev.whole_log();
    for text in [&log, &status] {
        assert!(!text.contains("PRIVATE KEY"), "a private key is shown");
        assert!(!text.contains(token.trim()), "the token is shown");
    }
    for (path, content) in snapshot(&dev.data) {
        assert!(!content.windows(11).any(|window| window == b"PRIVATE KEY"), "{path} holds a private key in the clear");
    }
}

#[test]
fn without_a_filter_the_log_tells_of_the_start_and_that_sync_is_off() {
    let mut instance = Instance::new("quiet");
    instance.env.remove("RUST_LOG");
    instance.start();
    instance.stop();
    let log = instance.whole_log();
    assert!(log.contains("INFO started"), "{log}");
    assert!(log.contains("Git Sync is off"), "{log}");
    assert!(!log.contains("DEBUG"), "{log}");
}

#[test]
fn an_instance_that_is_renamed_uses_its_key_under_its_new_name_alone() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let mut users = Vec::new();
    for name in ["dev", "renamed"] {
        dev.set("APPFERRY_INSTANCE", name).start();
        dev.wait_until_in_sync();
        dev.stop();
        let shown = dev.cli_text(&["keys", "show", KEY, "--json"]);
        let key: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        let used_by = key["used_by"].as_array().expect("a list").clone();
        assert_eq!(used_by.len(), 1, "{used_by:?}");
        users.push(used_by[0].as_str().expect("text").to_owned());
    }
    assert!(
        users[0].starts_with("repository global of dev (") && users[1].starts_with("repository global of renamed ("),
        "{users:?}"
    );
    let id = |user: &str| user.rsplit(' ').next().map(str::to_owned);
    assert_eq!(id(&users[0]), id(&users[1]), "the data folder is the same");
}
