//! The server goes away and comes back.

use appferry::domain::FailureClass;
use appferry::domain::status::RepositoryState;

use crate::support::PATIENCE;
use crate::support::apps::{set, value, write_app};
use crate::support::instance::is_in_sync;
use crate::support::world::World;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

#[test]
fn saves_made_while_the_server_is_away_arrive_when_it_is_back() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();

    world.sshd.stop();
    let repository = dev.wait_for_state(RepositoryState::Offline);
    let error = repository.last_error.expect("why");
    assert!(matches!(error.failure.class, FailureClass::Connect | FailureClass::ConnectionLost), "{error:?}");
    assert!(error.next_try.is_some(), "it says when it is tried again");
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_until("a commit that waits", |repository| {
        repository.unpushed > 0 && repository.state == RepositoryState::Offline
    });

    world.sshd.restart();
    dev.wait_until("in sync, and the error gone with its cause", |repository| {
        is_in_sync(repository) && repository.last_error.is_none()
    });
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green")));
    dev.stop();
}

#[test]
fn both_sides_go_on_when_the_server_is_back() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    set(&dev.apps.join(SCREEN), "color", "green");
    world.repo.somebody_commits("Meanwhile", |tree| set(&tree.join("App").join(SCREEN), "width", 6));
    world.sshd.restart();
    dev.wait_until_in_sync();
    dev.wait(PATIENCE, "both changes", || {
        value(&dev.apps.join(SCREEN), "color") == Some("green".into())
            && value(&dev.apps.join(SCREEN), "width") == Some(6.into())
    });
}

#[test]
fn a_worker_that_starts_without_its_server_waits_for_it() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    world.sshd.stop();
    dev.start();
    dev.wait_for_state(RepositoryState::Offline);
    world.sshd.restart();
    dev.wait_until_in_sync();
    assert_eq!(world.repo.subjects(), ["'PO App' App added to git"]);
}

#[test]
fn connections_cut_again_and_again_lose_no_save() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    for round in 0..20 {
        set(&dev.apps.join(SCREEN), &format!("round{round}"), round);
        std::thread::sleep(std::time::Duration::from_millis(100 + 23 * (round % 7)));
        world.sshd.cut_connections();
    }
    dev.wait(PATIENCE, "every save in Git", || {
        let text = world.repo.show("main", &format!("App/{SCREEN}")).unwrap_or_default();
        (0..20).all(|round| text.contains(&format!("\"round{round}\"")))
    });
    world.repo.fsck();
}

#[test]
fn a_server_that_stops_answering_does_not_stop_the_worker_from_ending() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    world.sshd.freeze();
    set(&dev.apps.join(SCREEN), "color", "green");
    std::thread::sleep(std::time::Duration::from_millis(500));
    dev.stop();
    world.sshd.thaw();
}
