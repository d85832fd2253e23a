//! What editors leave behind.

use std::fs;
use std::os::unix::fs::symlink;

use appferry::domain::status::AppState;

use super::{a_while, shows, started};
use crate::support::apps::{set, write};
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE};

const NOISE: [&str; 8] = [
    "Shop/Shop.json~",
    "Shop/.Shop.json.swp",
    "Shop/a/b.tmp",
    "Shop/.DS_Store",
    "Shop/Thumbs.db",
    "Shop/4913",
    "Shop/notes.mine",
    "Shop/cache/deep/x.json",
];

#[test]
fn temporary_files_are_neither_pushed_nor_deleted_and_an_editors_lock_may_be_a_link() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[("APPFERRY_IGNORE", "*.mine, /cache/")]);
    let tip = world.repo.tip("main");
    for path in NOISE {
        write(&dev.apps.join(path), "not { json");
    }
    symlink("me@here.1234", dev.apps.join("Shop/.#Shop.json")).expect("make the editor's lock");
    a_while();
    dev.wait_until_in_sync();
    assert_eq!(world.repo.tip("main"), tip);

    world.repo.somebody_commits("Change and add", |tree| {
        set(&tree.join("App/Shop/Shop.json"), "app", "theirs");
        write(&tree.join("App/Shop/a/real.json"), "{}\n");
    });
    dev.wait(PATIENCE, "the change here", || dev.apps.join("Shop/a/real.json").exists());
    world.repo.somebody_commits("Remove it again", |tree| {
        fs::remove_file(tree.join("App/Shop/a/real.json")).expect("remove the file");
    });
    dev.wait(PATIENCE, "the removal here", || !dev.apps.join("Shop/a/real.json").exists());
    set(&dev.apps.join("Shop/Shop.json"), "app", "ours");
    dev.wait(PATIENCE, "our change in Git", || shows(&world, "App/Shop/Shop.json", "ours"));
    let names: Vec<String> = world.repo.snapshot("main").into_iter().map(|(path, _)| path).collect();
    assert_eq!(names, ["Other/Other.json", "Shop/Shop.json"]);
    for path in NOISE {
        assert!(dev.apps.join(path).exists(), "{path} is still here");
    }
}

#[test]
fn an_app_that_goes_leaves_what_is_ignored_and_is_gone_all_the_same() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    write(&dev.apps.join("Shop/.DS_Store"), "x");
    world.repo.somebody_commits("Remove the shop", |tree| {
        fs::remove_dir_all(tree.join("App/Shop")).expect("remove the app");
    });
    dev.wait(PATIENCE, "the removal here", || !dev.apps.join("Shop/Shop.json").exists());
    dev.wait_until("the app is told no more", |it| it.apps.len() == 1 && crate::support::instance::is_in_sync(it));
    assert!(dev.apps.join("Shop/.DS_Store").exists());
    write(&dev.apps.join("Shop/Shop.json"), "{\n  \"app\": \"back\"\n}\n");
    dev.wait(PATIENCE, "the app in Git again", || shows(&world, "App/Shop/Shop.json", "back"));
}

#[test]
fn a_temporary_file_that_git_has_is_compared_and_installed_like_any_other() {
    let Some(world) = World::new() else { return };
    let mut dev = started(&world, &[]);
    let (here, there) = (dev.apps.join("Shop/state.tmp"), "App/Shop/state.tmp");
    // What is here and ignored is not lost to what arrives under its name.
    write(&here, "one");
    a_while();
    world.repo.somebody_commits("Add it", |tree| write(&tree.join(there), "one"));
    let tip = |dev: &crate::support::instance::Instance| dev.repository().remote_tip;
    dev.wait(PATIENCE, "the tip", || tip(&dev) == world.repo.tip("main"));
    dev.wait_until_in_sync();
    world.repo.somebody_commits("Change it", |tree| write(&tree.join(there), "two"));
    dev.wait(PATIENCE, "the change here", || fs::read(&here).is_ok_and(|text| text == b"two"));

    set(&dev.apps.join("Shop/Shop.json"), "app", "ours");
    dev.wait(PATIENCE, "our change in Git", || shows(&world, "App/Shop/Shop.json", "ours"));
    assert!(shows(&world, there, "two"), "it does not look deleted");
    dev.stop();
    dev.start();
    dev.wait_until_in_sync();
    a_while();
    assert!(shows(&world, there, "two"), "after a restart neither");

    write(&here, "three");
    dev.wait(PATIENCE, "its change in Git", || shows(&world, there, "three"));
    fs::remove_file(&here).expect("remove it");
    dev.wait(DELETION, "its removal in Git", || world.repo.show("main", there).is_none());
    dev.wait_until_in_sync();
    write(&here, "four");
    a_while();
    assert!(world.repo.show("main", there).is_none(), "now it is ignored again");
}

#[test]
fn another_file_of_the_name_of_an_ignored_one_clashes_and_none_is_lost() {
    let Some(world) = World::new() else { return };
    let dev = started(&world, &[]);
    write(&dev.apps.join("Shop/state.tmp"), "mine");
    a_while();
    world.repo.somebody_commits("Add another", |tree| write(&tree.join("App/Shop/state.tmp"), "theirs"));
    dev.wait_for_app("Shop", AppState::Conflict);
    assert_eq!(fs::read_to_string(dev.apps.join("Shop/state.tmp")).expect("the file"), "mine");
    assert!(shows(&world, "App/Shop/state.tmp", "theirs"));
}
