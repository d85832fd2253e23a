//! The followed branch may not be pushed to.

use std::time::Duration;

use appferry::domain::status::{AppState, RepositoryState};

use super::SCREEN;
use crate::support::apps::{set, snapshot, value, write_app, write_old_app};
use crate::support::instance::{Instance, app, is_in_sync};
use crate::support::world::World;
use crate::support::{DELETION, PATIENCE, git};

const OTHER: &str = "Other/screens/Screen 1/meta.json";

/// An instance in sync with a branch that is then protected.
fn protected(world: &World, on_protected: Option<&str>) -> Instance {
    let mut dev = world.instance("dev");
    if let Some(way) = on_protected {
        dev.set("APPFERRY_ON_PROTECTED", way);
    }
    write_app(&dev.apps, "PO App");
    write_app(&dev.apps, "Other");
    dev.start();
    dev.wait_until_in_sync();
    // An `update` hook is asked for each ref: our own branch passes.
    world.repo.set_hook("update", "[ \"$1\" != refs/heads/main ] || { echo 'error: GH006: Protected branch update failed for refs/heads/main.' >&2; exit 1; }\n");
    dev
}

/// What an administrator does in the Git host: no hook is in the way.
fn admin(world: &World, work: impl Fn(&std::path::Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = world.repo.path().display().to_string();
    git(folder.path(), &["clone", "--quiet", "--branch", "main", &url, "work"]);
    let tree = folder.path().join("work");
    git(&tree, &["config", "user.name", "Admin"]);
    git(&tree, &["config", "user.email", "admin@example.org"]);
    work(&tree);
    world.repo.git(&["fetch", "--quiet", &tree.display().to_string(), "HEAD"]);
    world.repo.git(&["update-ref", "refs/heads/main", "FETCH_HEAD"]);
}

fn on_branch(world: &World, branch: &str, path: &str, text: &str) -> bool {
    world.repo.show(branch, &format!("App/{path}")).is_some_and(|found| found.contains(text))
}

fn waits(dev: &Instance, branch: &str) {
    dev.wait_until("an app that waits on the branch, with all of it there, and a notice", |repository| {
        let reason = format!("waits on branch {branch} to be merged");
        app(repository, "PO App").is_some_and(|app| {
            app.state == AppState::Held && app.reason.as_ref().is_some_and(|text| text.contains(&reason))
        }) && repository.unpushed == 0
            && repository.notices.iter().any(|notice| notice.contains(branch))
    });
}

/// An instance whose edit, a green screen, is on a branch of its own.
fn with_an_edit_that_waits(world: &World) -> Instance {
    let dev = protected(world, Some("branch"));
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait(PATIENCE, "ours on its branch", || on_branch(world, "appferry/dev", SCREEN, "green"));
    waits(&dev, "appferry/dev");
    dev
}

#[test]
fn by_default_the_app_is_held_with_the_servers_words_and_no_branch_is_made() {
    let Some(world) = World::new() else { return };
    let dev = protected(&world, None);
    set(&dev.apps.join(SCREEN), "color", "green");
    let held = dev.wait_for_app("PO App", AppState::Held);
    assert!(held.reason.is_some_and(|reason| reason.contains("GH006")));
    let error = dev.wait_for_state(RepositoryState::Refused).last_error.expect("an error");
    assert!(error.failure.remedy.contains("APPFERRY_ON_PROTECTED"), "{error:?}");
    assert_eq!(world.repo.branches(), ["main"]);
}

#[test]
fn changes_wait_on_a_branch_of_their_own_until_a_merge_brings_them() {
    let Some(world) = World::new() else { return };
    let mut dev = with_an_edit_that_waits(&world);
    assert!(on_branch(&world, "main", SCREEN, "red"));

    // A further edit, also over a restart, goes on top of it.
    dev.stop();
    dev.start();
    waits(&dev, "appferry/dev");
    set(&dev.apps.join(SCREEN), "width", 7);
    dev.wait(PATIENCE, "the second edit", || on_branch(&world, "appferry/dev", SCREEN, "\"width\": 7"));
    waits(&dev, "appferry/dev");
    assert_eq!(world.repo.git(&["rev-list", "--count", "main..appferry/dev"]), "2");

    // The followed branch goes on: what others change still arrives.
    admin(&world, |tree| {
        set(&tree.join("App").join(OTHER), "color", "theirs");
        git(tree, &["commit", "--quiet", "-am", "Theirs"]);
    });
    dev.wait(PATIENCE, "their change", || value(&dev.apps.join(OTHER), "color") == Some("theirs".into()));
    waits(&dev, "appferry/dev");

    admin(&world, |tree| {
        git(tree, &["merge", "--quiet", "--no-ff", "-m", "Merge", "origin/appferry/dev"]);
    });
    dev.wait_until("in sync, and no notice", |repository| is_in_sync(repository) && repository.notices.is_empty());
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));

    // The next edit starts the branch again, from what was merged.
    set(&dev.apps.join(SCREEN), "color", "blue");
    dev.wait(PATIENCE, "the next edit", || on_branch(&world, "appferry/dev", SCREEN, "blue"));
    waits(&dev, "appferry/dev");
    assert_eq!(world.repo.git(&["rev-list", "--count", "main..appferry/dev"]), "1");
    assert_eq!(world.repo.branches(), ["appferry/dev", "main"]);
}

