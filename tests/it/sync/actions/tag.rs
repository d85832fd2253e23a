//! A tag on what is pushed.

use appferry::domain::status::AppState;
use appferry::http::{RefFate, RefReport};

use super::{SCREEN, ask, by_hand, done, fate};
use crate::support::apps::{set, write_app};
use crate::support::instance::Instance;
use crate::support::remote::RemoteRepo;
use crate::support::world::World;

const TAG: &str = "refs/tags/v1.2";

fn changed(world: &World) -> Instance {
    let dev = by_hand(world);
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_for_app("PO App", AppState::Modified);
    dev
}

fn tagged_commit(world: &World) -> String {
    world.repo.git(&["rev-parse", "v1.2^{commit}"])
}

#[test]
fn a_tag_is_an_annotated_one_on_what_was_pushed_and_the_same_push_again_changes_nothing() {
    let Some(world) = World::new() else { return };
    let dev = changed(&world);
    let words = ["push", "--tag", "v1.2", "--tag-message", "The second", "--author", "Ada <ada@example.org>"];
    let report = done(&dev, &words);
    assert_eq!(fate(&report, TAG), Some((RefFate::Accepted, String::new())));
    assert_eq!(world.repo.git(&["cat-file", "-t", "v1.2"]), "tag");
    assert_eq!(Some(tagged_commit(&world)), world.repo.tip("main"));
    let shown = world.repo.git(&["for-each-ref", "--format=%(taggername)|%(contents:subject)", "refs/tags"]);
    assert_eq!(shown, "Ada|The second");
    world.repo.fsck();

    let again = done(&dev, &["push", "--tag", "v1.2", "--tag-message", "The second, by somebody else"]);
    assert_eq!(fate(&again, TAG).map(|told| told.0), Some(RefFate::Unchanged), "{again:?}");
    assert!(again.refs.iter().all(|told| told.new.is_none()), "no tag object that was thrown away: {again:?}");
    assert_eq!(world.repo.git(&["for-each-ref", "--format=%(contents:subject)", "refs/tags"]), "The second");
    let later = done(&dev, &["push", "--tag", "v1.3"]);
    assert_eq!(fate(&later, "refs/tags/v1.3").map(|told| told.0), Some(RefFate::Accepted), "without a change, too");
}

#[test]
fn a_tag_that_exists_is_never_moved_and_the_branch_is_pushed_all_the_same() {
    let Some(world) = World::new() else { return };
    let dev = changed(&world);
    world.repo.git(&["tag", "v1.2", "main"]);
    let before = tagged_commit(&world);
    let (success, report) = ask(&dev, &["push", "--tag", "v1.2"]);
    let (outcome, words) = fate(&report, TAG).expect("the tag");
    assert!(!success && outcome == RefFate::Exists && words.contains("choose another name"), "{report:?}");
    assert_eq!(fate(&report, "refs/heads/main").map(|told| told.0), Some(RefFate::Accepted));
    assert_eq!(tagged_commit(&world), before);
    assert_eq!(world.repo.subjects()[0], "PO App:: Minor app update");
}

#[test]
fn a_hook_that_refuses_the_tag_does_not_hold_the_branch() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let refuse = "case $ref in refs/tags/*) echo 'no tags from here' >&2; exit 1;; esac";
    let hooks = [
        ("update", format!("ref=$1; {refuse}\n")),
        ("pre-receive", format!("while read old new ref; do {refuse}; done\nexit 0\n")),
    ];
    for (n, (hook, script)) in hooks.into_iter().enumerate() {
        world.repo.set_hook(hook, &script);
        set(&dev.apps.join(SCREEN), "width", n);
        let (success, report) = ask(&dev, &["push", "PO App", "--tag", "v1.2"]);
        let (outcome, words) = fate(&report, TAG).expect("the tag");
        assert!(!success && outcome == RefFate::Refused && words.contains("no tags from here"), "{report:#?}");
        assert_eq!(fate(&report, "refs/heads/main").map(|told| told.0), Some(RefFate::Accepted), "{report:#?}");
        assert!(report.apps[0].done, "{report:?}");
        world.repo.drop_hook(hook);
    }
    assert_eq!(world.repo.git(&["for-each-ref", "refs/tags"]), "");
    assert_eq!(world.repo.subjects().len(), 3);
}

