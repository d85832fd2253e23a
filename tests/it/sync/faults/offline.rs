//! A day without the server, with edits on both sides.

use std::fs;
use std::time::Duration;

use appferry::domain::status::{RepositoryState, RepositoryStatus};

use super::SCREEN;
use crate::support::apps::{names, set, snapshot, value, write_app, write_old_app};
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE};

#[test]
fn edits_renames_and_removals_of_a_day_offline_arrive_in_order_and_merge_with_those_of_others() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    for name in ["Edited", "Removed", "Theirs", "Bystander", "Spare"] {
        write_old_app(&dev.apps, name);
    }
    write_app(&dev.apps, "Before");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);

    let began = jiff::Timestamp::now().as_second();
    for color in ["morning", "noon", "evening"] {
        set(&dev.apps.join("Edited/Edited.json"), "app", color);
        dev.wait(PATIENCE, "a commit of its own", || dev.still_has(color));
        std::thread::sleep(Duration::from_millis(1_100)); // each with a time of its own
    }
    set(&dev.apps.join(SCREEN), "color", "ours");
    fs::rename(dev.apps.join("Before"), dev.apps.join("After")).expect("rename it");
    write_old_app(&dev.apps, "New");
    dev.wait_until_within(DELETION, "the rename", |repository| {
        let name = |name: &str| {
            repository
                .apps
                .iter()
                .any(|app| app.name == name && app.reason.as_deref() == Some("committed here, not pushed yet"))
        };
        name("After") && name("Before") && name("New") && name("PO App")
    });
    fs::remove_dir_all(dev.apps.join("Removed")).expect("remove it");
    dev.wait_until_within(DELETION, "the removal", |repository| repository.unpushed == 6);
    world.repo.somebody_commits("Meanwhile", |tree| {
        set(&tree.join("App").join(SCREEN), "width", 6);
        set(&tree.join("App/Theirs/Theirs.json"), "app", "theirs");
        fs::remove_dir_all(tree.join("App/Spare")).expect("remove it");
        write_old_app(&tree.join("App"), "Arrived");
    });
    // The worker ends and starts in the middle of it.
    dev.stop();
    dev.start();
    dev.wait_for_state(RepositoryState::Offline);
    let ended = jiff::Timestamp::now().as_second();
    world.sshd.restart();

    let expected = ["After", "Arrived", "Bystander", "Edited", "New", "PO App", "Theirs"];
    dev.wait(PATIENCE, "everything in Git and here", || {
        let there = world.repo.git(&["ls-tree", "--name-only", "main:App"]);
        there.lines().eq(expected) && names(&dev.apps) == expected
    });
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("ours".into()));
    assert_eq!(value(&dev.apps.join(SCREEN), "width"), Some(6.into()));

    let log = world.repo.git(&["log", "--reverse", "--format=%at %s", "main", "--", "App/Edited"]);
    let times: Vec<i64> =
        log.lines().skip(1).map(|line| line.split(' ').next().expect("a time").parse().expect("a time")).collect();
    assert_eq!(times.len(), 3, "a commit each: {log}");
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "in their order, with their times: {log}");
    assert!(times.iter().all(|time| (began..=ended).contains(time)), "{log}");
    let history = world.repo.everything_ever_added();
    assert!(["morning", "noon", "evening"].iter().all(|color| history.contains(color)), "each state is in history");
    assert!(
        world.repo.subjects().iter().any(|subject| subject == "App renamed 'Before' to 'After'"),
        "{:?}",
        world.repo.subjects()
    );
    assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", "main"]), "0", "history is linear");
    assert_eq!(world.repo.branches(), ["main"]);
}

#[test]
fn a_save_ends_a_long_wait_for_a_server_that_is_back() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    // Until the pauses between the tries have grown to half a minute.
    let next_try = |repository: &RepositoryStatus| -> Option<jiff::Timestamp> {
        repository.last_error.as_ref()?.next_try.as_ref()?.parse().ok()
    };
    let offline = dev.wait_until_within(Duration::from_mins(2), "a long pause", |repository| {
        next_try(repository).is_some_and(|next| next.duration_since(jiff::Timestamp::now()).as_secs() >= 15)
    });
    world.sshd.restart();
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait(PATIENCE, "the push", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    assert!(next_try(&offline) > Some(jiff::Timestamp::now()), "it was pushed before its time");
}
