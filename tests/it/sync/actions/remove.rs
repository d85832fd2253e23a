//! Taking an app out of Git.

use appferry::domain::status::AppState;

use super::{SCREEN, ask, by_hand, done, refused};
use crate::support::PATIENCE;
use crate::support::apps::{names, set, snapshot, value, write_app};
use crate::support::world::World;

#[test]
fn a_removed_app_leaves_git_stays_here_and_is_not_added_again_until_a_person_does() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    let before = snapshot(&dev.apps);
    done(&dev, &["remove", "PO App"]);
    assert_eq!(world.repo.subjects()[0], "'PO App' App removed from git");
    assert_eq!(world.repo.show("main", &format!("App/{SCREEN}")), None);
    assert_eq!(snapshot(&dev.apps), before, "nothing here is touched");
    dev.wait_for_app("PO App", AppState::Untracked);

    done(&dev, &["remove", "PO App"]);
    assert_eq!(world.repo.subjects().len(), 3, "the second time nothing happens");

    // Neither a save nor a restart adds it again, although this instance adds new apps by itself.
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.stop();
    dev.start();
    write_app(&dev.apps, "New");
    dev.wait(PATIENCE, "the new app", || world.repo.subjects()[0] == "'New' App added to git");
    let shown = dev.wait_for_app("PO App", AppState::Untracked);
    assert!(shown.reason.unwrap_or_default().contains("sync add"));

    done(&dev, &["add", "PO App"]);
    assert_eq!(world.repo.subjects()[0], "'PO App' App added to git");
    set(&dev.apps.join(SCREEN), "color", "blue");
    dev.wait(PATIENCE, "its next save", || world.repo.subjects()[0] == "PO App:: Minor app update");
}

#[test]
fn unsaved_content_stays_untouched_and_other_instances_delete_the_app() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let mut qa = world.instance("qa");
    qa.start();
    qa.wait_until("both apps", |repository| repository.apps.len() == 2);
    set(&dev.apps.join(SCREEN), "color", "unsaved");
    dev.wait_for_app("PO App", AppState::Modified);
    done(&dev, &["remove", "PO App"]);
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("unsaved".into()));
    qa.wait(PATIENCE, "the deletion", || names(&qa.apps) == ["Other"]);
    assert!(!world.repo.everything_ever_added().contains("unsaved"));
}

#[test]
fn a_refused_removal_is_told_and_made_good_when_it_is_asked_for_again() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    world.repo.set_hook("pre-receive", "echo 'nothing may go' >&2\nexit 1\n");
    let (success, report) = ask(&dev, &["remove", "PO App"]);
    assert!(!success && report.apps[0].message.contains("nothing may go"), "{report:?}");
    world.repo.drop_hook("pre-receive");
    done(&dev, &["remove", "PO App"]);
    assert_eq!(world.repo.subjects(), ["'PO App' App removed from git", "Start"]);
}

#[test]
fn what_is_nowhere_cannot_be_removed() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    assert!(refused(&dev, &["remove", "Nowhere"]).contains("neither in Git nor in the apps folder"));
}
