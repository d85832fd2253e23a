//! An app gets another name while somebody else works on it.

use std::fs;

use appferry::domain::status::AppState;

use super::{conflict_branches, meet, two, wait_until_equal};
use crate::support::apps::{names, set, value};
use crate::support::instance::Instance;
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE};

const SCREEN: &str = "screens/Screen 1/meta.json";

fn rename(instance: &Instance, old: &str, new: &str) {
    fs::rename(instance.apps.join(old), instance.apps.join(new)).expect("rename the app");
}

fn edit(instance: &Instance, app: &str) {
    set(&instance.apps.join(app).join(SCREEN), "color", "green");
}

#[test]
fn renamed_by_one_and_edited_by_the_other_is_the_new_name_with_the_edit_whoever_renamed() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    let at_dev = |dev: &Instance| {
        rename(dev, "PO App", "Purchase");
        edit(dev, "Other");
        dev.wait(DELETION, "both in Git", || {
            let edited = world.repo.show("main", &format!("App/Other/{SCREEN}"));
            edited.is_some_and(|text| text.contains("green"))
                && world.repo.show("main", "App/PO App/meta.json").is_none()
        });
    };
    let at_qa = |qa: &Instance| {
        edit(qa, "PO App");
        rename(qa, "Other", "Orders");
    };
    meet(&world, &dev, &mut qa, at_dev, at_qa);
    for (instance, app) in [(&dev, "Purchase"), (&dev, "Orders"), (&qa, "Purchase"), (&qa, "Orders")] {
        instance.wait(DELETION, "the edit under the new name", || {
            value(&instance.apps.join(app).join(SCREEN), "color") == Some("green".into())
        });
    }
    wait_until_equal(&world, &dev, &qa);
    assert_eq!(names(&dev.apps), ["Orders", "Purchase"]);
    assert_eq!(conflict_branches(&world), Vec::<String>::new());
    let subjects = world.repo.subjects();
    for subject in
        ["App renamed 'PO App' to 'Purchase'", "App renamed 'Other' to 'Orders'", "Purchase:: Minor app update"]
    {
        assert!(subjects.contains(&subject.to_owned()), "{subject} in {subjects:?}");
    }
    assert!(!subjects.iter().any(|subject| subject.contains("removed")), "{subjects:?}");
    let kept = qa.cli_text(&["sync", "backups"]);
    assert!(kept.contains("PO App") && kept.contains("renamed to 'Purchase' in Git"), "{kept}");
}

#[test]
fn two_new_names_wait_for_a_person_and_lose_nothing() {
    let Some(world) = World::new() else { return };
    let (dev, mut qa) = two(&world);
    meet(&world, &dev, &mut qa, |dev| rename(dev, "PO App", "Purchase"), |qa| rename(qa, "PO App", "Orders"));
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
    qa.wait(PATIENCE, "the branch with our side", || !conflict_branches(&world).is_empty());
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
