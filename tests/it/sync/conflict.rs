//! Two sides changed one app: merged where that is possible, held where it is not.

use appferry::domain::status::AppState;

use crate::support::PATIENCE;
use crate::support::apps::{set, snapshot, value, write_app};
use crate::support::instance::Instance;
use crate::support::world::World;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";
const EXPORT: &str = "PO App/__export_meta.json";

/// `dev` and `qa` hold the same apps; `qa` is stopped, so that both can change something before they meet.
pub(super) fn two(world: &World) -> (Instance, Instance) {
    let (mut dev, mut qa) = (world.instance("dev"), world.instance("qa"));
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    qa.start();
    qa.wait_until("both apps", |repository| repository.apps.len() == 2);
    qa.wait_until_in_sync();
    qa.stop();
    (dev, qa)
}

/// `dev` pushes a change; then `qa` starts with another one.
pub(super) fn meet(
    world: &World,
    dev: &Instance,
    qa: &mut Instance,
    at_dev: impl Fn(&Instance),
    at_qa: impl Fn(&Instance),
) {
    let before = world.repo.tip("main");
    at_dev(dev);
    dev.wait(PATIENCE, "dev's push", || world.repo.tip("main") != before);
    dev.wait_until_in_sync();
    at_qa(qa);
    qa.start();
}

pub(super) fn conflict(world: &World) -> (Instance, Instance) {
    let (dev, mut qa) = two(world);
    let colour = |colour: &'static str| move |instance: &Instance| set(&instance.apps.join(SCREEN), "color", colour);
    meet(world, &dev, &mut qa, colour("green"), colour("blue"));
    qa.wait_for_app("PO App", AppState::Conflict);
    qa.wait(PATIENCE, "the branch with our side", || !conflict_branches(world).is_empty());
    (dev, qa)
}

pub(super) fn conflict_branches(world: &World) -> Vec<String> {
    world.repo.branches().into_iter().filter(|branch| branch.starts_with("conflict/")).collect()
}

#[test]
fn changes_of_different_keys_of_one_file_are_merged() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    meet(
        &world,
        &dev,
        &mut qa,
        |dev| set(&dev.apps.join(SCREEN), "color", "green"),
        |qa| set(&qa.apps.join(SCREEN), "width", 6),
    );
    for instance in [&dev, &qa] {
        instance.wait(PATIENCE, "both changes", || {
            value(&instance.apps.join(SCREEN), "color") == Some("green".into())
                && value(&instance.apps.join(SCREEN), "width") == Some(6.into())
        });
        instance.wait_until_in_sync();
    }
    assert_eq!(snapshot(&dev.apps), snapshot(&qa.apps));
    assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", "main"]), "0", "history is linear");
    assert_eq!(conflict_branches(&world), Vec::<String>::new());
}

#[test]
fn different_save_times_are_no_conflict_and_the_newest_wins() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    meet(
        &world,
        &dev,
        &mut qa,
        |dev| {
            set(&dev.apps.join(EXPORT), "updated_time", "02-04-2025 08:00:00");
            set(&dev.apps.join(SCREEN), "color", "green");
        },
        |qa| {
            set(&qa.apps.join(EXPORT), "updated_time", "31-03-2025 23:59:59");
            set(&qa.apps.join(SCREEN), "width", 6);
        },
    );
    for instance in [&dev, &qa] {
        instance.wait(PATIENCE, "both changes", || {
            value(&instance.apps.join(SCREEN), "color") == Some("green".into())
                && value(&instance.apps.join(SCREEN), "width") == Some(6.into())
        });
        instance.wait_until_in_sync();
        assert_eq!(value(&instance.apps.join(EXPORT), "updated_time"), Some("02-04-2025 08:00:00".into()));
    }
    assert_eq!(conflict_branches(&world), Vec::<String>::new());
}

