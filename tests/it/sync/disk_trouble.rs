//! A full disk, and a kernel that watches no more folders.

use std::fs;
use std::path::Path;
use std::time::Duration;

use appferry::domain::FailureClass;
use appferry::domain::status::RepositoryState;

use crate::support::apps::{set, snapshot, write, write_app, write_old_app};
use crate::support::small_disk::SmallDisk;
use crate::support::world::World;
use crate::support::{Dice, PATIENCE, run, skip};

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

fn noise(bytes: usize) -> Vec<u8> {
    let mut dice = Dice::new();
    (0..bytes).map(|_| u8::try_from(dice.roll(256)).unwrap_or(0)).collect()
}

#[test]
fn a_full_disk_under_the_apps_is_a_state_and_no_app_is_half_there() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    let Some(disk) = SmallDisk::over(&dev.apps, "1m") else { return };
    dev.start();
    dev.wait(PATIENCE, "the first app", || dev.apps.join(SCREEN).exists());
    dev.wait_until_in_sync();
    let before = snapshot(&dev.apps.join("PO App"));

    world.repo.somebody_commits("Grow", |tree| {
        write(&tree.join("App/PO App/icon/appIcon.png"), noise(3 << 20));
        set(&tree.join("App").join(SCREEN), "color", "green");
    });
    let repository = dev.wait_for_state(RepositoryState::DiskTrouble);
    let error = repository.last_error.expect("why");
    assert_eq!(error.failure.class, FailureClass::Disk, "{error:?}");
    assert!(error.failure.remedy.contains("free space"), "{error:?}");
    assert_eq!(snapshot(&dev.apps.join("PO App")), before, "the app is as it was");
    assert_eq!(world.repo.subjects(), ["Grow", "Start"], "and nothing half was committed");

    disk.resize("16m");
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    dev.kill();
}

#[test]
fn a_full_disk_under_the_data_costs_only_time() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    let Some(disk) = SmallDisk::over(&dev.data, "32m") else { return };
    world.sshd.authorize(&dev.generate_key(crate::support::world::KEY));
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();

    let filler = disk.fill();
    write(&dev.apps.join("PO App/icon/appIcon.png"), noise(1 << 18));
    let repository = dev.wait_for_state(RepositoryState::DiskTrouble);
    assert_eq!(repository.last_error.expect("why").failure.class, FailureClass::Disk);
    assert!(dev.is_running());

    fs::remove_file(filler).expect("make room");
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    dev.stop();
    dev.fsck();
}

#[test]
fn a_worker_killed_on_a_full_disk_starts_again_from_a_consistent_state() {
    let Some(world) = World::new() else { return };
    let mut dev = world.stranger("dev");
    let Some(disk) = SmallDisk::over(&dev.data, "32m") else { return };
    world.sshd.authorize(&dev.generate_key(crate::support::world::KEY));
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let filler = disk.fill();
    set(&dev.apps.join(SCREEN), "color", "green");
    std::thread::sleep(Duration::from_millis(700));
    dev.kill();
    fs::remove_file(filler).expect("make room");
    dev.start();
    dev.wait(PATIENCE, "the save in Git", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    dev.wait_until_in_sync();
    dev.kill();
}

/// Starts a program in a user namespace of its own that may watch one folder: nobody else is disturbed.
const FEW_WATCHES: [&str; 5] =
    ["unshare", "-Ur", "sh", "-c", "echo 1 >/proc/sys/user/max_inotify_watches && exec \"$0\" \"$@\""];

#[test]
fn without_watches_the_folder_is_scanned_and_the_status_says_so() {
    let Some(world) = World::new() else { return };
    let probe = [&FEW_WATCHES[1..], &["true"]].concat();
    if !run("unshare", &probe, Path::new("/"), b"").status.success() {
        skip("a user namespace with its own limit of watches is not allowed here");
        return;
    }
    let mut dev = world.instance("dev");
    dev.launcher = FEW_WATCHES.iter().map(|word| (*word).to_owned()).collect();
    write_app(&dev.apps, "PO App");
    write_old_app(&dev.apps, "Old");
    dev.start();
    dev.wait_until_in_sync();
    let repository = dev.wait_until("a notice", |repository| !repository.notices.is_empty());
    let notices = repository.notices.join("\n");
    assert!(notices.contains("max_user_watches"), "it names the limit to raise: {notices}");

    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait(Duration::from_secs(100), "the save, found by scanning", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    dev.stop();
}
