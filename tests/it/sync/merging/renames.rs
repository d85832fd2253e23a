//! An app gets another name while somebody else works on it.

use std::fs;

use appferry::domain::status::AppState;

use super::{conflict_branches, meet, two, wait_until_equal};
use crate::support::DELETION;
use crate::support::apps::{names, set, value};
use crate::support::instance::Instance;
use crate::support::world::World;

const SCREEN: &str = "screens/Screen 1/meta.json";

fn rename(instance: &Instance, name: &str) {
    fs::rename(instance.apps.join("PO App"), instance.apps.join(name)).expect("rename the app");
}

fn edit(instance: &Instance) {
    set(&instance.apps.join("PO App").join(SCREEN), "color", "green");
}

#[test]
fn renamed_here_while_others_edit_it_is_the_new_name_with_their_edit() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    meet(&world, &dev, &mut qa, edit, |qa| rename(qa, "Purchase"));
    wait_until_equal_with(&world, &dev, &qa, "Purchase");
    assert_eq!(world.repo.subjects()[0], "App renamed 'PO App' to 'Purchase'");
}

#[test]
fn renamed_by_others_while_it_is_edited_here_is_the_new_name_with_our_edit() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    meet(&world, &dev, &mut qa, |dev| rename(dev, "Purchase"), edit);
    wait_until_equal_with(&world, &dev, &qa, "Purchase");
    assert_eq!(world.repo.subjects()[..2], ["Purchase:: Minor app update", "App renamed 'PO App' to 'Purchase'"]);
    let kept = qa.cli_text(&["sync", "backups"]);
    assert!(kept.contains("PO App") && kept.contains("renamed to 'Purchase' in Git"), "{kept}");
}

fn wait_until_equal_with(world: &World, dev: &Instance, qa: &Instance, name: &str) {
    for instance in [dev, qa] {
        instance.wait(DELETION, "the edit under the new name", || {
            value(&instance.apps.join(name).join(SCREEN), "color") == Some("green".into())
        });
    }
    wait_until_equal(world, dev, qa);
    assert_eq!(names(&dev.apps), ["Other", name]);
    assert_eq!(conflict_branches(world), Vec::<String>::new());
}

#[test]
fn two_new_names_wait_for_a_person_and_lose_nothing() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    meet(&world, &dev, &mut qa, |dev| rename(dev, "Purchase"), |qa| rename(qa, "Orders"));
    let app = qa.wait_until_within(DELETION, "the conflict", |repository| {
        repository.apps.iter().any(|app| app.name == "PO App" && app.state == AppState::Conflict)
    });
    let app = app.apps.iter().find(|app| app.name == "PO App").expect("the app");
    let reason = app.reason.clone().unwrap_or_default();
    assert!(reason.contains("renamed to 'Orders' here and to 'Purchase' in Git"), "{reason}");
    assert_eq!(
        (names(&dev.apps), names(&qa.apps)),
        (vec!["Other".into(), "Purchase".into()], vec!["Orders".into(), "Other".into()])
    );
    let branches = conflict_branches(&world);
    assert_eq!(branches.len(), 1, "{branches:?}");
    assert!(world.repo.show(&branches[0], "App/Orders/meta.json").is_some(), "ours is on the branch");

    qa.cli(&["sync", "resolve", "PO App", "--take", "theirs"]);
    wait_until_equal(&world, &dev, &qa);
    assert_eq!(names(&qa.apps), ["Other", "Purchase"]);
}

#[test]
fn a_deletion_against_an_edit_is_a_conflict_whoever_deleted() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    let edit_and_delete = |edited: &'static str, deleted: &'static str| {
        move |instance: &Instance| {
            set(&instance.apps.join(edited).join(SCREEN), "color", "green");
            fs::remove_dir_all(instance.apps.join(deleted)).expect("remove the app");
        }
    };
    let at_dev = |dev: &Instance| {
        edit_and_delete("PO App", "Other")(dev);
        dev.wait(DELETION, "both in Git", || {
            let edited = world.repo.show("main", &format!("App/PO App/{SCREEN}"));
            edited.is_some_and(|text| text.contains("green"))
                && world.repo.show("main", "App/Other/meta.json").is_none()
        });
    };
    meet(&world, &dev, &mut qa, at_dev, edit_and_delete("Other", "PO App"));
    qa.wait_until_within(DELETION, "both conflicts", |repository| {
        repository.apps.len() == 2 && repository.apps.iter().all(|app| app.state == AppState::Conflict)
    });
    assert_eq!(value(&dev.apps.join("PO App").join(SCREEN), "color"), Some("green".into()));
    assert_eq!(value(&qa.apps.join("Other").join(SCREEN), "color"), Some("green".into()));
    assert!(!world.repo.subjects().contains(&"'PO App' App removed from git".to_owned()));
    assert!(world.repo.show("main", "App/PO App/meta.json").is_some());
}
