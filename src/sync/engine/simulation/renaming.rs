//! Apps that are renamed while others edit, rename or delete them.

use super::world::{EDITING, Instance, quiet, world};
use super::*;
use crate::domain::plan::Mode;
use crate::domain::{EntryKind, TreeEntry};
use conflict::Take;

/// Two instances with the apps `A`, of three files, and `Other`.
fn two() -> Vec<Instance> {
    let mut all = world(&[EDITING, EDITING]);
    for (file, text) in [("x.json", "{\"l\":1,\"r\":1}"), ("y.json", "{\"y\":1}"), ("z.js", "z()")] {
        all[0].save("A", file, text);
    }
    all[0].save("Other", "o.json", "{}");
    both(&mut all);
    all
}

/// As many passes of both as it takes until nothing moves.
fn both(all: &mut [Instance]) {
    for _ in 0..4 {
        for instance in &mut *all {
            instance.pass(true, quiet);
        }
    }
}

fn names(instance: &Instance) -> Vec<String> {
    instance.apps().into_keys().map(String::from).collect()
}

fn ours_and_theirs_are_settled(all: &mut [Instance], apps: &[&str]) {
    both(all);
    assert_eq!(all[0].apps(), all[1].apps());
    assert_eq!(names(&all[0]), apps);
    for instance in all {
        for app in apps {
            assert_eq!(instance.state(app), (AppState::InSync, String::new()));
        }
    }
}

/// `first` happens at the one instance and is pushed; then `second` at the other.
fn race(first: impl Fn(&Instance), second: impl Fn(&Instance)) -> Vec<Instance> {
    let mut all = two();
    first(&all[0]);
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    second(&all[1]);
    all[1].pass(true, quiet);
    all[1].pass(true, quiet);
    all
}

const OUR_EDIT: &str = "{\"l\":2,\"r\":1}";
const THEIR_EDIT: &str = "{\"l\":3,\"r\":1}";

#[test]
fn renamed_here_and_edited_there_is_the_new_name_with_the_edit() {
    let mut all = race(|one| one.save("A", "x.json", THEIR_EDIT), |other| other.rename("A", "B"));
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    assert_eq!(all[0].log()[0], "App renamed 'A' to 'B'");
    assert_eq!(all[0].text("B", "x.json").as_deref(), Some(THEIR_EDIT));
}

#[test]
fn renamed_there_and_edited_here_is_the_new_name_with_the_edit() {
    let mut all = race(|one| one.rename("A", "B"), |other| other.save("A", "x.json", OUR_EDIT));
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    assert_eq!(all[0].log()[..2], ["B:: Minor app update", "App renamed 'A' to 'B'"]);
    assert_eq!(all[1].text("B", "x.json").as_deref(), Some(OUR_EDIT));
    let kept = all[1].engine().kept().unwrap();
    assert!(kept.iter().any(|kept| kept.app == "A" && kept.reason == "renamed to 'B' in Git, and merged there"));
}

#[test]
fn a_rename_together_with_an_edit_is_still_one() {
    let renamed_and_edited = |other: &Instance| {
        other.rename("A", "B");
        other.save("B", "y.json", "{\"y\":2}");
    };
    let mut all = race(|one| one.save("A", "x.json", THEIR_EDIT), renamed_and_edited);
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    assert_eq!(all[0].log()[0], "App renamed 'A' to 'B'");
    assert_eq!(all[0].text("B", "x.json").as_deref(), Some(THEIR_EDIT));
    assert_eq!(all[0].text("B", "y.json").as_deref(), Some("{\"y\":2}"));
}

#[test]
fn the_one_file_of_an_older_export_follows_the_name() {
    let mut all = world(&[EDITING, EDITING]);
    let text = |l: u32, r: u32| format!("{{\"left\":{l},\"some\":1,\"more\":2,\"keys\":3,\"right\":{r}}}");
    all[0].save("A", "A.json", &text(1, 1));
    all[0].save("Other", "Other.json", "{\"else\":true}");
    both(&mut all);
    all[0].save("A", "A.json", &text(2, 1));
    all[0].pass(true, quiet);
    all[1].delete("A");
    all[1].save("B", "B.json", &text(1, 2));
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    assert_eq!(all[0].text("B", "B.json"), Some(text(2, 2)));
    assert_eq!(all[0].apps()[&AppName::new("B").unwrap()].len(), 1);
    assert_eq!(all[0].log()[0], "App renamed 'A' to 'B'");
}

