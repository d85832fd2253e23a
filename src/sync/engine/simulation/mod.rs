//! The engine against a world in memory: instances, a builder that saves at any moment, and a remote that compares and swaps.

mod answers;
mod asking;
mod checks;
mod damage;
mod incoming;
mod installs;
mod memory;
mod moves;
mod protecting;
mod removals;
mod renaming;
mod trouble;
mod viewing;
mod world;

use std::collections::BTreeMap;

use super::*;
use crate::domain::patterns::AppFilter;
use crate::domain::status::AppState;
use world::{EDITING, Instance, LOCKED, quiet, world};

#[test]
fn an_edit_travels_and_a_locked_instance_follows() {
    let mut all = world(&[EDITING, LOCKED]);
    all[0].save("PO App", "meta.json", "{\"a\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[0].apps(), all[1].apps());
    assert_eq!(all[0].log(), ["'PO App' App added to git"]);

    all[1].save("PO App", "meta.json", "{\"a\":\"drift\"}");
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("PO App").0, AppState::Drift);
    all[0].save("PO App", "meta.json", "{\"a\":2}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[1].text("PO App", "meta.json").unwrap(), "{\"a\":2}");
    let kept = all[1].engine().kept().unwrap();
    assert_eq!(kept.len(), 1, "what the locked instance had is kept aside");
    assert_eq!(kept[0].app, "PO App");
}

#[test]
fn a_race_is_merged_and_a_clash_keeps_both_sides() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 1\n}\n");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\n  \"left\": 2,\n  \"right\": 1\n}\n");
    all[1].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 2\n}\n");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    let both = "{\n  \"left\": 2,\n  \"right\": 2\n}\n";
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some(both));
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some(both));

    all[0].save("A", "x.json", "{\"left\": 3}");
    all[1].save("A", "x.json", "{\"left\": 4}");
    all[1].save("B", "y.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"left\": 4}"), "the disk stays ours");
    assert!(all[0].log().contains(&"'B' App added to git".to_owned()), "the other app goes on");
    let branches: Vec<String> = all[0].remote.lock().unwrap().keys().cloned().collect();
    assert!(branches.iter().any(|name| name.starts_with("refs/heads/conflict/i1/A/")), "{branches:?}");

    let now = all[1].now;
    all[1].engine().resolve(&AppName::new("A").unwrap(), conflict::Take::Ours, now).unwrap();
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"left\": 4}"));
}

#[test]
fn many_apps_that_vanish_at_once_are_held_until_confirmed() {
    let mut all = world(&[EDITING]);
    for number in 0..10 {
        all[0].save(&format!("A{number}"), "x.json", &format!("{{\"n\":{number}}}"));
    }
    all[0].pass(true, quiet);
    for number in 0..10 {
        all[0].delete(&format!("A{number}"));
    }
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert!(all[0].engine().report().held_removals);
    assert!(!all[0].log().iter().any(|subject| subject.contains("removed")));
    let now = all[0].now;
    all[0].engine().confirm(None, now).unwrap();
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().iter().filter(|subject| subject.contains("removed from git")).count(), 10);
}

#[test]
fn a_renamed_folder_keeps_its_words() {
    let mut all = world(&[EDITING, EDITING]);
    for app in ["App_7", "Other", "Third"] {
        all[0].save(app, "x.json", &format!("{{\"n\":\"{app}\"}}"));
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].delete("App_7");
    all[0].save("Git_Sync", "x.json", "{\"n\":\"App_7\"}");
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].log()[0], "App renamed 'App_7' to 'Git_Sync'");
    all[1].pass(true, quiet);
    assert_eq!(all[0].apps(), all[1].apps());
}

#[test]
fn the_app_that_the_remote_refuses_does_not_stop_the_others() {
    let mut all = world(&[EDITING]);
    all[0].save("Good", "x.json", "{}");
    all[0].pass(true, quiet);
    all[0].refused_app = Some("Bad".to_owned());
    all[0].save("Bad", "x.json", "{}");
    all[0].save("Good", "x.json", "{\"a\":1}");
    all[0].save("New", "x.json", "{\"b\":1}");
    all[0].pass(true, quiet);
    let (state, reason) = all[0].state("Bad");
    assert_eq!(state, AppState::Held);
    assert!(reason.contains("policy says no"), "{reason}");
    assert_eq!(all[0].state("Good").0, AppState::InSync);
    assert_eq!(all[0].state("New").0, AppState::InSync);
    assert!(!all[0].engine().one_by_one, "from now on apps that change at once are pushed together again");
}