#[test]
fn a_tag_never_stays_without_the_branch_that_has_its_commit() {
    let Some(world) = World::new() else { return };
    let dev = changed(&world);
    world.repo.set_hook("update", "case $1 in refs/heads/*) echo 'main is frozen' >&2; exit 1;; esac\n");
    let (success, report) = ask(&dev, &["push", "--tag", "v1.2"]);
    assert!(!success && !report.apps[0].done && report.apps[0].message.contains("main is frozen"), "{report:#?}");
    assert_eq!(world.repo.git(&["for-each-ref", "refs/tags"]), "");
    world.repo.drop_hook("update");
    done(&dev, &["push", "--tag", "v1.2"]);
    assert_eq!(Some(tagged_commit(&world)), world.repo.tip("main"));
}

#[test]
fn a_tag_waits_for_no_app_that_cannot_be_committed() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    std::fs::write(dev.apps.join(SCREEN), "{ half").expect("write");
    dev.wait(crate::support::PATIENCE, "the half file", || {
        let (_, plan) = ask(&dev, &["push", "PO App", "--dry-run"]);
        plan.apps[0].message.contains("is not valid JSON")
    });
    let (success, report) = ask(&dev, &["push", "--tag", "v1.2"]);
    let (outcome, words) = fate(&report, TAG).expect("the tag");
    assert!(!success && outcome == RefFate::NotSent && words.contains("PO App"), "{report:#?}");
    assert_eq!(world.repo.git(&["for-each-ref", "refs/tags"]), "");
}

/// Somebody pushes first: the tag goes out with the branch that was tried again, on the commit that is in it.
fn race_with_a_tag(mut dev: Instance, repo: &RemoteRepo) {
    repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    dev.set("GIT_SYNC_IS_AUTO_SAVE", "false").set("APPFERRY_POLL_INTERVAL", "1h");
    dev.start();
    dev.wait_until("the app", |repository| repository.apps.len() == 1);
    dev.wait_until_in_sync();
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_for_app("PO App", AppState::Modified);
    repo.somebody_commits("First", |tree| set(&tree.join("App/PO App/meta.json"), "description", "Theirs"));
    let report = done(&dev, &["push", "--tag", "v1.2"]);
    let of_main: Vec<RefFate> =
        report.refs.iter().filter(|told| told.name == "refs/heads/main").map(|told| told.outcome).collect();
    assert_eq!(of_main, [RefFate::Moved, RefFate::Accepted], "{report:#?}");
    let of_tag: Vec<&RefReport> = report.refs.iter().filter(|told| told.name == TAG).collect();
    assert!(of_tag.len() == 1 && of_tag[0].outcome == RefFate::Accepted, "{report:#?}");
    assert_eq!(Some(repo.git(&["rev-parse", "v1.2^{commit}"])), repo.tip("main"));
    assert_eq!(repo.subjects(), ["PO App:: Minor app update", "First", "Start"]);
    repo.fsck();
    dev.stop();
}

#[test]
fn a_race_that_was_lost_takes_the_tag_along_the_second_time() {
    let Some(world) = World::new() else { return };
    race_with_a_tag(world.instance("dev"), &world.repo);
}

#[test]
fn a_remote_on_this_machines_disk_keeps_the_same_rule_for_tags() {
    let mut dev = Instance::new("dev");
    let repo = RemoteRepo::init(dev.aside().join("apps.git"));
    dev.set("GIT_SYNC_IS_GLOBAL", "true")
        .set("APPFERRY_ALLOW_PATH_REMOTE", "true")
        .set("GIT_SYNC_SSH_REPO_URL", repo.path().display().to_string())
        .set("GIT_SYNC_BRANCH_NAME", "main")
        .set("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "true");
    race_with_a_tag(dev, &repo);
}