#[test]
fn a_squash_merge_whose_branch_is_deleted_counts_as_well() {
    let Some(world) = World::new() else { return };
    let dev = with_an_edit_that_waits(&world);
    admin(&world, |tree| {
        git(tree, &["merge", "--quiet", "--squash", "origin/appferry/dev"]);
        git(tree, &["commit", "--quiet", "-m", "Squashed"]);
    });
    world.repo.git(&["update-ref", "-d", "refs/heads/appferry/dev"]);
    dev.wait_until_in_sync();
    set(&dev.apps.join(SCREEN), "color", "blue");
    dev.wait(PATIENCE, "the next edit", || on_branch(&world, "appferry/dev", SCREEN, "blue"));
    waits(&dev, "appferry/dev");
    assert_eq!(world.repo.git(&["rev-list", "--count", "main..appferry/dev"]), "1", "it begins at the merged state");
}

#[test]
fn what_others_change_in_the_same_app_is_merged_into_our_branch() {
    let Some(world) = World::new() else { return };
    let dev = with_an_edit_that_waits(&world);
    admin(&world, |tree| {
        set(&tree.join("App").join(SCREEN), "width", 6);
        git(tree, &["commit", "--quiet", "-am", "Theirs"]);
    });
    let merged =
        |branch| on_branch(&world, branch, SCREEN, "green") && on_branch(&world, branch, SCREEN, "\"width\": 6");
    dev.wait(PATIENCE, "both on our branch", || merged("appferry/dev"));
    world.repo.git(&["merge-base", "--is-ancestor", "main", "appferry/dev"]);
    waits(&dev, "appferry/dev");
    admin(&world, |tree| {
        git(tree, &["merge", "--quiet", "--ff-only", "origin/appferry/dev"]);
    });
    dev.wait(PATIENCE, "both here", || value(&dev.apps.join(SCREEN), "width") == Some(6.into()));
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
}

#[test]
fn a_branch_that_somebody_else_pushed_to_is_left_alone_and_another_one_is_begun() {
    let Some(world) = World::new() else { return };
    let dev = with_an_edit_that_waits(&world);
    let reviewed = world.repo.git(&["commit-tree", "-p", "appferry/dev", "-m", "Reviewed", "appferry/dev^{tree}"]);
    world.repo.git(&["update-ref", "refs/heads/appferry/dev", &reviewed]);
    set(&dev.apps.join(SCREEN), "width", 7);
    dev.wait(PATIENCE, "another branch", || on_branch(&world, "appferry/dev-2", SCREEN, "\"width\": 7"));
    waits(&dev, "appferry/dev-2");
    assert!(on_branch(&world, "appferry/dev-2", SCREEN, "green"), "with all that waits");
    assert_eq!(world.repo.tip("appferry/dev"), Some(reviewed), "nothing was forced");
}

#[test]
fn an_edit_that_was_taken_back_is_taken_back_on_the_branch() {
    let Some(world) = World::new() else { return };
    let dev = protected(&world, Some("branch"));
    let before = std::fs::read(dev.apps.join(SCREEN)).expect("the file");
    set(&dev.apps.join(SCREEN), "color", "green");
    set(&dev.apps.join(OTHER), "color", "white");
    dev.wait(PATIENCE, "both on the branch", || {
        on_branch(&world, "appferry/dev", SCREEN, "green") && on_branch(&world, "appferry/dev", OTHER, "white")
    });
    waits(&dev, "appferry/dev");
    std::fs::write(dev.apps.join(SCREEN), before).expect("put it back");
    dev.wait(PATIENCE, "it is taken back there", || on_branch(&world, "appferry/dev", SCREEN, "red"));
    dev.wait_for_app("PO App", AppState::InSync);
    assert!(on_branch(&world, "appferry/dev", OTHER, "white"));
}

