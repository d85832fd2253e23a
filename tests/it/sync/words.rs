//! Teams read these messages in their Git host: the words are exact.

use std::fs;

use crate::support::DELETION;
use crate::support::apps::{set, write, write_app, write_old_app};
use crate::support::instance::Instance;
use crate::support::world::World;

fn started(world: &World) -> Instance {
    started_with(world, "100ms")
}

/// With a debounce in which all saves of a test are made, so that they are one commit.
fn started_with(world: &World, debounce: &str) -> Instance {
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_DEBOUNCE", debounce);
    write_app(&dev.apps, "PO App");
    write_old_app(&dev.apps, "Old");
    dev.start();
    dev.wait_until_in_sync();
    dev
}

/// The newest message, once there are `count` commits; without its trailer.
fn message(world: &World, dev: &Instance, count: usize) -> String {
    dev.wait(DELETION, "one more commit", || world.repo.messages().len() >= count);
    let newest = world.repo.messages().remove(0);
    newest.lines().filter(|line| !line.starts_with("Appferry-")).collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn a_change_lists_what_changed_in_the_words_of_the_builder() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    let app = dev.apps.join("PO App");
    let changes: [(&str, &str, &str); 6] = [
        (
            "screens/Screen 1/controls/main_control/text1/meta.json",
            "label",
            "'text1' control modified in 'Screen 1' screen.",
        ),
        (
            "screens/Screen 1/controls/main_control/button7/meta.json",
            "label",
            "'button7' control added in 'Screen 1' screen.",
        ),
        ("screens/Tray 4/meta.json", "title", "'Tray 4' screen added."),
        ("data_query/stock/meta.json", "query", "Data query 'stock' added"),
        ("connectors/acct/apis/getVendors/meta.json", "name", "Connector 'acct' > 'getVendors' added"),
        ("configuration/page_config.json", "extra", "App configuration modified."),
    ];
    for (count, (path, key, line)) in changes.into_iter().enumerate() {
        set(&app.join(path), key, "changed");
        assert_eq!(message(&world, &dev, count + 3), format!("PO App:: Minor app update\n\n{line}"));
    }
}

#[test]
fn what_is_modified_and_removed_at_once_is_told_thing_by_thing() {
    let Some(world) = World::new() else { return };
    let dev = started_with(&world, "1s");
    let app = dev.apps.join("PO App");
    let changes: [(&str, &str); 5] = [
        ("screens/Screen 1/controls/main_control/text1/meta.json", "'text1' control VERB in 'Screen 1' screen."),
        ("screens/Screen 2/meta.json", "'Screen 2' screen VERB."),
        ("data_query/POid/meta.json", "Data query 'POid' VERB"),
        ("connectors/acct/apis/vendors/meta.json", "Connector 'acct' > 'vendors' VERB"),
        ("configuration/page_config.json", "App configuration VERB."),
    ];
    let told = |verb: &str| {
        let lines: Vec<String> = changes.iter().map(|(_, line)| line.replace("VERB", verb)).collect();
        format!("PO App:: Minor app update\n\n{}", lines.join("\n"))
    };
    for (path, _) in changes {
        set(&app.join(path), "extra", "changed");
    }
    assert_eq!(message(&world, &dev, 3), told("modified"));
    let folders = [
        "screens/Screen 1/controls/main_control/text1",
        "screens/Screen 2",
        "data_query/POid",
        "connectors/acct/apis/vendors",
        "configuration",
    ];
    for folder in folders {
        fs::remove_dir_all(app.join(folder)).expect("remove a part");
    }
    assert_eq!(message(&world, &dev, 4), told("removed"));
}

#[test]
fn a_change_of_last_release_is_a_publish() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    write(&dev.apps.join("PO App/last_release/release_meta.json"), "{\n  \"version\": 1\n}\n");
    let message = message(&world, &dev, 3);
    assert_eq!(message.lines().next(), Some("PO App:: App published"));
}

#[test]
fn taking_last_release_away_is_a_change_and_no_publish() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    write(&dev.apps.join("PO App/last_release/release_meta.json"), "{\n  \"version\": 1\n}\n");
    message(&world, &dev, 3);
    std::fs::remove_dir_all(dev.apps.join("PO App/last_release")).expect("remove it");
    let message = message(&world, &dev, 4);
    let lines: Vec<&str> = message.lines().take(3).collect();
    assert_eq!(lines, ["PO App:: Minor app update", "", "'last_release' removed"]);
    let history = dev.cli_text(&["sync", "history", "PO App", "--json"]);
    let history: serde_json::Value = serde_json::from_str(&history).expect("JSON");
    let published: Vec<&serde_json::Value> =
        history["commits"].as_array().expect("a list").iter().map(|commit| &commit["published"]).collect();
    assert_eq!(published, [false, true, false]);
}

#[test]
fn two_apps_that_changed_at_once_make_two_commits() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    set(&dev.apps.join("PO App/screens/Screen 2/meta.json"), "title", "New");
    set(&dev.apps.join("Old/Old.json"), "app", "new");
    message(&world, &dev, 4);
    let mut subjects = world.repo.subjects();
    subjects.truncate(2);
    subjects.sort();
    assert_eq!(subjects, ["Old:: Minor app update", "PO App:: Minor app update"]);
}

#[test]
fn a_removed_app_is_said_to_be_removed() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    fs::remove_dir_all(dev.apps.join("Old")).expect("remove the app");
    assert_eq!(message(&world, &dev, 3), "'Old' App removed from git");
    assert!(world.repo.show("main", "App/Old/Old.json").is_none());
    dev.wait_until_in_sync();
}

#[test]
fn a_renamed_app_is_one_commit_that_says_so() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    fs::rename(dev.apps.join("PO App"), dev.apps.join("Purchase")).expect("rename the app");
    let message = message(&world, &dev, 3);
    assert_eq!(message.lines().next(), Some("App renamed 'PO App' to 'Purchase'"));
    dev.wait_until_in_sync();
    assert_eq!(world.repo.subjects().len(), 3, "no other commit came with it");
    assert!(world.repo.show("main", "App/Purchase/meta.json").is_some());
    assert!(world.repo.show("main", "App/PO App/meta.json").is_none());
}

#[test]
fn a_save_that_changes_only_the_time_makes_no_commit() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    set(&dev.apps.join("PO App/__export_meta.json"), "updated_time", "28-03-2025 10:00:00");
    set(&dev.apps.join("Old/Old.json"), "app", "newer");
    message(&world, &dev, 3);
    dev.wait_until_in_sync();
    assert_eq!(world.repo.subjects()[0], "Old:: Minor app update");
    assert_eq!(world.repo.subjects().len(), 3, "the time alone is no change");
}