#[test]
fn a_rename_whose_edits_clash_waits_under_the_old_name_and_a_person_takes_a_side() {
    let edited = |one: &Instance| one.save("A", "x.json", THEIR_EDIT);
    let renamed = |other: &Instance| {
        other.rename("A", "B");
        other.save("B", "x.json", OUR_EDIT);
    };
    for (first_renames, take) in [(false, Take::Ours), (false, Take::Theirs), (true, Take::Ours), (true, Take::Theirs)]
    {
        let mut all = if first_renames { race(renamed, edited) } else { race(edited, renamed) };
        both(&mut all);
        let (state, reason) = all[1].state("A");
        assert_eq!(state, AppState::Conflict, "{reason}");
        assert!(
            reason.contains(if first_renames { "renamed to 'B' in Git" } else { "renamed to 'B' here" }),
            "{reason}"
        );
        assert_eq!(all[1].state("B").0, AppState::Held);
        assert_eq!(names(&all[1]), if first_renames { ["A", "Other"] } else { ["B", "Other"] }, "the disk stays ours");
        let branches: Vec<String> = all[0].remote.lock().unwrap().keys().cloned().collect();
        assert!(branches.iter().any(|name| name.starts_with("refs/heads/conflict/i1/A/")), "{branches:?}");
        let now = all[1].now;
        all[1].engine().resolve(&AppName::new("A").unwrap(), take, now).unwrap();
        ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
        let taken = if first_renames == (take == Take::Ours) { THEIR_EDIT } else { OUR_EDIT };
        assert_eq!(all[0].text("B", "x.json").as_deref(), Some(taken), "{first_renames} {take:?}");
    }
}

#[test]
fn two_new_names_for_one_app_wait_and_a_person_takes_one() {
    for (take, name) in [(Take::Ours, "C"), (Take::Theirs, "B")] {
        let mut all = race(|one| one.rename("A", "B"), |other| other.rename("A", "C"));
        both(&mut all);
        let (state, reason) = all[1].state("A");
        assert_eq!(state, AppState::Conflict, "{reason}");
        assert!(reason.contains("renamed to 'C' here and to 'B' in Git"), "{reason}");
        assert_eq!(names(&all[1]), ["C", "Other"]);
        assert_eq!(names(&all[0]), ["B", "Other"]);
        let now = all[1].now;
        all[1].engine().resolve(&AppName::new("A").unwrap(), take, now).unwrap();
        ours_and_theirs_are_settled(&mut all, &[name, "Other"]);
    }
}

#[test]
fn one_new_name_given_by_both_is_no_conflict() {
    let renamed = |value: &'static str| {
        move |instance: &Instance| {
            instance.rename("A", "B");
            instance.save("B", "x.json", value);
        }
    };
    let mut all = race(renamed(OUR_EDIT), renamed("{\"l\":1,\"r\":9}"));
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    assert_eq!(all[0].text("B", "x.json").as_deref(), Some("{\"l\":2,\"r\":9}"));
}

#[test]
fn deleted_by_the_one_and_renamed_by_the_other_lives_on_under_the_new_name() {
    let mut all = race(|one| one.delete("A"), |other| other.rename("A", "B"));
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    let mut all = race(|one| one.rename("A", "B"), |other| other.delete("A"));
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
}

#[test]
fn deleted_by_the_one_and_edited_by_the_other_is_a_conflict_in_both_directions() {
    let mut all = race(|one| one.delete("A"), |other| other.save("A", "x.json", OUR_EDIT));
    both(&mut all);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some(OUR_EDIT));
    let mut all = race(|one| one.save("A", "x.json", THEIR_EDIT), |other| other.delete("A"));
    both(&mut all);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some(THEIR_EDIT));
    assert!(!all[0].log().iter().any(|subject| subject.contains("removed")));
}

