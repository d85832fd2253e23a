//! What others push arrives.

use std::fs;

use crate::support::PATIENCE;
use crate::support::apps::{set, snapshot, value, write, write_app, write_old_app};
use crate::support::world::World;

const SCREEN: &str = "screens/Screen 1/meta.json";

#[test]
fn an_empty_instance_installs_all_that_the_branch_holds() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
        write_old_app(&tree.join("App"), "Old");
        write(&tree.join("README.md"), "not an app\n");
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until("the apps here", |repository| repository.apps.len() == 2);
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    assert_eq!(world.repo.subjects(), ["Start"], "installing is no change");
}

#[test]
fn a_save_on_one_instance_arrives_at_the_other() {
    let Some(world) = World::new() else { return };
    let (mut dev, mut qa) = (world.instance("dev"), world.instance("qa"));
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    qa.start();
    qa.wait(PATIENCE, "the app at qa", || qa.apps.join("PO App").join(SCREEN).exists());

    set(&dev.apps.join("PO App").join(SCREEN), "color", "green");
    qa.wait(PATIENCE, "the new colour at qa", || {
        value(&qa.apps.join("PO App").join(SCREEN), "color") == Some("green".into())
    });
    set(&qa.apps.join("PO App").join(SCREEN), "width", 6);
    dev.wait(PATIENCE, "the new width at dev", || {
        value(&dev.apps.join("PO App").join(SCREEN), "width") == Some(6.into())
    });
    assert_eq!(snapshot(&dev.apps), snapshot(&qa.apps));
}

#[test]
fn files_and_folders_that_others_deleted_go_and_new_ones_come() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait(PATIENCE, "the app", || dev.apps.join("PO App").join(SCREEN).exists());
    dev.wait_until_in_sync();
    let tip = world.repo.somebody_commits("Change", |tree| {
        fs::remove_dir_all(tree.join("App/PO App/screens/Screen 1")).expect("remove a screen");
        write(&tree.join("App/PO App/screens/Screen 3/meta.json"), "{}\n");
        // A folder where a file was, and a file where a folder was.
        fs::remove_file(tree.join("App/PO App/icon/appIcon.png")).expect("remove the icon");
        fs::remove_dir_all(tree.join("App/PO App/icon")).ok();
        write(&tree.join("App/PO App/icon"), "a file now\n");
        fs::remove_file(tree.join("App/PO App/meta.json")).expect("remove a file");
        write(&tree.join("App/PO App/meta.json/inner.json"), "{}\n");
    });
    dev.wait_until("the change here", |repository| repository.local_tip.as_deref() == Some(tip.as_str()));
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
}

#[test]
fn an_app_that_another_instance_removed_goes_here_too() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        for name in ["One", "Two", "Three"] {
            write_old_app(&tree.join("App"), name);
        }
    });
    let mut dev = world.instance("dev");
    dev.start();
    dev.wait_until("three apps", |repository| repository.apps.len() == 3);
    dev.wait_until_in_sync();
    world.repo.somebody_commits("Remove", |tree| fs::remove_dir_all(tree.join("App/Two")).expect("remove an app"));
    dev.wait(PATIENCE, "Two to go", || !dev.apps.join("Two").exists());
    dev.wait_until_in_sync();
    assert!(dev.apps.join("One").exists() && dev.apps.join("Three").exists());
}

#[test]
fn an_existing_file_keeps_its_mode_and_a_new_one_gets_the_one_that_is_set() {
    use std::os::unix::fs::PermissionsExt;
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_FILE_MODE", "0664");
    dev.start();
    let screen = dev.apps.join("PO App").join(SCREEN);
    dev.wait(PATIENCE, "the app", || screen.exists());
    dev.wait_until_in_sync();
    let mode = || fs::metadata(&screen).expect("the file").permissions().mode() & 0o777;
    assert_eq!(mode(), 0o664);
    fs::set_permissions(&screen, fs::Permissions::from_mode(0o600)).expect("change the mode");
    world.repo.somebody_commits("Change", |tree| set(&tree.join("App/PO App").join(SCREEN), "color", "blue"));
    dev.wait(PATIENCE, "the colour", || value(&screen, "color") == Some("blue".into()));
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_file_of_many_megabytes_goes_both_ways() {
    let Some(world) = World::new() else { return };
    let (mut dev, mut qa) = (world.instance("dev"), world.instance("qa"));
    let mut dice = crate::support::Dice::new();
    let noise: Vec<u8> = (0..8 << 20).map(|_| u8::try_from(dice.roll(256)).unwrap_or(0)).collect();
    write(&dev.apps.join("Big/icon/appIcon.png"), &noise);
    dev.start();
    dev.wait_until_in_sync();
    qa.start();
    qa.wait(PATIENCE, "the big file", || fs::read(qa.apps.join("Big/icon/appIcon.png")).is_ok_and(|got| got == noise));
}
