//! The branch is deleted, and made again with the same or with other content.

use std::time::Duration;

use appferry::domain::status::{AppState, RepositoryState};

use super::SCREEN;
use crate::support::PATIENCE;
use crate::support::apps::{names, set, snapshot, value, write_app, write_old_app};
use crate::support::instance::Instance;
use crate::support::world::World;

fn started(world: &World) -> Instance {
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    for name in ["A", "B", "C", "D", "E"] {
        write_old_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    dev
}

#[test]
fn a_branch_made_again_as_it_was_is_followed_again() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    let tip = world.repo.tip("main").expect("the tip");
    world.repo.git(&["update-ref", "-d", "refs/heads/main"]);
    dev.wait_for_state(RepositoryState::BranchAbsent);
    set(&dev.apps.join(SCREEN), "color", "green");
    world.repo.git(&["update-ref", "refs/heads/main", &tip]);
    dev.wait(PATIENCE, "the edit made meanwhile", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    dev.wait_until_in_sync();
    assert_eq!(names(&dev.apps).len(), 6);
}

#[test]
fn a_branch_made_again_with_other_content_loses_nothing_of_ours_and_deletes_nothing_at_once() {
    let Some(world) = World::new() else { return };
    let dev = started(&world);
    let before = snapshot(&dev.apps);
    world.repo.git(&["update-ref", "-d", "refs/heads/main"]);
    dev.wait_for_state(RepositoryState::BranchAbsent);
    // A history of its own, with one app of the same name and none of the others; one of them seems to be renamed.
    world.repo.somebody_commits("Somebody begins again", |tree| {
        write_app(&tree.join("App"), "PO App");
        set(&tree.join("App").join(SCREEN), "title", "Anew");
        write_old_app(&tree.join("App"), "Fresh");
    });
    dev.wait(PATIENCE, "what is new there", || {
        dev.apps.join("Fresh/Fresh.json").exists() && value(&dev.apps.join(SCREEN), "title") == Some("Anew".into())
    });
    let repository = dev.wait_for_state(RepositoryState::HeldDeletions);
    let held = repository.apps.iter().filter(|app| app.state == AppState::Held).count();
    assert_eq!(held, 4, "{:?}", repository.apps);
    std::thread::sleep(Duration::from_secs(2));
    let left =
        |(path, content): &&(String, Vec<u8>)| std::fs::read(dev.apps.join(path)).is_ok_and(|now| now == *content);
    let kept = before.iter().filter(|(path, _)| !path.starts_with("PO App/")).filter(left).count();
    assert_eq!(kept, 4, "{:?}", names(&dev.apps));
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait(PATIENCE, "an edit on the new branch", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
    assert_eq!(world.repo.git(&["rev-list", "--max-parents=0", "--count", "main"]), "1", "histories are not mixed");
    dev.cli_text(&["sync", "confirm", "--all"]);
    dev.wait(PATIENCE, "the deletions here", || names(&dev.apps) == ["Fresh", "PO App"]);
    assert!(dev.still_has("\"app\": \"old\""), "what was deleted can be restored");
}
