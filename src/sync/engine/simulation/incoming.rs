//! What waits, in the world in memory: above all that a crash in the middle costs nothing.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::*;
use crate::domain::plan::Mode;
use crate::sync::action::{Action, Content, MergedFiles, Resolution};
use crate::sync::engine::incoming::{Arrived, From, Intake};

const RELEASE: &str = "last_release/meta.json";

/// Two instances with the app at its first state, of which the second one waits for a person.
fn two(waiting: Mode) -> Vec<Instance> {
    let mut all = world(&[EDITING, Mode { auto_pull: false, ..waiting }]);
    all[0].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 1\n}\n");
    all[0].save("A", RELEASE, "{\"v\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Behind);
    ask(&mut all[1], Intake::Install { release: true });
    all[1].pass(true, quiet);
    assert_eq!(all[1].apps(), all[0].apps());
    all
}

fn ask(instance: &mut Instance, what: Intake) {
    let (apps, now) = (BTreeSet::from([AppName::new("A").unwrap()]), instance.now);
    instance.engine().take_in(what, apps, false, now).unwrap();
}

fn publish(instance: &mut Instance, left: u32, version: u32) {
    instance.save("A", "x.json", &format!("{{\n  \"left\": {left},\n  \"right\": 1\n}}\n"));
    instance.save("A", RELEASE, &format!("{{\"v\":{version}}}"));
    instance.pass(true, quiet);
}

#[test]
fn what_waits_is_told_from_a_look_at_those_apps_alone() {
    let mut all = two(EDITING);
    all[0].save("Other", "o.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    publish(&mut all[0], 2, 2);
    all[1].fetch();
    let app = |name: &str| AppName::new(name).unwrap();
    let (seen, looks) = (all[1].engine().disk.settled(&app("Extra")), all[1].folder.looks.load(Ordering::Relaxed));
    all[1].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 5\n}\n");
    all[1].save("Extra", "x.json", "{}");
    let now = all[1].now;
    let list = all[1].engine().incoming(now).unwrap();
    let names = |of: &[Arrived]| of.iter().map(|arrived| arrived.app.to_string()).collect::<Vec<_>>();
    assert_eq!((names(&list.added), names(&list.updated)), (vec!["Other".to_owned()], vec!["A".to_owned()]));
    let reason = list.updated[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("changed on both sides"), "it is looked at: {reason}");
    assert_eq!(all[1].engine().disk.settled(&app("Extra")), seen, "Git knows nothing of it");
    assert_eq!(all[1].folder.looks.load(Ordering::Relaxed) - looks, 2);
    assert_eq!(all[1].engine().waits(now), [], "an app that never was here is not gone");
}

#[test]
fn an_install_without_the_release_goes_on_after_a_crash_that_lost_the_note_of_it() {
    for mode in [EDITING, LOCKED] {
        let mut all = two(mode);
        publish(&mut all[0], 2, 2);
        all[1].pass(true, quiet);
        ask(&mut all[1], Intake::Update { release: false });
        let before = all[1].repo.refs.lock().unwrap().clone();
        all[1].pass(true, quiet);
        let as_installed = all[1].apps();
        *all[1].repo.refs.lock().unwrap() = before;
        all[1].start();
        for _ in 0..3 {
            all[1].pass(true, quiet);
        }
        assert_eq!(all[1].state("A").0, AppState::InSync);
        assert_eq!(all[1].apps(), as_installed);
        assert_eq!(all[1].text("A", RELEASE).as_deref(), Some("{\"v\":1}"), "the older release stays");
        assert!(all[1].text("A", "x.json").unwrap().contains("\"left\": 2"));
        all[0].pass(true, quiet);
        assert_eq!(all[0].text("A", RELEASE).as_deref(), Some("{\"v\":2}"), "nothing was pushed back");
        ask(&mut all[1], Intake::Update { release: true });
        all[1].pass(true, quiet);
        assert_eq!(all[1].apps(), all[0].apps());
    }
}

#[test]
fn an_edit_beside_a_withheld_release_is_merged_with_a_newer_one() {
    let mut all = two(EDITING);
    publish(&mut all[0], 2, 2);
    all[1].pass(true, quiet);
    ask(&mut all[1], Intake::Update { release: false });
    all[1].pass(true, quiet);
    publish(&mut all[0], 3, 3);
    all[1].save("A", "x.json", "{\n  \"left\": 2,\n  \"right\": 5\n}\n");
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    let both = "{\n  \"left\": 3,\n  \"right\": 5\n}\n";
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some(both));
    assert_eq!(all[0].text("A", RELEASE).as_deref(), Some("{\"v\":3}"));
    assert_eq!(all[1].state("A").0, AppState::Behind);
    assert_eq!(all[1].text("A", RELEASE).as_deref(), Some("{\"v\":1}"));
    ask(&mut all[1], Intake::Update { release: true });
    all[1].pass(true, quiet);
    assert_eq!(all[1].apps(), all[0].apps());
}