#[test]
fn one_value_changed_on_both_sides_keeps_both_and_holds_that_app_alone() {
    let Some(world) = World::new() else { return };
    let (dev, qa) = conflict(&world);

    let branches = conflict_branches(&world);
    assert_eq!(branches.len(), 1, "{branches:?}");
    let (name, time) = branches[0].rsplit_once('/').expect("a time at the end");
    assert_eq!(name, "conflict/qa/PO%20App");
    assert_eq!(time.len(), "YYYYMMDDTHHMMSSZ".len(), "{time}");
    let ours = world.repo.show(&branches[0], &format!("App/{SCREEN}")).expect("ours");
    assert!(ours.contains("blue"), "{ours}");
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).expect("theirs").contains("green"));
    assert_eq!(value(&qa.apps.join(SCREEN), "color"), Some("blue".into()), "the disk stays ours");
    let app = qa.wait_for_app("PO App", AppState::Conflict);
    assert!(app.reason.is_some_and(|reason| reason.contains("screens/Screen 1/meta.json")), "it says where");

    set(&qa.apps.join("Other/screens/Screen 1/meta.json"), "color", "white");
    dev.wait(PATIENCE, "the other app's change", || {
        value(&dev.apps.join("Other/screens/Screen 1/meta.json"), "color") == Some("white".into())
    });
    set(&dev.apps.join("Other/screens/Screen 1/meta.json"), "width", 3);
    qa.wait(PATIENCE, "the other app's change", || {
        value(&qa.apps.join("Other/screens/Screen 1/meta.json"), "width") == Some(3.into())
    });
}

#[test]
fn a_conflict_ends_with_ours_when_a_person_says_so() {
    let Some(world) = World::new() else { return };
    let (dev, qa) = conflict(&world);
    qa.cli_text(&["sync", "resolve", "PO App", "--take", "ours"]);
    qa.wait_until_in_sync();
    dev.wait(PATIENCE, "ours at dev", || value(&dev.apps.join(SCREEN), "color") == Some("blue".into()));
    assert!(world.repo.everything_ever_added().contains("green"), "theirs stays in history");
    assert_eq!(world.repo.git(&["rev-list", "--count", "--merges", "main"]), "0");
}

#[test]
fn a_conflict_ends_with_theirs_when_a_person_says_so() {
    let Some(world) = World::new() else { return };
    let (_dev, qa) = conflict(&world);
    let tip = world.repo.tip("main");
    qa.cli_text(&["sync", "resolve", "PO App", "--take", "theirs"]);
    qa.wait(PATIENCE, "theirs here", || value(&qa.apps.join(SCREEN), "color") == Some("green".into()));
    qa.wait_until_in_sync();
    assert_eq!(world.repo.tip("main"), tip, "taking theirs is no commit");
    assert!(qa.still_has("blue"), "ours is kept");

    let kept: Vec<serde_json::Value> =
        serde_json::from_str(&qa.cli_text(&["sync", "backups", "--json"])).expect("what was kept aside");
    let entry = kept.iter().find(|entry| entry["app"] == "PO App").expect("our side of it");
    qa.cli_text(&["sync", "backups", "restore", entry["ref"].as_str().expect("its ref")]);
    qa.wait(PATIENCE, "ours again", || value(&qa.apps.join(SCREEN), "color") == Some("blue".into()));
    qa.wait(PATIENCE, "ours in Git, as a new commit", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("blue"))
    });
}

#[test]
fn a_conflict_is_still_one_after_a_restart_and_makes_no_second_branch() {
    let Some(world) = World::new() else { return };
    let (_dev, mut qa) = conflict(&world);
    let branches = conflict_branches(&world);
    qa.stop();
    qa.start();
    qa.wait_for_app("PO App", AppState::Conflict);
    set(&qa.apps.join(SCREEN), "color", "black");
    qa.wait(PATIENCE, "the later save on the same branch", || {
        world.repo.show(&branches[0], &format!("App/{SCREEN}")).is_some_and(|text| text.contains("black"))
    });
    assert_eq!(conflict_branches(&world), branches);
}

#[test]
fn editing_what_the_other_side_changed_to_the_same_value_releases_the_app() {
    let Some(world) = World::new() else { return };
    let (_dev, qa) = conflict(&world);
    set(&qa.apps.join(SCREEN), "color", "green");
    qa.wait_until_in_sync();
}

#[test]
fn resolving_an_app_that_has_no_conflict_says_so() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let output = dev.cli(&["sync", "resolve", "PO App", "--take", "ours"]);
    assert!(output.status.success(), "asking again for what is so already is no failure");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("PO App") && said.contains("no conflict"), "{said}");
}
