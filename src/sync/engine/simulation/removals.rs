//! Removals that are held: how they end.

use super::super::{Look, Progress};
use super::world::{EDITING, Instance, quiet, world};
use crate::domain::AppName;
use crate::domain::status::AppState;

#[test]
fn what_is_left_of_a_held_removal_stays_held_when_some_apps_come_back() {
    let mut all = world(&[EDITING, EDITING]);
    let name = |number: usize| format!("A{number}");
    for number in 0..5 {
        all[0].save(&name(number), "x.json", &format!("{{\"n\":{number}}}"));
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    (0..5).for_each(|number| all[0].delete(&name(number)));
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    for number in 0..2 {
        all[0].save(&name(number), "x.json", &format!("{{\"n\":{number}}}"));
        all[0].pass(true, quiet);
    }
    all[0].start();
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().len(), 5, "{:?}", all[0].log());
    assert_eq!(all[0].state("A4").0, AppState::Held);

    let now = all[0].now;
    all[0].engine().confirm(Some(&[AppName::new("A4").unwrap()].into()), now).unwrap();
    let held: Vec<String> = all[0].engine().state.notes.held.iter().map(ToString::to_string).collect();
    assert_eq!(held, ["A2", "A3"], "a confirmation ends the hold");
    (2..4).for_each(|number| all[0].save(&name(number), "x.json", &format!("{{\"n\":{number}}}")));
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    all[0].delete("A0");
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].log()[..2], ["'A0' App removed from git", "'A4' App removed from git"], "one alone needs nobody");
}

#[test]
fn what_is_left_of_held_removals_in_git_stays_held_when_some_apps_come_back_there() {
    let mut all = world(&[EDITING, EDITING]);
    let name = |number: usize| format!("A{number}");
    for number in 0..5 {
        all[0].save(&name(number), "x.json", &format!("{{\"n\":{number}}}"));
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    (0..5).for_each(|number| all[0].delete(&name(number)));
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    let now = all[0].now;
    all[0].engine().confirm(None, now).unwrap();
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    for number in 0..2 {
        all[0].save(&name(number), "x.json", &format!("{{\"n\":{number}}}"));
        all[0].pass(true, quiet);
        all[1].pass(true, quiet);
    }
    assert_eq!(all[1].apps().len(), 5, "{:?}", all[1].apps());
    assert_eq!(all[1].state("A4").0, AppState::Held);
}

/// Two instances with eight apps, of which the second has renamed five: the new names come before the old ones, or after them.
fn with_renames(new: &str) -> Vec<Instance> {
    let mut all = world(&[EDITING, EDITING]);
    for number in 0..8 {
        all[0].save(&format!("M{number}"), "x.json", &format!("{{\"n\":{number}}}"));
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    (0..5).for_each(|number| all[1].rename(&format!("M{number}"), &format!("{new}{number}")));
    all[1].pass(true, quiet);
    all[1].pass(true, quiet);
    all
}

fn assert_renamed(all: &mut [Instance], case: &str) {
    all[0].pass(true, quiet);
    assert!(!all[0].engine().report().held_removals, "{case}");
    assert_eq!(all[0].apps(), all[1].apps(), "{case}");
    let notes = &all[0].engine().state.notes;
    assert_eq!(notes.deletions_remote, Vec::<i64>::new(), "{case}");
}

#[test]
fn a_rename_in_git_that_is_installed_in_pieces_is_no_deletion() {
    for new in ["A", "Z"] {
        assert_renamed(&mut with_renames(new), new);
    }
}

#[test]
fn a_rename_in_git_is_no_deletion_when_a_kill_comes_between_its_halves() {
    for (new, before) in ["A", "Z"].into_iter().flat_map(|new| (1..=10).map(move |before| (new, before))) {
        let mut all = with_renames(new);
        all[0].fetch();
        let now = all[0].now;
        all[0].engine().look(&Look::All, now).unwrap();
        for _ in 0..before {
            assert_eq!(all[0].engine().advance(true, now).unwrap(), Progress::Moved);
        }
        all[0].start();
        assert_renamed(&mut all, &format!("to {new}, {before} installs before the kill"));
    }
}