#[test]
fn a_deletion_that_was_asked_for_ends_a_conflict_and_keeps_ours_aside() {
    let mut all = two(EDITING);
    all[0].save("B", "y.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", "{\"ours\":1}");
    all[0].delete("A");
    for _ in 0..2 {
        all[0].pass(true, quiet);
    }
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    ask(&mut all[1], Intake::Delete);
    all[1].pass(true, quiet);
    assert!(!all[1].apps().contains_key(&AppName::new("A").unwrap()));
    assert!(all[1].engine().kept().unwrap().iter().any(|kept| kept.app == "A"));
    ask(&mut all[1], Intake::Delete);
}

#[test]
fn taking_theirs_in_a_conflict_installs_it_where_nothing_is_installed_by_itself() {
    let mut all = two(EDITING);
    publish(&mut all[0], 2, 2);
    all[1].save("A", "x.json", "{\n  \"left\": 3,\n  \"right\": 1\n}\n");
    for _ in 0..2 {
        all[1].pass(true, quiet);
    }
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    let now = all[1].now;
    all[1].engine().resolve(&AppName::new("A").unwrap(), conflict::Take::Theirs, now).unwrap();
    all[1].pass(true, quiet);
    assert_eq!((all[1].state("A").0, all[1].apps()), (AppState::InSync, all[0].apps()));
}

fn revert(instance: &mut Instance) -> bool {
    let now = instance.now;
    let begun = instance.engine().begin(Action::Revert(vec![AppName::new("A").unwrap()]), false, now).unwrap();
    instance.pass(true, quiet);
    instance.engine().end(begun).is_done()
}

#[test]
fn putting_an_app_back_does_not_publish_the_release_that_waits() {
    let mut all = two(LOCKED);
    publish(&mut all[0], 2, 2);
    all[1].pass(true, quiet);
    ask(&mut all[1], Intake::Update { release: false });
    all[1].pass(true, quiet);
    let as_installed = all[1].apps();
    all[1].save("A", "x.json", "{\"drift\":1}");
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Drift);
    for _ in 0..2 {
        assert!(revert(&mut all[1]));
        assert_eq!((all[1].state("A").0, all[1].apps()), (AppState::InSync, as_installed.clone()));
    }
    ask(&mut all[1], Intake::Update { release: true });
    all[1].pass(true, quiet);
    assert_eq!(all[1].apps(), all[0].apps());
}

#[test]
fn a_pinned_app_is_put_back_to_where_it_is_pinned() {
    let mut all = two(Mode { auto_pull: true, ..LOCKED });
    let (commit, pinned) = (all[1].engine().tip().unwrap(), all[1].apps());
    publish(&mut all[0], 2, 2);
    all[1].pass(true, quiet);
    let now = all[1].now;
    let from = From { name: "v1".to_owned(), commit };
    all[1].engine().pull_from(&from, None, (false, false), now).unwrap();
    all[1].save("A", "x.json", "{\"drift\":1}");
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Drift);
    assert!(revert(&mut all[1]));
    assert_eq!(all[1].apps(), pinned);
    publish(&mut all[0], 3, 3);
    all[1].pass(true, quiet);
    let (state, reason) = all[1].state("A");
    assert!(state == AppState::Held && reason.contains("pinned at v1"), "{reason}");
}

#[test]
fn a_merged_version_ends_a_conflict_beside_a_withheld_release() {
    let mut all = two(EDITING);
    publish(&mut all[0], 2, 2);
    all[1].pass(true, quiet);
    ask(&mut all[1], Intake::Update { release: false });
    all[1].pass(true, quiet);
    publish(&mut all[0], 3, 3);
    all[1].save("A", "x.json", "{\n  \"left\": 4,\n  \"right\": 1\n}\n");
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    let merged = "{\n  \"left\": 34,\n  \"right\": 1\n}\n";
    let files = BTreeMap::from([("x.json".to_owned(), Some(Content::Text(merged.to_owned())))]);
    let (now, app) = (all[1].now, AppName::new("A").unwrap());
    let action = Action::Resolve(app, Resolution::Merged(MergedFiles { files, whole: false }));
    all[1].engine().begin(action, false, now).unwrap();
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some(merged));
    assert_eq!(all[0].text("A", RELEASE).as_deref(), Some("{\"v\":3}"), "not the one that was there first");
    assert!(all[1].engine().state.notes.conflicts.is_empty());
}
