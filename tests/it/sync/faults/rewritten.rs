//! Somebody forces another history onto the branch.

use appferry::domain::status::{AppState, RepositoryState};

use super::SCREEN;
use crate::support::apps::{set, snapshot, value, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{PATIENCE, wait_for};

/// An instance at the second commit; answers the first one, too.
fn at_the_second_commit(world: &World, mut instance: Instance) -> (Instance, String) {
    let first = world.repo.somebody_commits("First", |tree| {
        write_app(&tree.join("App"), "PO App");
        write_app(&tree.join("App"), "Other");
    });
    world.repo.somebody_commits("Second", |tree| set(&tree.join("App").join(SCREEN), "color", "second"));
    instance.start();
    instance
        .wait(PATIENCE, "the second commit", || value(&instance.apps.join(SCREEN), "color") == Some("second".into()));
    instance.wait_until_in_sync();
    (instance, first)
}

#[test]
fn a_locked_instance_follows_and_keeps_what_was_taken_away() {
    let Some(world) = World::new() else { return };
    let (production, first) = at_the_second_commit(&world, world.locked_instance("production"));
    set(&production.apps.join(SCREEN), "title", "drifted");
    production.wait_for_app("PO App", AppState::Drift);
    let tip = world.repo.somebody_rewrites("Rewritten", &first, |tree| {
        set(&tree.join("App").join(SCREEN), "color", "rewritten");
    });
    production.wait(PATIENCE, "the new history", || {
        value(&production.apps.join(SCREEN), "color") == Some("rewritten".into())
    });
    production.wait_until_in_sync();
    assert_eq!(snapshot(&production.apps), world.repo.snapshot("main"));
    assert_eq!(world.repo.tip("main"), Some(tip));
    assert!(production.still_has("drifted") && production.still_has("second"), "both can be restored");
}

#[test]
fn an_unpushed_edit_that_does_not_merge_is_diverged_and_kept_on_a_branch_of_its_own() {
    let Some(mut world) = World::new() else { return };
    let (mut dev, first) = at_the_second_commit(&world, world.instance("dev"));
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    set(&dev.apps.join(SCREEN), "color", "ours");
    set(&dev.apps.join("Other/screens/Screen 1/meta.json"), "color", "merges");
    dev.wait_until("both commits", |repository| repository.unpushed == 2);
    let tip = world.repo.somebody_rewrites("Rewritten", &first, |tree| {
        set(&tree.join("App").join(SCREEN), "color", "rewritten");
        set(&tree.join("App/Other/screens/Screen 1/meta.json"), "width", 6);
    });
    world.sshd.restart();
    let diverged = dev.wait_for_app("PO App", AppState::Diverged);
    let reason = diverged.reason.expect("why");
    assert!(reason.contains("rewritten") && reason.contains("conflict/dev/"), "{reason}");
    dev.wait(PATIENCE, "the edit that merges", || {
        let text = world.repo.show("main", "App/Other/screens/Screen 1/meta.json").unwrap_or_default();
        text.contains("merges") && text.contains("\"width\": 6")
    });
    world.repo.git(&["merge-base", "--is-ancestor", &tip, "main"]);
    let branch = wait_for(
        PATIENCE,
        || dev.log(),
        || world.repo.branches().into_iter().find(|branch| branch.starts_with("conflict/dev/PO%20App/")),
    );
    let ours = world.repo.show(&branch, &format!("App/{SCREEN}")).expect("ours");
    assert!(ours.contains("ours"), "{ours}");
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("ours".into()), "the disk stays ours");
    dev.wait_for_app("Other", AppState::InSync);

    dev.stop();
    dev.start();
    dev.wait_for_app("PO App", AppState::Diverged);
    let json = String::from_utf8(dev.http_get("/api/v1/status", true).expect("an answer").1).expect("text");
    assert!(json.contains("\"diverged\""), "{json}");
    dev.cli_text(&["sync", "resolve", "PO App", "--take", "ours"]);
    dev.wait(PATIENCE, "ours in Git", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("ours"))
    });
    dev.wait_until_in_sync();
    // A clash after that is an ordinary conflict again.
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    set(&dev.apps.join(SCREEN), "color", "mine");
    world.repo.somebody_commits("Theirs", |tree| set(&tree.join("App").join(SCREEN), "color", "theirs"));
    world.sshd.restart();
    dev.wait_for_app("PO App", AppState::Conflict);
}
