//! A repository whose apps are not where they are looked for.

use crate::support::apps::{names, write, write_app, write_old_app};
use crate::support::world::World;

/// The notices that an instance with `prefix` has after its first start, and its command line's words.
fn notices_and_words(world: &World, prefix: &str) -> (Vec<String>, String) {
    let mut instance = world.instance("dev");
    instance.set("APPFERRY_PREFIX", prefix).start();
    let repository = instance.wait_until("the branch", |repository| repository.remote_tip.is_some());
    let words = instance.cli_text(&["status"]);
    assert_eq!(names(&instance.apps), [] as [String; 0], "a hint installs nothing");
    (repository.notices, words)
}

#[test]
fn who_keeps_apps_in_another_folder_is_told_which_prefix_to_set() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("exports/apps"), "PO App");
        write(&tree.join("docs/README.md"), "words\n");
        write(&tree.join("package/package.json"), "{}");
        write(&tree.join("package/index.js"), "\n");
    });
    let hint = "no app is in \"App\" in Git, but \"exports/apps\" holds what looks like apps: \
                APPFERRY_PREFIX=\"exports/apps\" syncs them";
    let (notices, words) = notices_and_words(&world, "App");
    assert_eq!(notices, [hint]);
    assert!(words.contains(hint), "{words}");
}

#[test]
fn apps_at_the_root_of_the_repository_are_pointed_out() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_old_app(tree, "Old");
    });
    let hint = "no app is in \"App\" in Git, but its root holds what looks like apps: APPFERRY_PREFIX=\".\" syncs them";
    assert_eq!(notices_and_words(&world, "App").0, [hint]);
}

#[test]
fn a_repository_that_is_one_app_is_said_to_be_so() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write(&tree.join("__export_meta.json"), "{}\n");
        write(&tree.join("screens/Screen 1/meta.json"), "{}\n");
    });
    let hint = "no app is in \"App\" in Git, but the repository looks like one app itself: \
                `layout = \"single\"` in the file of APPFERRY_CONFIG syncs it";
    assert_eq!(notices_and_words(&world, "App").0, [hint]);
}

#[test]
fn a_repository_without_apps_gives_no_hint() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write(&tree.join("README.md"), "words\n");
        write(&tree.join("src/main.rs"), "fn main() {}\n");
    });
    assert!(notices_and_words(&world, "App").0.is_empty());
}
