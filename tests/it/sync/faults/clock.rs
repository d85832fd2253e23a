//! The system's clock is set back, or far forward, while it runs and between two starts.

use std::fs;
use std::path::PathBuf;

use appferry::domain::status::{AppState, RepositoryState};

use super::SCREEN;
use crate::support::apps::{names, set, value, write_app, write_old_app};
use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE, run, skip};

/// Lets the instance see a clock that the answered file sets, such as `-3h` (libfaketime).
fn with_a_clock(instance: &mut Instance) -> Option<PathBuf> {
    let found = run("find", &["/usr/lib", "-name", "libfaketime.so.1"], &instance.aside(), b"");
    let library = String::from_utf8_lossy(&found.stdout).lines().next().map(str::to_owned);
    let Some(library) = library else {
        skip("the clock is set with libfaketime (package faketime)");
        return None;
    };
    let clock = instance.aside().join("clock");
    fs::write(&clock, "+0\n").expect("write the time");
    instance
        .set("LD_PRELOAD", library)
        .set("FAKETIME_TIMESTAMP_FILE", clock.display().to_string())
        .set("FAKETIME_NO_CACHE", "1")
        .set("DONT_FAKE_MONOTONIC", "1")
        .set("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .set("NO_FAKE_STAT", "1");
    Some(clock)
}

#[test]
fn syncing_goes_on_both_ways_when_the_clock_is_set_back() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let Some(clock) = with_a_clock(&mut dev) else { return };
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    for time in ["-3h", "-400d", "+2d", "-1h"] {
        fs::write(&clock, format!("{time}\n")).expect("set the clock");
        set(&dev.apps.join(SCREEN), "ours", time);
        dev.wait(PATIENCE, &format!("the push at {time}"), || {
            world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains(time))
        });
        world.repo.somebody_commits("Theirs", |tree| set(&tree.join("App").join(SCREEN), "theirs", time));
        dev.wait(PATIENCE, &format!("the pull at {time}"), || {
            value(&dev.apps.join(SCREEN), "theirs") == Some(time.into())
        });
    }
    dev.wait_until_in_sync();
    assert!(dev.whole_log().contains("the system's clock was set"), "it did not see another clock");
    fs::write(&clock, "-2h\n").expect("set the clock");
    dev.stop();
    dev.start();
    set(&dev.apps.join(SCREEN), "ours", "after a restart");
    dev.wait(PATIENCE, "the push", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("after a restart"))
    });
    dev.wait_until_in_sync();
    dev.stop();
}

#[test]
fn many_deletions_are_held_although_the_clock_is_set_back_between_them() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    let Some(clock) = with_a_clock(&mut dev) else { return };
    for name in ["A", "B", "C", "D", "E", "F", "G", "H"] {
        write_old_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    let remove = |gone: &[&str]| {
        for name in gone {
            fs::remove_dir_all(dev.apps.join(name)).expect("remove the app");
        }
    };
    remove(&["A", "B", "C"]);
    dev.wait(DELETION, "three deletions in Git", || world.repo.snapshot("main").len() == 5);
    dev.wait_until_in_sync();
    fs::write(&clock, "-6h\n").expect("set the clock");
    remove(&["D"]);
    dev.wait_until_within(DELETION, "the fourth is held", |it| it.state == RepositoryState::HeldDeletions);
    let jumps = |dev: &Instance| dev.whole_log().matches("the system's clock was set").count();
    let before = jumps(&dev);
    fs::write(&clock, "+6h\n").expect("set the clock");
    dev.wait(PATIENCE, "the other clock to be seen", || jumps(&dev) > before);
    // A save that goes through says that all was looked at since.
    for text in ["once", "twice"] {
        set(&dev.apps.join("H/H.json"), "app", text);
        dev.wait(PATIENCE, "a save in Git", || {
            world.repo.show("main", "App/H/H.json").is_some_and(|shown| shown.contains(text))
        });
    }
    dev.wait_for_state(RepositoryState::HeldDeletions);
    assert_eq!(world.repo.snapshot("main").len(), 5, "nothing more was deleted");
    assert_eq!(names(&dev.apps).len(), 4);
}

#[test]
fn what_was_kept_while_the_clock_was_wrong_does_not_expire_when_it_is_right_again() {
    let Some(world) = World::new() else { return };
    let mut production = world.locked_instance("production");
    let Some(clock) = with_a_clock(&mut production) else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    production.start();
    production.wait_until_in_sync();
    let drift = |production: &Instance, text: &str, width: u32| {
        set(&production.apps.join(SCREEN), "color", text);
        production.wait_for_app("PO App", AppState::Drift);
        world.repo.somebody_commits("Change", |tree| set(&tree.join("App").join(SCREEN), "width", width));
        production.wait(PATIENCE, "the change", || value(&production.apps.join(SCREEN), "width") == Some(width.into()));
        production.wait_until_in_sync();
    };
    fs::write(&clock, "-3000d\n").expect("set the clock");
    drift(&production, "kept-in-the-past", 1);
    drift(&production, "kept-in-the-same-past", 2);
    production.stop();
    fs::write(&clock, "+0\n").expect("set the clock");
    production.start();
    production.wait_until_in_sync();
    drift(&production, "kept-now", 3);
    // Ending tidies up, which lets expire what is old.
    production.stop();
    for text in ["kept-in-the-past", "kept-in-the-same-past", "kept-now"] {
        assert!(production.still_has(text), "{text} is gone");
    }
    // A leap of years is not believed at once.
    fs::write(&clock, "+3000d\n").expect("set the clock");
    production.start();
    production.wait_until_in_sync();
    production.stop();
    for text in ["kept-in-the-past", "kept-in-the-same-past", "kept-now"] {
        assert!(production.still_has(text), "{text} is gone after a leap");
    }
}
