//! Pushing with words of one's own, and what the server says of it.

use appferry::domain::status::AppState;
use appferry::http::RefFate;

use super::{SCREEN, ask, by_hand, done, fate, refused};
use crate::support::apps::{set, write_app};
use crate::support::world::World;

#[test]
fn a_push_has_the_message_and_the_author_that_were_given_and_keeps_the_trailer() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_for_app("PO App", AppState::Modified);
    let words = ["push", "PO App", "-m", "Green, as agreed\n\nBecause.", "--author", "Ada Lovelace <ada@example.org>"];
    let report = done(&dev, &words);
    assert_eq!(world.repo.messages()[0], "Green, as agreed\n\nBecause.\n\nAppferry-Instance: dev");
    assert_eq!(
        world.repo.git(&["log", "-1", "--format=%an <%ae> %cn", "main"]),
        "Ada Lovelace <ada@example.org> appferry"
    );
    assert_eq!(fate(&report, "refs/heads/main"), Some((RefFate::Accepted, String::new())));
    assert_eq!(report.refs[0].new, world.repo.tip("main"), "what the server's report says");

    let again = done(&dev, &words);
    assert!(again.refs.is_empty() && again.apps[0].message.contains("as it is here"), "{again:?}");
    assert_eq!(world.repo.subjects(), ["Green, as agreed", "Start"]);

    set(&dev.apps.join(SCREEN), "color", "blue");
    dev.wait_for_app("PO App", AppState::Modified);
    done(&dev, &["push"]);
    assert_eq!(world.repo.subjects()[0], "PO App:: Minor app update", "the words were for that push alone");
    assert_eq!(world.repo.git(&["log", "-1", "--format=%an", "main"]), "appferry (dev)".replace(" (dev)", ""));
}

#[test]
fn several_apps_of_one_push_are_a_commit_each_with_the_same_words() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    set(&dev.apps.join(SCREEN), "color", "green");
    set(&dev.apps.join("Other/meta.json"), "description", "new");
    dev.wait_for_app("PO App", AppState::Modified);
    dev.wait_for_app("Other", AppState::Modified);
    done(&dev, &["push", "-m", "Release"]);
    assert_eq!(world.repo.subjects(), ["Release", "Release", "Start"]);
}

#[test]
fn a_refusal_by_a_hook_is_told_per_ref_in_the_servers_words_and_the_words_of_the_push_are_kept() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    world.repo.set_hook("pre-receive", "echo 'no pushes on Friday' >&2\nexit 1\n");
    set(&dev.apps.join(SCREEN), "color", "green");
    dev.wait_for_app("PO App", AppState::Modified);
    let (success, report) = ask(&dev, &["push", "PO App", "-m", "Mine"]);
    let (outcome, words) = fate(&report, "refs/heads/main").expect("the branch");
    assert!(!success && outcome == RefFate::Refused && words.contains("no pushes on Friday"), "{report:?}");
    assert!(!report.apps[0].done && report.apps[0].message.contains("no pushes on Friday"), "{report:?}");
    assert_eq!(world.repo.subjects(), ["Start"]);
    world.repo.drop_hook("pre-receive");
    done(&dev, &["push", "PO App"]);
    assert_eq!(world.repo.subjects(), ["Mine", "Start"]);
}

#[test]
fn of_several_apps_only_the_refused_one_is_held() {
    let Some(world) = World::new() else { return };
    let dev = by_hand(&world);
    let hook = "while read old new ref; do git diff --name-only $old $new | grep -q '^App/Other' && { echo 'Other is frozen' >&2; exit 1; }; done\nexit 0\n";
    world.repo.set_hook("pre-receive", hook);
    set(&dev.apps.join(SCREEN), "color", "green");
    set(&dev.apps.join("Other/meta.json"), "description", "new");
    dev.wait_for_app("PO App", AppState::Modified);
    dev.wait_for_app("Other", AppState::Modified);
    let (success, report) = ask(&dev, &["push"]);
    assert!(!success, "{report:?}");
    let of = |name: &str| report.apps.iter().find(|app| app.app == name).expect("the app");
    assert!(of("PO App").done && !of("Other").done && of("Other").message.contains("Other is frozen"), "{report:?}");
    assert_eq!(world.repo.subjects(), ["PO App:: Minor app update", "Start"]);
}

#[test]
fn a_locked_instance_pushes_nothing() {
    let Some(world) = World::new() else { return };
    world.repo.somebody_commits("Start", |tree| {
        write_app(&tree.join("App"), "PO App");
    });
    let mut production = world.locked_instance("production");
    production.start();
    production.wait_until("the app", |repository| repository.apps.len() == 1);
    for words in [&["push"][..], &["add", "PO App"], &["remove", "PO App"], &["restore", "PO App", "--to", "abcd"]] {
        let message = refused(&production, words);
        assert!(message.contains("this instance is locked"), "{words:?}: {message}");
    }
    assert_eq!(world.repo.subjects(), ["Start"]);
}
