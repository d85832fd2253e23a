//! Ending a conflict by a version that a person merged.

use std::fs;

use appferry::domain::status::AppState;

use super::{SCREEN, ask, by_hand, done, refused};
use crate::support::apps::{set, value, write, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;

const META: &str = "PO App/meta.json";

/// `dev` wants it blue with another description, Git has it green: the colour clashes.
fn conflict(world: &World) -> Instance {
    let dev = by_hand(world);
    set(&dev.apps.join(SCREEN), "color", "blue");
    set(&dev.apps.join(META), "description", "Mine");
    dev.wait_for_app("PO App", AppState::Modified);
    world.repo.somebody_commits("Green", |tree| {
        set(&tree.join("App").join(SCREEN), "color", "green");
        set(&tree.join("App/PO App/data_query/POid/meta.json"), "query", "select 2");
    });
    dev.wait_until("both changed", |repository| {
        repository.apps.iter().any(|app| app.reason.as_deref().unwrap_or_default().starts_with("modified, behind"))
    });
    let (success, _) = ask(&dev, &["push", "PO App"]);
    assert!(!success, "it cannot be merged");
    dev.wait_for_app("PO App", AppState::Conflict);
    dev
}

#[test]
fn one_merged_file_ends_the_conflict_and_the_rest_is_merged_as_usual() {
    let Some(world) = World::new() else { return };
    let dev = conflict(&world);
    let merged = dev.aside().join("merged.json");
    write(&merged, "{\n  \"title\": \"Orders\",\n  \"color\": \"teal\",\n  \"width\": 12\n}\n");
    let words = ["resolve", "PO App", "--take", merged.to_str().expect("a path"), "--as", "screens/Screen 1/meta.json"];
    let (_, plan) = ask(&dev, &[&words[..], &["--dry-run"]].concat());
    assert!(plan.apps[0].done && plan.apps[0].message.contains("would be committed"), "{plan:?}");
    dev.wait_for_app("PO App", AppState::Conflict);
    done(&dev, &words);
    dev.wait_until_in_sync();
    for (file, key, expected) in [
        (SCREEN, "color", "teal"),
        (META, "description", "Mine"),
        ("PO App/data_query/POid/meta.json", "query", "select 2"),
    ] {
        assert_eq!(value(&dev.apps.join(file), key), Some(expected.into()), "{file}");
    }
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).expect("the file").contains("teal"));
    done(&dev, &words);
    assert_eq!(world.repo.subjects(), ["PO App:: Minor app update", "Green", "Start"]);
    assert!(dev.still_has("blue"));
}

#[test]
fn a_folder_is_the_whole_merged_app() {
    let Some(world) = World::new() else { return };
    let dev = conflict(&world);
    let merged = write_app(&dev.aside(), "merged");
    set(&merged.join("screens/Screen 1/meta.json"), "color", "teal");
    fs::remove_dir_all(merged.join("screens/Screen 2")).expect("delete");
    done(&dev, &["resolve", "PO App", "--take", merged.to_str().expect("a path")]);
    dev.wait_until_in_sync();
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("teal".into()));
    assert!(!dev.apps.join("PO App/screens/Screen 2").exists());
    assert_eq!(value(&dev.apps.join(META), "description"), Some("Orders".into()));
}

#[test]
fn a_merged_version_is_checked_like_a_save() {
    let Some(world) = World::new() else { return };
    let dev = conflict(&world);
    let file = dev.aside().join("merged.json");
    write(&file, "{ half");
    let path = file.to_str().expect("a path");
    let half = refused(&dev, &["resolve", "PO App", "--take", path, "--as", "screens/Screen 1/meta.json"]);
    assert!(half.contains("not valid JSON"), "{half}");
    write(&file, "{}");
    for (inside, why) in
        [("../x.json", "cannot have a file"), (".git/config", "cannot have a file"), ("meta.json", "still clashes")]
    {
        let message = refused(&dev, &["resolve", "PO App", "--take", path, "--as", inside]);
        assert!(message.contains(why), "{inside}: {message}");
    }
    assert!(refused(&dev, &["resolve", "PO App", "--take", path]).contains("--as"));
    dev.wait_for_app("PO App", AppState::Conflict);
}

#[test]
fn taking_a_side_is_planned_and_done_once() {
    let Some(world) = World::new() else { return };
    let dev = conflict(&world);
    let (_, plan) = ask(&dev, &["resolve", "PO App", "--take", "theirs", "--dry-run"]);
    assert!(plan.dry_run && plan.apps[0].done, "{plan:?}");
    dev.wait_for_app("PO App", AppState::Conflict);
    done(&dev, &["resolve", "PO App", "--take", "theirs"]);
    dev.wait_until_in_sync();
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("green".into()));
    let (success, again) = ask(&dev, &["resolve", "PO App", "--take", "theirs"]);
    assert!(success && again.apps[0].message.contains("in no conflict"), "{again:?}");
    assert_eq!(world.repo.subjects(), ["Green", "Start"], "the second time nothing happens");
}

#[test]
fn a_merged_version_may_be_as_large_as_an_app_that_is_saved() {
    let Some(world) = World::new() else { return };
    let dev = conflict(&world);
    let merged = write_app(&dev.aside(), "merged");
    write(&merged.join("icon/appIcon.png"), vec![0xf7; 9 << 20]);
    write(&merged.join("meta.json~"), "{ half");
    let take = merged.to_str().expect("a path");
    done(&dev, &["resolve", "PO App", "--take", take]);
    dev.wait_until_in_sync();
    assert_eq!(fs::metadata(dev.apps.join("PO App/icon/appIcon.png")).expect("the file").len(), 9 << 20);
    assert!(!dev.apps.join("PO App/meta.json~").exists() && world.repo.show("main", "App/PO App/meta.json~").is_none());
    write(&merged.join("icon/appIcon.png"), vec![0xf7; 26_000_000]);
    let large = refused(&dev, &["resolve", "PO App", "--take", take]);
    assert!(large.contains("\"icon/appIcon.png\" is larger than 25 MB"), "{large}");
}