#[test]
fn an_edit_after_a_merged_rename_that_is_not_pushed_yet_takes_both_halves_back() {
    let mut all = two();
    all[0].rename("A", "B");
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    all[1].save("A", "x.json", OUR_EDIT);
    all[1].fetch();
    all[1].pass(false, quiet); // merged and committed, not pushed
    all[1].save("A", "y.json", "{\"y\":7}");
    all[1].pass(false, quiet);
    all[1].start();
    ours_and_theirs_are_settled(&mut all, &["B", "Other"]);
    assert_eq!(all[0].text("B", "x.json").as_deref(), Some(OUR_EDIT));
    assert_eq!(all[0].text("B", "y.json").as_deref(), Some("{\"y\":7}"));
}

#[test]
fn a_followed_app_stays_followed_under_another_name_where_new_apps_are_not_added() {
    let mut all = world(&[Mode { auto_add: false, ..EDITING }, EDITING]);
    for app in ["A", "Other"] {
        all[1].save(app, "x.json", &format!("{{\"app\":\"{app}\"}}"));
    }
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    all[0].save("Copy", "x.json", "{\"app\":\"A\"}");
    for _ in 0..3 {
        all[0].pass(true, quiet);
    }
    all[0].rename("A", "B");
    for _ in 0..2 {
        both(&mut all);
    }
    assert_eq!(all[1].log()[0], "App renamed 'A' to 'B'");
    assert_eq!(names(&all[1]), ["B", "Other"]);
    assert_eq!(all[0].state("Copy").0, AppState::Untracked, "it was there before");
}

#[test]
fn a_look_that_finds_nothing_new_leaves_the_engine_at_rest() {
    let mut all = two();
    all[0].pass(true, quiet);
    let now = all[0].now;
    assert!(all[0].engine().is_at_rest());
    all[0].engine().look(&Look::All, now).unwrap();
    assert!(all[0].engine().is_at_rest());
}

#[test]
fn thousands_of_renamed_apps_are_paired_in_a_moment() {
    let repo = super::memory::MemoryRepository::default();
    let app = |name: &str, number: usize, files: usize| {
        let file = |n: usize| TreeEntry {
            name: format!("f{n}.json").into_bytes(),
            kind: EntryKind::File,
            id: repo.write_blob(format!("{number} {}", n.min(files)).as_bytes()).unwrap(),
        };
        let shared = TreeEntry {
            name: b"same.json".to_vec(),
            kind: EntryKind::File,
            id: repo.write_blob(b"in every app").unwrap(),
        };
        let tree = repo.write_tree(&(0..3).map(file).chain([shared]).collect::<Vec<_>>()).unwrap();
        (AppName::new(format!("{name}{number}")).unwrap(), tree)
    };
    let vanished: Vec<_> = (0..2000).map(|number| app("old", number, 9)).collect();
    let appeared: Vec<_> = (0..2000).rev().map(|number| app("new", number, 1)).collect();
    let began = std::time::Instant::now();
    let pairs = Kinship::default().pair_up(&repo, &vanished, &appeared).unwrap();
    println!("{} pairs in {:?}", pairs.len(), began.elapsed());
    assert_eq!(pairs.len(), 2000);
    assert!(pairs.iter().all(|(old, new)| old.as_str().strip_prefix("old") == new.as_str().strip_prefix("new")));
}

#[test]
fn a_rename_that_the_remote_refuses_is_held_with_both_halves() {
    let mut all = two();
    all[0].refused_app = Some("B".to_owned());
    all[0].rename("A", "B");
    all[0].save("Other", "o.json", "{\"o\":1}");
    all[0].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::Held);
    assert_eq!(all[0].state("B").0, AppState::Held);
    assert_eq!(all[0].state("Other").0, AppState::InSync);
    assert!(!all[0].log().iter().any(|subject| subject.contains("removed")));
}
