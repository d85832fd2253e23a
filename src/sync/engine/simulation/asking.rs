//! What people ask for, in the world in memory: through the API, by hand, and of apps that are left out.

use std::collections::BTreeSet;

use super::super::incoming::From;
use super::*;
use crate::domain::patterns::Patterns;
use crate::domain::plan::Mode;
use crate::sync::action::{Action, Content, MergedFiles, PushRequest, Resolution, Selection, Take};

fn app(name: &str) -> AppName {
    AppName::new(name).unwrap()
}

fn tip(instance: &Instance) -> ObjectId {
    instance.remote.lock().unwrap()["refs/heads/main"]
}

/// A save through the API, with a name and words of its own.
fn put(instance: &mut Instance, name: &str, text: &str) -> Save {
    let files = BTreeMap::from([("x.json".to_owned(), text.to_owned())]);
    let save = Save {
        app: app(name),
        tree: Some(instance.folder.store(&files)),
        condition: Condition::None,
        author: Some(("Alice".to_owned(), "alice@example.org".to_owned())),
        message: Some("By Alice".to_owned()),
        commit: true,
    };
    let now = instance.now;
    instance.engine().save_app(&save, now).unwrap();
    save
}

/// Two instances in sync on the app `A` and two more.
fn two() -> Vec<Instance> {
    let mut all = world(&[EDITING, EDITING]);
    for name in ["A", "Other", "Third"] {
        all[0].save(name, "x.json", &format!("{{\n  \"{name}\": 1,\n  \"right\": 1\n}}\n"));
    }
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all
}

#[test]
fn a_save_through_the_api_keeps_its_author_and_its_words_when_its_commit_is_made_anew() {
    let mut all = two();
    put(&mut all[1], "A", "{\n  \"A\": 2,\n  \"right\": 1\n}\n");
    all[0].save("A", "x.json", "{\n  \"A\": 1,\n  \"right\": 2\n}\n");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    let commit = all[1].repo.commit(tip(&all[1])).unwrap();
    assert_eq!((commit.author.name.as_str(), all[1].log()[0].as_str()), ("Alice", "By Alice"));
    all[0].pass(true, quiet);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\n  \"A\": 2,\n  \"right\": 2\n}\n"));
}

#[test]
fn a_push_before_the_branch_was_ever_reached_does_not_say_that_there_is_nothing_to_do() {
    let mut all = world(&[EDITING]);
    all[0].save("A", "x.json", "{}");
    all[0].pass(false, quiet);
    let now = all[0].now;
    let push = || Action::Push(PushRequest::from(Selection::All));
    let refusal = all[0].engine().begin(push(), false, now).map(|_| ()).unwrap_err();
    assert!(refusal.message.contains("never reached"), "{refusal}");
    all[0].pass(true, quiet);
    assert!(all[0].engine().begin(push(), false, now).is_ok());
}

#[test]
fn a_save_before_the_branch_is_known_keeps_its_author_and_is_told_as_a_commit() {
    let mut all = world(&[EDITING]);
    put(&mut all[0], "A", "{}");
    all[0].pass(true, quiet);
    let commit = all[0].repo.commit(tip(&all[0])).unwrap();
    assert_eq!((commit.author.name.as_str(), all[0].log()[0].as_str()), ("Alice", "By Alice"));
    all[0].engine().forget_done(usize::MAX);
    put(&mut all[0], "A", "{\"n\":1}");
    let told = all[0].engine().done().deeds;
    assert!(told.iter().any(|deed| deed.what.kind() == "committed"), "{told:?}");
}

#[test]
fn the_words_of_one_save_are_not_those_of_hundreds_of_others() {
    let mut all = world(&[EDITING]);
    put(&mut all[0], "A", "{}");
    for number in 0..250 {
        all[0].save(&format!("B{number}"), "x.json", "{}");
    }
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().len(), 2, "{:?}", all[0].log());
    assert!(all[0].log().contains(&"By Alice".to_owned()));
    let bulk = all[0].repo.ancestors(tip(&all[0])).into_iter().map(|id| all[0].repo.commit(id).unwrap());
    assert_eq!(bulk.filter(|commit| commit.author.name == "Alice").count(), 1);
}

#[test]
fn an_app_whose_new_name_cannot_be_committed_yet_is_not_taken_away_under_its_old_one() {
    let mut all = two();
    all[0].rename("A", "New");
    all[0].save("New", "y.json", "{\"half\":");
    for _ in 0..3 {
        all[0].pass(true, quiet);
    }
    assert_eq!(all[0].state("New").0, AppState::Held);
    let (state, reason) = all[0].state("A");
    assert!(state == AppState::Held && reason.contains("'New'"), "{reason}");
    assert!(!all[0].log().iter().any(|subject| subject.contains("removed")), "{:?}", all[0].log());
    all[0].save("New", "y.json", "{}");
    all[0].pass(true, quiet);
    assert_eq!(all[0].log()[0], "App renamed 'A' to 'New'");
    all[1].pass(true, quiet);
    assert_eq!(all[0].apps(), all[1].apps());
}