#[test]
fn a_confirmation_does_not_outlive_what_it_was_given_for() {
    let mut all = world(&[EDITING]);
    for app in ["A", "B"] {
        all[0].save(app, "x.json", "{}");
    }
    all[0].pass(true, quiet);
    let vanish = |instance: &mut Instance| {
        for app in ["A", "B"] {
            instance.delete(app);
        }
        instance.pass(true, quiet);
        instance.pass(true, quiet);
        instance.engine().report().held_removals
    };
    assert!(vanish(&mut all[0]));
    let now = all[0].now;
    all[0].engine().confirm(None, now).unwrap();
    for app in ["A", "B"] {
        all[0].save(app, "x.json", "{}"); // back before anything was done
    }
    all[0].pass(true, quiet);
    assert!(vanish(&mut all[0]), "it must be confirmed anew");
}

#[test]
fn an_app_that_is_not_followed_is_on_neither_side_and_never_deleted() {
    let mut all = world(&[EDITING, EDITING]);
    for app in ["A", "B"] {
        all[0].save(app, "x.json", "{}");
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[1].settings.filter.exclude = crate::domain::patterns::Patterns::parse("B*").unwrap();
    all[1].start();
    all[1].delete("B");
    all[1].save("Bold", "x.json", "{}");
    all[1].save("A", "x.json", "{\"n\":1}");
    all[0].save("B", "x.json", "{\"n\":2}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"n\":1}"));
    assert_eq!((all[0].text("B", "x.json").as_deref(), all[1].text("B", "x.json")), (Some("{\"n\":2}"), None));
    assert_eq!((all[0].text("Bold", "x.json"), all[1].engine().report().apps.len()), (None, 1));
    all[1].settings.filter = AppFilter::default();
    all[1].save("B", "x.json", "{}");
    all[1].start();
    all[1].pass(true, quiet);
    assert_eq!(all[1].text("B", "x.json").as_deref(), Some("{\"n\":2}"), "it goes on from where it was");
}

#[test]
fn where_every_save_counts_the_newest_time_reaches_everybody() {
    let mut all = world(&[EDITING, EDITING]);
    let at = |day: u8| format!("{{\"updated_time\": \"{day:02}-03-2025 06:23:08\"}}");
    for instance in &mut all {
        instance.settings.input.skip_volatile_saves = false;
        instance.start();
    }
    all[0].save("A", "x.json", &at(1));
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", &at(4));
    all[1].save("A", "x.json", &at(3));
    for _ in 0..3 {
        all[1].pass(true, quiet);
        all[0].pass(true, quiet);
    }
    assert_eq!(all[0].text("A", "x.json"), Some(at(4)));
    assert_eq!(all[1].text("A", "x.json"), Some(at(4)));
    assert_eq!(all[0].log().len(), 3);
}

#[test]
fn half_written_json_holds_its_app_alone() {
    let mut all = world(&[EDITING]);
    all[0].save("A", "x.json", "{\"half\":");
    all[0].save("B", "x.json", "{}");
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::Held);
    assert_eq!(all[0].log(), ["'B' App added to git"]);
}

#[test]
fn edits_made_offline_are_committed_and_replayed_after_a_restart() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[1].save("B", "x.json", "{\"b\":1}");
    all[1].pass(true, quiet);
    for n in 2..5 {
        all[0].save("A", "x.json", &format!("{{\"n\":{n}}}"));
        all[0].pass(false, quiet);
        all[0].start();
    }
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().iter().filter(|subject| subject.contains("Minor app update")).count(), 3);
    assert_eq!(all[0].text("B", "x.json").as_deref(), Some("{\"b\":1}"));
}

#[test]
fn a_lost_data_folder_finds_its_bases_in_the_history() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\"n\":2}");
    all[0].pass(true, quiet);
    all[1].repo.refs.lock().unwrap().clear();
    all[1].start();
    all[1].pass(true, quiet);
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"n\":2}"), "the older state is known: a plain pull");
    assert!(all[1].engine().kept().unwrap().is_empty());
}

#[test]
fn a_deliberate_step_back_against_an_edit_of_others_is_a_conflict_and_not_overwritten() {
    let mut all = world(&[EDITING, EDITING]);
    for n in 1..3 {
        all[0].save("A", "x.json", &format!("{{\"n\":{n}}}"));
        all[0].pass(true, quiet);
    }
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", "{\"n\":3}");
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::Conflict);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"n\":1}"));
}
