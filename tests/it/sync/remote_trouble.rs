//! The remote may do anything.

use std::time::Duration;

use appferry::domain::FailureClass;
use appferry::domain::status::{AppState, RepositoryState};

use crate::support::PATIENCE;
use crate::support::apps::{set, snapshot, value, write_app, write_old_app};
use crate::support::instance::app;
use crate::support::world::World;

const SCREEN: &str = "PO App/screens/Screen 1/meta.json";

#[test]
fn a_deleted_branch_is_held_and_not_made_again_until_a_person_does() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let tip = world.repo.tip("main").expect("the tip");
    world.repo.git(&["update-ref", "refs/heads/other", &tip]);
    world.repo.git(&["update-ref", "-d", "refs/heads/main"]);

    let repository = dev.wait_for_state(RepositoryState::BranchAbsent);
    let words = repository.last_error.map_or(repository.summary, |error| error.failure.to_string());
    assert!(words.contains("main") && words.contains("other"), "it lists the branches: {words}");
    set(&dev.apps.join(SCREEN), "color", "green");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(world.repo.branches(), ["other"]);
    assert_eq!(value(&dev.apps.join(SCREEN), "color"), Some("green".into()));

    world.repo.git(&["update-ref", "refs/heads/main", &tip]);
    dev.wait_until_in_sync();
    assert!(world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green")));
}

#[test]
fn a_branch_that_was_seen_is_not_made_again_even_in_an_emptied_repository() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    world.repo.git(&["update-ref", "-d", "refs/heads/main"]);
    dev.wait_for_state(RepositoryState::BranchAbsent);
    dev.stop();
    dev.start();
    dev.wait_for_state(RepositoryState::BranchAbsent);
    assert_eq!(world.repo.branches(), Vec::<String>::new());
    assert!(dev.apps.join(SCREEN).exists());
}

#[test]
fn a_typo_in_the_branch_name_makes_no_branch() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut dev = world.instance("dev");
    write_old_app(&dev.apps, "Mine");
    dev.set("GIT_SYNC_BRANCH_NAME", "mian");
    dev.start();
    let repository = dev.wait_for_state(RepositoryState::BranchAbsent);
    let words = repository.last_error.map_or(repository.summary, |error| error.failure.to_string());
    assert!(words.contains("mian") && words.contains("main"), "{words}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(world.repo.branches(), ["main"]);
}

#[test]
fn history_rewritten_by_somebody_else_is_followed() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let first = world.repo.tip("main").expect("the tip");
    set(&dev.apps.join(SCREEN), "color", "crimson");
    dev.wait(PATIENCE, "the push", || world.repo.tip("main").is_some_and(|tip| tip != first));
    dev.wait_until_in_sync();

    let tip = world.repo.somebody_rewrites("Rewritten", &first, |tree| {
        set(&tree.join("App/PO App/screens/Screen 2/meta.json"), "title", "Rewritten");
    });
    dev.wait(PATIENCE, "the new history", || dev.repository().remote_tip.as_deref() == Some(tip.as_str()));
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
    assert_eq!(world.repo.tip("main"), Some(tip), "nothing was forced back");
    assert!(dev.still_has("crimson"), "what the rewriting took away can be restored");

    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait(PATIENCE, "a push onto the new history", || {
        world.repo.show("main", &format!("App/{SCREEN}")).is_some_and(|text| text.contains("green"))
    });
}

#[test]
fn an_edit_not_pushed_yet_survives_a_rewritten_history() {
    let Some(mut world) = World::new() else { return };
    let mut dev = world.instance("dev");
    write_app(&dev.apps, "PO App");
    dev.start();
    dev.wait_until_in_sync();
    let first = world.repo.tip("main").expect("the tip");
    world.repo.somebody_commits("Second", |tree| set(&tree.join("App").join(SCREEN), "width", 6));
    dev.wait(PATIENCE, "the second commit", || value(&dev.apps.join(SCREEN), "width") == Some(6.into()));
    dev.wait_until_in_sync();
    world.sshd.stop();
    dev.wait_for_state(RepositoryState::Offline);
    set(&dev.apps.join(SCREEN), "color", "green");
    world.repo.somebody_rewrites("Rewritten", &first, |tree| set(&tree.join("App").join(SCREEN), "title", "New"));
    world.sshd.restart();
    dev.wait(PATIENCE, "both changes in Git", || {
        let text = world.repo.show("main", &format!("App/{SCREEN}")).unwrap_or_default();
        text.contains("green") && text.contains("New")
    });
    dev.wait_until_in_sync();
    assert_eq!(snapshot(&dev.apps), world.repo.snapshot("main"));
}

#[test]
fn a_hook_that_refuses_one_app_is_heard_and_the_others_go_on() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    for name in ["Frozen", "Good"] {
        write_old_app(&dev.apps, name);
    }
    dev.start();
    dev.wait_until_in_sync();
    world.repo.set_hook(
        "pre-receive",
        "while read old new ref; do\n\
         if git log --format= --name-only \"$old..$new\" | grep -q '^App/Frozen/'; then\n\
         echo 'policy: Frozen is frozen until Monday' >&2; exit 1\nfi\ndone\n",
    );
    set(&dev.apps.join("Frozen/Frozen.json"), "app", "hot");
    set(&dev.apps.join("Good/Good.json"), "app", "better");
    dev.wait(PATIENCE, "the other app's push", || {
        world.repo.show("main", "App/Good/Good.json").is_some_and(|text| text.contains("better"))
    });
    dev.wait_until("one held with the hook's words, the other in sync", |repository| {
        let (frozen, good) = (app(repository, "Frozen"), app(repository, "Good"));
        let words = format!("{:?} {:?}", frozen.and_then(|app| app.reason.as_ref()), repository.last_error);
        words.contains("policy: Frozen is frozen until Monday")
            && frozen.is_some_and(|app| app.state == AppState::Held)
            && good.is_some_and(|app| app.state == AppState::InSync)
    });

    set(&dev.apps.join("Good/Good.json"), "app", "best");
    dev.wait(PATIENCE, "the next push of the other app", || {
        world.repo.show("main", "App/Good/Good.json").is_some_and(|text| text.contains("best"))
    });
    world.repo.drop_hook("pre-receive");
    set(&dev.apps.join("Frozen/Frozen.json"), "app", "thawed");
    dev.wait_until_in_sync();
    assert!(world.repo.show("main", "App/Frozen/Frozen.json").is_some_and(|text| text.contains("thawed")));
}

#[test]
fn a_hook_that_refuses_everything_is_a_state_with_its_words() {
    let Some(world) = World::new() else { return };
    world.repo.set_hook("pre-receive", "echo 'no pushes today' >&2\nexit 1\n");
    let mut dev = world.instance("dev");
    write_old_app(&dev.apps, "Mine");
    dev.start();
    let repository =
        dev.wait_until("the hook's words", |repository| format!("{repository:?}").contains("no pushes today"));
    assert!(repository.unpushed > 0 || app(&repository, "Mine").is_some_and(|app| app.state != AppState::InSync));
    assert_eq!(world.repo.branches(), Vec::<String>::new());
}

#[test]
fn a_repository_that_is_not_there_is_named() {
    let Some(world) = World::new() else { return };
    let mut dev = world.instance("dev");
    dev.set("GIT_SYNC_SSH_REPO_URL", world.sshd.url(&world.sshd.folder().join("nobody/nothing.git")));
    dev.start();
    let repository = dev.wait_until("an error", |repository| repository.last_error.is_some());
    let error = repository.last_error.expect("an error");
    assert_eq!(error.failure.class, FailureClass::RepositoryAbsent, "{error:?}");
}
