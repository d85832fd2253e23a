//! A locked instance: what is in Git is read-only here.

use appferry::domain::status::AppState;

use crate::support::PATIENCE;
use crate::support::apps::{set, value, write_app, write_old_app};
use crate::support::instance::{Instance, app};
use crate::support::world::World;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

fn started(world: &World) -> Instance {
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
        write_app(&tree.join("App"), "Other");
    });
    let mut production = world.locked_instance("production");
    production.start();
    production.wait_until("both apps", |repository| repository.apps.len() == 2);
    production.wait_until_in_sync();
    production
}

#[test]
fn a_locked_instance_installs_what_arrives_and_says_that_it_is_locked() {
    let Some(world) = World::new() else { return };
    let production = started(&world);
    assert!(production.repository().locked);
    world.repo.somebody_commits("Change", |tree| set(&tree.join("App").join(SCREEN), "color", "green"));
    production.wait(PATIENCE, "the change", || value(&production.apps.join(SCREEN), "color") == Some("green".into()));
}

#[test]
fn a_local_edit_on_a_locked_instance_is_drift_and_never_reaches_git() {
    let Some(world) = World::new() else { return };
    let mut production = started(&world);
    set(&production.apps.join(SCREEN), "color", "drifted");
    write_old_app(&production.apps, "Mine");
    production.wait_for_app("PO App", AppState::Drift);
    production.wait_for_app("Mine", AppState::Untracked);
    production.stop();
    production.start();
    production.wait_for_app("PO App", AppState::Drift);
    assert_eq!(world.repo.subjects(), ["Start"]);
    assert_eq!(world.repo.branches(), ["main"]);
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("drifted".into()), "drift stays until Git changes");
}

#[test]
fn a_remote_change_replaces_drift_and_the_local_content_is_kept() {
    let Some(world) = World::new() else { return };
    let production = started(&world);
    set(&production.apps.join(SCREEN), "color", "drifted");
    production.wait_for_app("PO App", AppState::Drift);
    world.repo.somebody_commits("Change", |tree| set(&tree.join("App").join(SCREEN), "width", 6));
    production.wait(PATIENCE, "the change", || value(&production.apps.join(SCREEN), "width") == Some(6.into()));
    production.wait_until_in_sync();
    assert_eq!(value(&production.apps.join(SCREEN), "color"), Some("red".into()), "Git's content is whole");
    assert!(production.still_has("drifted"), "the drift can be restored");
    assert_eq!(world.repo.subjects(), ["Change", "Start"]);
}

#[test]
fn drift_of_one_app_does_not_stop_the_others() {
    let Some(world) = World::new() else { return };
    let production = started(&world);
    set(&production.apps.join(SCREEN), "color", "drifted");
    production.wait_for_app("PO App", AppState::Drift);
    world.repo.somebody_commits("Change", |tree| set(&tree.join("App/Other/screens/Screen 1/meta.json"), "width", 6));
    production.wait(PATIENCE, "the change", || {
        value(&production.apps.join("Other/screens/Screen 1/meta.json"), "width") == Some(6.into())
    });
    assert_eq!(app(&production.repository(), "PO App").map(|app| app.state), Some(AppState::Drift));
}

#[test]
fn drift_put_back_by_hand_is_in_sync_again() {
    let Some(world) = World::new() else { return };
    let production = started(&world);
    let before = std::fs::read(production.apps.join(SCREEN)).expect("the file");
    set(&production.apps.join(SCREEN), "color", "drifted");
    production.wait_for_app("PO App", AppState::Drift);
    std::fs::write(production.apps.join(SCREEN), before).expect("put it back");
    production.wait_until_in_sync();
}

#[test]
fn a_locked_instance_with_other_content_at_its_first_start_takes_gits_and_keeps_its_own() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut production = world.locked_instance("production");
    write_app(&production.apps, "PO App");
    set(&production.apps.join(SCREEN), "color", "homemade");
    production.start();
    production.wait(PATIENCE, "Git's content", || value(&production.apps.join(SCREEN), "color") == Some("red".into()));
    assert!(production.still_has("homemade"));
    assert_eq!(world.repo.subjects(), ["Start"]);
}
