//! What must never be committed, and what is only done when a person says so.

use std::fs;
use std::time::Duration;

use appferry::domain::status::{AppState, RepositoryState};

use crate::support::apps::{names, set, value, write, write_app, write_old_app};
use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE};

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

#[test]
fn a_half_written_file_holds_its_app_until_it_is_whole() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    write_old_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    let tip = world.repo.tip("main");

    write(&dev.apps.join(SCREEN), "{\n  \"title\": \"Ord");
    let held = dev.wait_for_app("PO App", AppState::Held);
    let reason = held.reason.expect("why");
    assert!(reason.contains("screens/Screen 1/meta.json"), "{reason}");
    set(&dev.apps.join("Other/Other.json"), "app", "new");
    dev.wait(PATIENCE, "the other app's push", || world.repo.tip("main") != tip);
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("red")));

    write(&dev.apps.join(SCREEN), "{\n  \"title\": \"Ordered\"\n}\n");
    dev.wait_until_in_sync();
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("Ordered")));
    assert!(!world.repo.everything_ever_added().lines().any(|line| line.ends_with("\"Ord")), "half a file is in Git");
}

#[test]
fn an_app_that_never_was_whole_is_never_added() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_old_app(&dev.apps, "Good");
    write(&dev.apps.join("Broken/Broken.json"), "{\"app\": ");
    dev.start();
    dev.wait_for_app("Broken", AppState::Held);
    dev.wait_for_app("Good", AppState::InSync);
    assert_eq!(world.repo.subjects(), ["'Good' App added to git"]);
}

fn with_five_apps(world: &World) -> Instance {
    let mut dev = world.instance("dev");
    for name in ["A", "B", "C", "D", "E"] {
        write_old_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    dev
}

#[test]
fn an_emptied_apps_folder_is_no_mass_deletion_until_a_person_confirms_it() {
    let Some(world) = World::new() else { return };
    let dev = with_five_apps(&world);
    let tip = world.repo.tip("main");
    for name in ["A", "B", "C", "D", "E"] {
        fs::remove_dir_all(dev.apps.join(name)).expect("remove the app");
    }
    let limit = DELETION;
    let held = dev.wait_until_within(limit, "held deletions", |it| it.state == RepositoryState::HeldDeletions);
    let reasons = format!("{:?}", held.apps);
    assert!(reasons.contains("appferry sync confirm"), "it says what to do: {reasons}");
    std::thread::sleep(Duration::from_secs(7)); // longer than a single deletion has to stand
    assert_eq!(world.repo.tip("main"), tip, "nothing was deleted");
    assert_eq!(names(&dev.apps), Vec::<String>::new(), "and nothing was put back by itself");

    dev.cli_text(&["sync", "confirm", "--all"]);
    dev.wait(limit, "the deletions in Git", || world.repo.snapshot("main").is_empty());
    assert_eq!(world.repo.subjects().iter().filter(|subject| subject.ends_with("App removed from git")).count(), 5);
}

#[test]
fn a_missing_apps_folder_stops_nothing_but_the_apps() {
    let Some(world) = World::new() else { return };
    let mut dev = with_five_apps(&world);
    let tip = world.repo.tip("main");
    let away = dev.aside().join("apps");
    fs::rename(&dev.apps, &away).expect("move the folder away");
    dev.wait_for_state(RepositoryState::DiskTrouble);
    dev.stop();
    dev.start();
    dev.wait_for_state(RepositoryState::DiskTrouble);
    assert_eq!(world.repo.tip("main"), tip);
    fs::rename(&away, &dev.apps).expect("bring it back");
    dev.wait_until_in_sync();
    assert_eq!(world.repo.tip("main"), tip);
}

#[test]
fn apps_that_came_back_need_no_confirmation() {
    let Some(world) = World::new() else { return };
    let dev = with_five_apps(&world);
    let tip = world.repo.tip("main");
    let away = dev.aside();
    for name in ["A", "B", "C", "D", "E"] {
        fs::rename(dev.apps.join(name), away.join(name)).expect("move the app away");
    }
    dev.wait_until_within(DELETION, "held deletions", |it| it.state == RepositoryState::HeldDeletions);
    for name in ["A", "B", "C", "D", "E"] {
        fs::rename(away.join(name), dev.apps.join(name)).expect("bring the app back");
    }
    dev.wait_until_in_sync();
    assert_eq!(world.repo.tip("main"), tip);
}

#[test]
fn apps_that_come_back_one_after_another_do_not_let_the_rest_be_deleted() {
    let Some(world) = World::new() else { return };
    let dev = with_five_apps(&world);
    let away = dev.aside();
    for name in ["A", "B", "C", "D", "E"] {
        fs::rename(dev.apps.join(name), away.join(name)).expect("move the app away");
    }
    dev.wait_until_within(DELETION, "held deletions", |it| it.state == RepositoryState::HeldDeletions);
    for name in ["A", "B"] {
        fs::rename(away.join(name), dev.apps.join(name)).expect("bring the app back");
    }
    set(&dev.apps.join("A/A.json"), "app", "edited");
    dev.wait(PATIENCE, "the edit in Git", || {
        world.repo.show("main", "App/A/A.json").is_some_and(|text| text.contains("edited"))
    });
    dev.cli_text(&["sync", "push", "B"]); // one more pass over everything
    assert_eq!(world.repo.snapshot("main").len(), 5, "{:?}", world.repo.subjects());
    assert_eq!(dev.repository().state, RepositoryState::HeldDeletions);
    dev.cli_text(&["sync", "revert", "C", "D", "E"]);
    dev.wait_until_in_sync();
    assert_eq!(names(&dev.apps).len(), 5);
    assert_eq!(world.repo.snapshot("main").len(), 5);
}

#[test]
fn a_mass_deletion_by_somebody_else_is_held_too() {
    let Some(world) = World::new() else { return };
    let dev = with_five_apps(&world);
    world.repo.somebody_commits("Remove all", |tree| fs::remove_dir_all(tree.join("App")).expect("remove all"));
    dev.wait_for_state(RepositoryState::HeldDeletions);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(names(&dev.apps).len(), 5, "nothing was deleted here");
    dev.cli_text(&["sync", "confirm", "--all"]);
    dev.wait(PATIENCE, "the deletions here", || names(&dev.apps).is_empty());
    assert!(dev.still_has("old"), "what was deleted can be restored");
}

#[test]
fn new_apps_wait_for_a_person_where_auto_add_is_off() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "false");
    write_old_app(&dev.apps, "Mine");
    dev.start();
    dev.wait_for_app("Mine", AppState::Untracked);
    assert_eq!(world.repo.branches(), Vec::<String>::new());
    dev.cli_text(&["sync", "add", "Mine"]);
    dev.wait_for_app("Mine", AppState::InSync);
    assert_eq!(world.repo.subjects(), ["'Mine' App added to git"]);
}

