//! Files that a killed process left in the local repository.

use std::fs;
use std::time::{Duration, SystemTime};

use super::SCREEN;
use crate::support::PATIENCE;
use crate::support::apps::{set, write_app};
use crate::support::world::World;

#[test]
fn stale_locks_and_half_packs_are_removed_at_the_start_and_stop_nothing() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    dev.kill();
    let repository = dev.local_repositories().pop().expect("its repository");
    let left = [
        "HEAD.lock",
        "config.lock",
        "index.lock",
        "packed-refs.lock",
        "refs/appferry/state.lock",
        "refs/appferry/kept/a.lock",
        "objects/pack/tmp_pack_123456",
        "objects/pack/tmp_idx_123456",
        "objects/pack/multi-pack-index.lock",
        "objects/ab/tmp_obj_123456",
        "objects/info/commit-graph.lock",
        "objects/tmp_maintenance/pack-1.pack",
    ];
    for name in left {
        let path = repository.join(name);
        crate::support::apps::write(&path, "left by a process that was killed");
        if name.ends_with("state.lock") || name.starts_with("packed") {
            // The clock was set back since.
            let file = fs::File::options().write(true).open(&path).expect("open it");
            file.set_modified(SystemTime::now() + Duration::from_hours(5)).expect("set its time");
        }
    }
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.start();
    dev.wait(PATIENCE, "the push", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    dev.wait_until_in_sync();
    dev.stop(); // it takes such locks itself, for a moment
    for name in left {
        assert!(!repository.join(name).exists(), "{name} is still there");
    }
    assert!(dev.whole_log().contains("removed what an earlier process left"), "it is logged");
    dev.fsck();
}

#[test]
fn a_lock_that_cannot_be_removed_is_not_fatal() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    dev.stop();
    let repository = dev.local_repositories().pop().expect("its repository");
    fs::create_dir_all(repository.join("shallow.lock/inside")).expect("a folder of that name");
    dev.start();
    dev.wait_until_in_sync();
}