#[test]
fn a_hook_that_refuses_one_app_sends_only_that_one_to_the_branch() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("APPFERRY_ON_PROTECTED", "branch");
    for name in ["Frozen", "Good", "Better"] {
        write_old_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    world.repo.set_hook(
        "update",
        "[ \"$1\" = refs/heads/main ] || exit 0\n\
         if git log --format= --name-only \"$2..$3\" | grep -q '^App/Frozen/'; then\n\
         echo 'policy: Frozen is frozen until Monday' >&2; exit 1\nfi\n",
    );
    for name in ["Frozen", "Good", "Better"] {
        set(&dev.apps.join(format!("{name}/{name}.json")), "app", "new");
    }
    for name in ["Good", "Better"] {
        dev.wait(PATIENCE, "the others on the branch that is followed", || {
            on_branch(&world, "main", &format!("{name}/{name}.json"), "new")
        });
    }
    dev.wait(PATIENCE, "the refused one", || on_branch(&world, "appferry/dev", "Frozen/Frozen.json", "new"));
    dev.wait_until("it is held, and why", |repository| {
        let reason =
            app(repository, "Frozen").filter(|app| app.state == AppState::Held).and_then(|app| app.reason.as_ref());
        reason.is_some_and(|reason| {
            reason.contains("waits on branch appferry/dev to be merged") && reason.contains("until Monday")
        })
    });
    assert!(on_branch(&world, "main", "Frozen/Frozen.json", "old"));

    // A person asks: the followed branch is tried again, which takes it now.
    world.repo.drop_hook("update");
    dev.cli_text(&["sync", "push", "Frozen"]);
    dev.wait_until_in_sync();
    assert!(on_branch(&world, "main", "Frozen/Frozen.json", "new"));
}

#[test]
fn new_apps_renames_and_removals_wait_there_too() {
    let Some(world) = World::new() else { return };
    let dev = protected(&world, Some("branch"));
    write_old_app(&dev.apps, "Added");
    std::fs::rename(dev.apps.join("Other"), dev.apps.join("Renamed")).expect("rename it");
    dev.wait(DELETION, "all of it on the branch", || {
        let apps = world.repo.git(&["ls-tree", "--name-only", "main:App"]);
        let proposed = world.repo.git(&["for-each-ref", "refs/heads/appferry/dev"]);
        let proposed = !proposed.is_empty() && {
            let names = world.repo.git(&["ls-tree", "--name-only", "appferry/dev:App"]);
            names.lines().eq(["Added", "PO App", "Renamed"])
        };
        apps.lines().eq(["Other", "PO App"]) && proposed
    });
    dev.wait_until("all wait", |repository| {
        ["Added", "Other", "Renamed"].iter().all(|name| {
            app(repository, name)
                .is_some_and(|app| app.reason.as_deref().is_some_and(|r| r.contains("waits on branch")))
        })
    });
    admin(&world, |tree| {
        git(tree, &["merge", "--quiet", "--ff-only", "origin/appferry/dev"]);
    });
    dev.wait_until_in_sync();
    assert_eq!(dev.repository().apps.len(), 3);
}

#[test]
fn an_instance_killed_at_random_moments_loses_nothing_of_what_waits() {
    let Some(world) = World::new() else { return };
    let mut dev = protected(&world, Some("branch"));
    let mut dice = crate::support::Dice::new();
    for round in 0..12 {
        set(&dev.apps.join(SCREEN), &format!("round{round}"), round);
        std::thread::sleep(Duration::from_millis(dice.roll(500)));
        dev.kill();
        dev.start();
    }
    dev.wait(PATIENCE, "every edit on the newest branch", || {
        world
            .repo
            .branches()
            .iter()
            .filter(|name| name.starts_with("appferry/dev"))
            .any(|branch| (0..12).all(|round| on_branch(&world, branch, SCREEN, &format!("\"round{round}\""))))
    });
    dev.stop();
    dev.fsck();
    world.repo.fsck();
}
