//! Back to an older state, and back to Git's.

use appferry::domain::status::AppState;

use super::{SCREEN, ask, by_hand, done, refused};
use crate::support::PATIENCE;
use crate::support::apps::{set, snapshot, value, write_app};
use crate::support::world::World;

#[test]
fn an_older_state_becomes_a_new_commit_and_is_installed_here() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let start = world.repo.tip("main").expect("a commit");
    let before = snapshot(&dev.apps);
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_for_app("PO App", AppState::Modified);
    done(&dev, &["push"]);
    set(&dev.apps.join(SCREEN), "color", "unsaved");
    dev.wait_for_app("PO App", AppState::Modified);

    let (_, plan) = ask(&dev, &["restore", "PO App", "--to", &start[..8], "--dry-run"]);
    assert!(plan.dry_run && plan.apps[0].message.contains("1 file would be put back"), "{plan:?}");
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("unsaved".into()));

    done(&dev, &["restore", "PO App", "--to", &start[..8]]);
    assert_eq!(snapshot(&dev.apps), before);
    assert!(dev.still_has("unsaved"), "what was here is kept aside");
    let message = &world.repo.messages()[0];
    assert!(message.starts_with("PO App:: Minor app update") && message.contains(&start), "{message}");
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).expect("the file").contains("red"));

    done(&dev, &["restore", "PO App", "--to", &start]);
    assert_eq!(world.repo.subjects().len(), 3, "the second time nothing happens");
    assert!(refused(&dev, &["restore", "PO App", "--to", "ffffffff"]).contains("no commit of the branch"));
    assert!(refused(&dev, &["restore", "Nobody", "--to", &start]).contains("is not in the commit"));
}

#[test]
fn an_app_that_was_removed_comes_back() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let start = world.repo.tip("main").expect("a commit");
    world.repo.somebody_commits("Gone", |tree| std::fs::remove_dir_all(tree.join("App/PO App")).expect("delete"));
    dev.wait(PATIENCE, "the deletion", || !dev.apps.join(SCREEN).exists());
    done(&dev, &["restore", "PO App", "--to", &start]);
    assert!(dev.apps.join(SCREEN).exists());
    assert_eq!(world.repo.subjects()[0], "'PO App' App added to git");
}

#[test]
fn drift_on_a_locked_instance_is_put_back_at_once_and_kept_aside() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut production = world.locked_instance("production");
    production.start();
    production.wait_until("the app", |repository| repository.apps.len() == 1);
    production.wait_until_in_sync();
    let before = snapshot(&production.apps);
    set(&production.apps.join(SCREEN), "color", "drifted");
    production.wait_for_app("PO App", AppState::Drift);
    let (_, plan) = ask(&production, &["revert", "PO App", "--dry-run"]);
    assert!(plan.apps[0].done && plan.apps[0].message.contains("1 file would be put back"), "{plan:?}");
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("drifted".into()));
    done(&production, &["revert", "PO App"]);
    assert_eq!(snapshot(&production.apps), before);
    assert!(production.still_has("drifted"));
    production.wait_until_in_sync();
    done(&production, &["revert", "PO App"]);
    assert_eq!(world.repo.subjects(), ["Start"]);
}

#[test]
fn uncommitted_changes_and_a_deleted_folder_are_put_back() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let before = snapshot(&dev.apps);
    set(&dev.apps.join(SCREEN), "color", "unsaved");
    std::fs::remove_dir_all(dev.apps.join("Other")).expect("delete");
    dev.wait_for_app("PO App", AppState::Modified);
    dev.wait_for_app("Other", AppState::Modified);
    done(&dev, &["revert", "PO App", "Other"]);
    assert_eq!(snapshot(&dev.apps), before);
    assert!(dev.still_has("unsaved"));
    assert!(refused(&dev, &["revert", "Nobody"]).contains("is not in Git"));
}
