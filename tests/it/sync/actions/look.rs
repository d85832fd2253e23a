//! Looking: apps, history, diff.

use appferry::domain::status::AppState;
use appferry::http::{AppDiff, AppFate, AppRow, FileFate, HistoryPage};
use serde::de::DeserializeOwned;

use super::{SCREEN, by_hand, done, refused};
use crate::support::PATIENCE;
use crate::support::apps::{set, write, write_old_app};
use crate::support::instance::Instance;
use crate::support::world::World;

fn json<T: DeserializeOwned>(instance: &Instance, words: &[&str]) -> T {
    let text = instance.cli_text(&[&["sync"], words, &["--json"]].concat());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
}

#[test]
fn each_app_is_listed_with_its_state_and_its_last_commit() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    write_old_app(&dev.apps, "New");
    dev.wait_for_app("New", AppState::Untracked);
    world.repo.somebody_commits("Green", |tree| set(&tree.join("App").join(SCREEN), "color", "green"));
    dev.wait_until("the change", |repository| repository.remote_tip == world.repo.tip("main"));
    let subject = |rows: &[AppRow], name: &str| {
        let row = rows.iter().find(|row| row.app.name == name).expect("the app");
        row.commit.as_ref().map(|commit| (commit.subject.clone(), commit.author.clone()))
    };
    let rows: Vec<AppRow> = json(&dev, &["apps"]);
    let author = world.repo.git(&["log", "-1", "--format=%an", "main"]);
    assert_eq!(subject(&rows, "PO App"), Some(("Green".into(), author.clone())));
    assert_eq!(subject(&rows, "Other"), Some(("Start".into(), author)));
    assert_eq!(subject(&rows, "New"), None);
    done(&dev, &["add", "New"]);
    let rows: Vec<AppRow> = json(&dev, &["apps"]);
    assert_eq!(subject(&rows, "New").map(|commit| commit.0), Some("'New' App added to git".into()));
    assert_eq!(subject(&rows, "Other").map(|commit| commit.0), Some("Start".into()), "what was known is still known");
    let text = dev.cli_text(&["sync", "apps"]);
    assert!(text.contains("PO App") && text.contains("in sync") && text.contains("Green"), "{text}");
}

#[test]
fn history_follows_an_app_through_a_rename_and_tells_publishing() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    set(&dev.apps.join(SCREEN), "color", "green");
    write(&dev.apps.join("PO App/last_release/release_meta.json"), "{}\n");
    dev.wait_for_app("PO App", AppState::Modified);
    done(&dev, &["push"]);
    world.repo.somebody_commits("App renamed 'PO App' to 'Orders'", |tree| {
        std::fs::rename(tree.join("App/PO App"), tree.join("App/Orders")).expect("rename");
        set(&tree.join("App/Orders/meta.json"), "description", "Renamed");
    });
    world.repo.somebody_commits("Elsewhere", |tree| write(&tree.join("README.md"), "not ours"));
    dev.wait(PATIENCE, "the rename", || dev.apps.join("Orders/meta.json").exists());
    dev.wait_until("the tip", |repository| repository.remote_tip == world.repo.tip("main"));
    let page: HistoryPage = json(&dev, &["history", "Orders"]);
    let told: Vec<(&str, AppFate, bool, bool)> =
        (page.commits.iter()).map(|entry| (entry.app.as_str(), entry.change, entry.published, entry.pushed)).collect();
    let expected = [
        ("Orders", AppFate::Renamed, false, true),
        ("PO App", AppFate::Changed, true, true),
        ("PO App", AppFate::Added, false, true),
    ];
    assert_eq!(told, expected, "{page:#?}");
    assert_eq!(page.commits[0].renamed_from.as_deref(), Some("PO App"));
    assert_eq!(page.commits[1].commit.subject, "PO App:: App published");

    let first: HistoryPage = json(&dev, &["history", "Orders", "--limit", "1"]);
    let next = first.next.expect("more");
    let second: HistoryPage = json(&dev, &["history", "Orders", "--limit", "1", "--before", &next]);
    assert_eq!(second.commits, page.commits[1..2]);

    // Back to a state from before the rename, under today's name.
    let start = &page.commits[2].commit.id;
    done(&dev, &["restore", "Orders", "--to", start]);
    assert!(!dev.apps.join("Orders/last_release").exists());
    let diff: AppDiff = json(&dev, &["diff", "Orders", "--commit", &page.commits[1].commit.id]);
    assert!(
        diff.files.iter().any(|file| file.path == "last_release/release_meta.json" && file.change == FileFate::Added)
    );
}

#[test]
fn a_difference_is_told_in_the_words_of_the_commit_and_file_by_file() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    set(&dev.apps.join(SCREEN), "color", "green");
    std::fs::remove_file(dev.apps.join("PO App/screens/Screen 1/controls/main_control/text1/bind_data.js"))
        .expect("delete");
    write(&dev.apps.join("PO App/screens/Screen 3/meta.json"), "{}\n");
    write(&dev.apps.join("PO App/icon/appIcon.png"), [0, 159, 146, 150]);
    dev.wait(PATIENCE, "all of it", || json::<AppDiff>(&dev, &["diff", "PO App"]).files.len() == 4);
    let diff: AppDiff = json(&dev, &["diff", "PO App"]);
    assert_eq!((diff.from.as_str(), diff.to.as_str()), ("git", "here"));
    assert!(diff.words.contains(&"'Screen 3' screen added.".to_owned()), "{:?}", diff.words);
    let of = |path: &str| diff.files.iter().find(|file| file.path == path).expect("the file");
    let text = of("screens/Screen 1/meta.json").text.clone().expect("a text");
    assert!(text.contains("-  \"color\": \"red\"") && text.contains("+  \"color\": \"green\""), "{text}");
    assert_eq!(of("screens/Screen 3/meta.json").change, FileFate::Added);
    let icon = of("icon/appIcon.png");
    assert!(icon.change == FileFate::Modified && icon.text.is_none() && icon.note.is_some());
    done(&dev, &["push"]);
    let tip = world.repo.tip("main").expect("a tip");
    let same: AppDiff = json(&dev, &["diff", "PO App", "--commit", &tip[..10]]);
    assert_eq!(same.files, diff.files);
    assert_eq!(same.words, diff.words);
    assert!(json::<AppDiff>(&dev, &["diff", "PO App"]).files.is_empty());
    assert!(refused(&dev, &["diff", "Nobody"]).contains("neither here nor in Git"));
}
