//! Two who save at once, and one who saves beside the API.

use appferry::domain::status::AppState;
use serde_json::json;

use super::ask::{ask, get, put};
use crate::support::apps::{write, write_app};
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE};

#[test]
fn of_two_writers_with_one_tag_only_one_wins_each_round() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let mut tag = put(&dev, "Stock", &[("If-None-Match", "*")], &json!({"meta.json": "{}"})).etag();
    assert_eq!(put(&dev, "Stock", &[("If-None-Match", "*")], &json!({"meta.json": "[]"})).class(), "changed");
    for round in 0..6 {
        let app = |writer: u32| json!({"meta.json": format!("{{\"round\": {round}, \"writer\": {writer}}}")});
        let dev = &dev;
        let known = tag.clone();
        let answers = std::thread::scope(|scope| {
            let save = |writer| {
                let known = known.clone();
                move || put(dev, "Stock", &[("If-Match", &known)], &app(writer))
            };
            let (one, other) = (scope.spawn(save(1)), scope.spawn(save(2)));
            [one.join().expect("an answer"), other.join().expect("an answer")]
        });
        let mut codes = answers.each_ref().map(|answer| answer.status);
        codes.sort_unstable();
        assert_eq!(codes, [200, 412], "{answers:?}");
        let winner = answers.iter().find(|answer| answer.status == 200).expect("one");
        let loser = answers.iter().find(|answer| answer.status == 412).expect("one");
        assert_eq!(loser.etag(), winner.etag(), "the loser is told what is there");
        tag = winner.etag();
    }
    assert_eq!(get(&dev, "Stock", &[]).etag(), tag);
    dev.wait(PATIENCE, "all rounds in Git", || world.repo.subjects().len() == 7);
}

#[test]
fn an_edit_in_the_folder_is_never_lost_to_a_save() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let tag = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}", "b.js": "1"})).etag();
    write(&dev.apps.join("Stock/b.js"), "edited in the folder");
    let saved = put(&dev, "Stock", &[("If-Match", &tag)], &json!({"meta.json": "{}", "b.js": "2"}));
    assert!(matches!(saved.status, 409 | 412), "{}", saved.text());
    dev.wait(PATIENCE, "the edit in Git", || {
        world.repo.show("main", "App/Stock/b.js").as_deref() == Some("edited in the folder")
    });
    // Without a condition it is replaced, but it is in Git.
    dev.wait_until_in_sync();
    let saved = put(&dev, "Stock?wait=pushed", &[], &json!({"meta.json": "{}", "b.js": "2"}));
    assert_eq!(saved.status, 200, "{}", saved.text());
}

#[test]
fn what_is_replaced_without_a_condition_and_not_in_git_is_kept_aside() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "false");
    dev.start();
    dev.wait_until_in_sync();
    put(&dev, "Stock", &[], &json!({"a.js": "the first of all"})).saved();
    put(&dev, "Stock", &[], &json!({"a.js": "the second"})).saved();
    assert!(dev.still_has("the first of all"));
    assert!(dev.cli_text(&["sync", "backups"]).contains("replaced through the API"));
}

#[test]
fn a_deletion_through_the_api_is_one_like_any_other() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        for name in ["One", "Two", "Three", "Four"] {
            write_app(&tree.join("App"), name);
        }
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until("all apps", |repository| repository.apps.len() == 4);
    dev.wait_until_in_sync();
    let tag = get(&dev, "Two", &[]).etag();
    let path = "/api/v1/apps/Two";
    assert_eq!(ask(&dev, "DELETE", path, &[("If-Match", "\"other\"")], b"").class(), "changed");
    let deleted = ask(&dev, "DELETE", path, &[("If-Match", &tag)], b"").saved();
    assert_eq!((deleted.tree, deleted.state, dev.apps.join("Two").exists()), (None, AppState::Modified, false));
    assert_eq!(get(&dev, "Two", &[]).class(), "absent");
    assert_eq!(ask(&dev, "DELETE", path, &[], b"").class(), "absent");
    dev.wait(DELETION, "the removal in Git", || world.repo.subjects()[0] == "'Two' App removed from git");
    let again = put(&dev, "Two?wait=pushed", &[], &json!({"meta.json": "{}"}));
    assert_eq!(again.status, 200, "{}", again.text());
}

#[test]
fn a_reader_never_gets_half_of_a_save() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until_in_sync();
    let version = |number: u32| -> serde_json::Value {
        (0..50).map(|n| (format!("q{n}/meta.json"), json!(format!("{{\"version\": {number}}}")))).collect()
    };
    put(&dev, "Stock?wait=pushed", &[], &version(0)).saved();
    let dev = &dev;
    let seen = std::thread::scope(|scope| {
        let writer =
            scope.spawn(move || (1..=10).for_each(|number| drop(put(dev, "Stock", &[], &version(number)).saved())));
        let mut seen = std::collections::BTreeSet::new();
        while !writer.is_finished() {
            let app = get(dev, "Stock", &[]).json();
            let files = app.as_object().expect("a map");
            let contents: std::collections::BTreeSet<&str> =
                files.values().map(|content| content.as_str().expect("text")).collect();
            assert!(files.len() == 50 && contents.len() == 1, "half of it: {contents:?}");
            seen.extend(contents.into_iter().map(str::to_owned));
        }
        seen.len()
    });
    eprintln!("{seen} of 11 versions were seen meanwhile");
    assert_eq!(get(dev, "Stock", &[]).json(), version(10));
}