#[test]
fn changes_wait_for_a_person_where_auto_save_is_off() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_IS_AUTO_SAVE", "false");
    dev.start();
    dev.wait(PATIENCE, "the app", || dev.apps.join(SCREEN).exists());
    dev.wait_until_in_sync();
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_for_app("PO App", AppState::Modified);

    world.repo.somebody_commits("Theirs", |tree| set(&tree.join("App").join(SCREEN), "width", 6));
    dev.wait_until("modified, behind", |repository| {
        repository.apps.iter().any(|app| app.reason.as_deref().is_some_and(|reason| reason.contains("behind")))
    });
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("green".into()), "nothing was written over");
    assert_eq!(world.repo.subjects(), ["Theirs", "Start"]);

    dev.cli_text(&["sync", "push", "PO App"]);
    dev.wait_until_in_sync();
    let text = world.repo.show("main", &format!("App/{SCREEN}")).expect("the file");
    assert!(
        text.contains("green") && text.contains("\"width\": 6"),
        "pushed and merged because a person said so: {text}"
    );
}

#[test]
fn a_remote_app_with_the_name_of_an_untracked_one_is_held() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "false");
    let mine = write_old_app(&dev.apps, "Same");
    set(&mine, "app", "mine");
    dev.start();
    dev.wait_for_app("Same", AppState::Untracked);
    world.repo.somebody_commits("Theirs", |tree| {
        write_old_app(&tree.join("App"), "Same");
    });
    dev.wait_for_app("Same", AppState::Held);
    assert_eq!(value(&mine, "app"), Some("mine".into()));
}