#[test]
fn a_person_may_let_the_old_name_go_while_the_new_one_is_held() {
    let mut all = two();
    all[0].rename("A", "New");
    all[0].save("New", "y.json", "{\"half\":");
    for _ in 0..2 {
        all[0].pass(true, quiet);
    }
    let now = all[0].now;
    all[0].engine().confirm(Some(&BTreeSet::from([app("A")])), now).unwrap();
    all[0].pass(true, quiet);
    assert_eq!(all[0].log()[0], "'A' App removed from git");
}

#[test]
fn an_app_that_is_left_out_is_written_by_no_action() {
    let mut all = two();
    let old = tip(&all[0]);
    all[1].settings.filter.exclude = Patterns::parse("A").unwrap();
    all[1].start();
    all[1].delete("A");
    all[1].pass(true, quiet);
    let now = all[1].now;
    let from = From { name: "old".to_owned(), commit: old };
    let steps = all[1].engine().pull_from(&from, None, (false, false), now).unwrap();
    assert!(!all[1].engine().deeds(steps).iter().any(|deed| deed.app == app("A")));
    let steps = all[1].engine().pull_from(&from, Some(BTreeSet::from([app("A")])), (false, false), now).unwrap();
    assert!(!all[1].engine().deeds(steps)[0].done);
    assert!(all[1].engine().begin(Action::Restore(app("A"), old.to_string()), false, now).is_err());
    let tree = all[1].repo.commit(old).unwrap().tree;
    let save = Save {
        app: app("A"),
        tree: Some(tree),
        condition: Condition::None,
        author: None,
        message: None,
        commit: false,
    };
    let refused = all[1].engine().save_app(&save, now);
    assert!(matches!(refused, Err(SaveRefusal::Failed(failure)) if failure.message.contains("not followed")));
    assert_eq!(all[1].text("A", "x.json"), None);
}

#[test]
fn a_merge_that_leaves_nothing_of_an_app_is_a_conflict_and_no_removal() {
    let mut all = two();
    all[0].save("A", "y.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    let only = |instance: &Instance, file: &str| {
        instance.folder.apps.lock().unwrap().get_mut(&app("A")).unwrap().retain(|name, _| name == file);
    };
    only(&all[0], "x.json");
    only(&all[1], "y.json");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::Conflict);
    assert!(!all[1].log().iter().any(|subject| subject.contains("removed")));
}

#[test]
fn a_dry_run_of_a_push_says_what_stands_in_the_way() {
    let mut all = world(&[Mode { auto_save: false, ..EDITING }]);
    all[0].save("A", "x.json", "{}");
    all[0].save("B", "x.json", "{}");
    all[0].pass(true, quiet);
    all[0].save("A", "x.json", "{\"half\":");
    all[0].save("B", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    let (now, before) = (all[0].now, all[0].engine().state.clone());
    let all_apps = || Action::Push(PushRequest::from(Selection::All));
    let begun = all[0].engine().begin(all_apps(), true, now).unwrap();
    let plan = all[0].engine().end(begun);
    let told: Vec<_> = plan.apps.iter().map(|told| (told.app.as_str(), told.done)).collect();
    assert_eq!(told, [("A", false), ("B", true)], "{plan:?}");
    assert!(plan.apps[0].message.contains("not valid JSON"), "{plan:?}");
    assert_eq!(all[0].engine().state, before);
    let begun = all[0].engine().begin(all_apps(), false, now).unwrap();
    all[0].pass(true, quiet);
    let done: Vec<bool> = all[0].engine().end(begun).apps.iter().map(|told| told.done).collect();
    assert_eq!(done, [false, true], "as it was said");
}

#[test]
fn a_side_that_is_taken_twice_is_taken() {
    let mut all = two();
    all[0].save("A", "x.json", "{\"A\": 2}");
    all[1].save("A", "x.json", "{\"A\": 3}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    for _ in 0..2 {
        let now = all[1].now;
        let action = Action::Resolve(app("A"), Resolution::Side(Take::Theirs));
        let begun = all[1].engine().begin(action, false, now).unwrap();
        all[1].pass(true, quiet);
        assert!(all[1].engine().end(begun).is_done());
    }
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"A\": 2}"));
}

#[test]
fn a_merged_version_with_a_secret_holds_its_app_as_any_other_state_does() {
    let mut all = two();
    all[0].save("A", "x.json", "{\"A\": 2}");
    all[1].save("A", "x.json", "{\"A\": 3}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    let before = tip(&all[1]);
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\\n-----END OPENSSH PRIVATE KEY-----";
    let files = BTreeMap::from([("x.json".to_owned(), Some(Content::Text(format!("{{\"k\":\"{key}\"}}"))))]);
    let now = all[1].now;
    let action = Action::Resolve(app("A"), Resolution::Merged(MergedFiles { files, whole: false }));
    let begun = all[1].engine().begin(action, false, now).unwrap();
    all[1].pass(true, quiet);
    let told = all[1].engine().end(begun);
    assert!(!told.is_done() && told.apps[0].message.contains("private key"), "{told:?}");
    assert_eq!((tip(&all[1]), all[1].state("A").0), (before, AppState::Held));
}
