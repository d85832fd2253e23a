//! Pushes whose answer is lost, or comes when more was saved.

use super::super::outgoing::Outgoing;
use super::*;
use crate::ports::RefOutcome;

const FIRST: &str = "{\n  \"left\": 1,\n  \"right\": 1\n}\n";

fn text(left: u32, right: u32) -> String {
    format!("{{\n  \"left\": {left},\n  \"right\": {right}\n}}\n")
}

/// Two instances in sync on the app `A`.
fn two() -> Vec<Instance> {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", FIRST);
    all[0].save("Other", "o.json", "{}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all
}

/// Lets the remote accept what waits to be pushed; the answer is still to come.
fn send(instance: &mut Instance) -> (Outgoing, Vec<RefOutcome>) {
    let now = instance.now;
    instance.engine().look(&Look::All, now).unwrap();
    while instance.engine().advance(true, now).unwrap() != Progress::Push {}
    let outgoing = instance.engine().set_out(now).unwrap();
    let outcomes = outgoing.updates.iter().map(|update| instance.answer(update)).collect();
    (outgoing, outcomes)
}

/// A save through the API. Answers its commit.
fn put(instance: &mut Instance, text: &str) -> Option<ObjectId> {
    let files = BTreeMap::from([("x.json".to_owned(), text.to_owned())]);
    let save = Save {
        app: AppName::new("A").unwrap(),
        tree: Some(instance.folder.store(&files)),
        condition: Condition::None,
        author: None,
        message: Some(format!("Saved as {}", text.lines().nth(1).unwrap())),
        commit: true,
    };
    let now = instance.now;
    instance.engine().save_app(&save, now).unwrap().commit
}

fn assert_settled(all: &mut [Instance], expected: &str) {
    for _ in 0..2 {
        for instance in &mut *all {
            instance.pass(true, quiet);
        }
    }
    for instance in all {
        assert_eq!(instance.state("A"), (AppState::InSync, String::new()));
        assert_eq!(instance.text("A", "x.json").as_deref(), Some(expected));
        assert!(instance.engine().state.notes.pending.is_empty());
    }
}

#[test]
fn what_is_saved_after_a_push_without_an_answer_is_no_conflict_with_that_push() {
    for (third, restarts) in [(3, false), (3, true), (1, false), (1, true)] {
        let mut all = two();
        all[0].save("A", "x.json", &text(2, 1));
        send(&mut all[0]);
        all[0].save("A", "x.json", &text(third, 1));
        all[0].pass(false, quiet); // offline: committed on top of what was sent
        if restarts {
            all[0].start();
        }
        assert_settled(&mut all, &text(third, 1));
        let subjects = all[0].log();
        assert_eq!(subjects.len(), 4, "{subjects:?}");
    }
}

#[test]
fn a_merge_that_was_pushed_without_an_answer_is_the_base_only_with_what_the_disk_had_of_it() {
    for restarts in [false, true] {
        let mut all = two();
        all[1].save("A", "x.json", &text(1, 5));
        all[1].pass(true, quiet);
        all[0].save("A", "x.json", &text(2, 1));
        all[0].fetch();
        send(&mut all[0]);
        // The disk has not got what the other one did.
        all[0].save("A", "x.json", &text(3, 1));
        all[0].pass(false, quiet);
        if restarts {
            all[0].start();
        }
        assert_settled(&mut all, &text(3, 5));
    }
}

#[test]
fn what_others_made_of_a_push_without_an_answer_is_merged_with_what_was_saved_since() {
    let mut all = two();
    all[0].save("A", "x.json", &text(2, 1));
    send(&mut all[0]);
    all[0].save("A", "x.json", &text(3, 1));
    all[0].pass(false, quiet);
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", &text(2, 5));
    all[1].pass(true, quiet);
    assert_settled(&mut all, &text(3, 5));
}

#[test]
fn a_push_that_was_overtaken_before_its_answer_came_is_known_when_the_branch_is_seen() {
    for restarts in [false, true] {
        let mut all = two();
        all[0].save("A", "x.json", &text(2, 1));
        let (outgoing, _) = send(&mut all[0]);
        put(&mut all[0], &text(3, 1));
        all[1].pass(true, quiet);
        all[1].save("A", "x.json", &text(2, 5));
        all[1].pass(true, quiet);
        // Another look at the branch was all the answer, and it had moved on by then.
        let now = all[0].now;
        let effect = all[0].engine().take_outcomes(&outgoing, &[RefOutcome::Moved], now).unwrap();
        assert_eq!(effect, PushEffect::FetchFirst);
        if restarts {
            all[0].start();
        }
        assert_settled(&mut all, &text(3, 5));
        assert!(all[0].engine().state.notes.sent.is_none());
    }
}

#[test]
fn what_was_taken_back_after_a_push_without_an_answer_is_taken_back_in_git() {
    use crate::sync::action::Action;
    let mut all = two();
    all[0].save("A", "x.json", &text(2, 1));
    send(&mut all[0]);
    all[0].save("A", "x.json", FIRST);
    let (now, app) = (all[0].now, AppName::new("A").unwrap());
    all[0].engine().drop_unpushed(std::slice::from_ref(&app), now).unwrap();
    let begun = all[0].engine().begin(Action::Push(crate::sync::action::Selection::All.into()), false, now).unwrap();
    all[0].pass(false, quiet);
    all[0].engine().end(begun);
    assert_settled(&mut all, FIRST);
}

#[test]
fn what_was_told_of_a_commit_outlasts_a_kill_right_after_its_push_was_accepted() {
    let mut all = two();
    all[0].engine().forget_done(usize::MAX);
    all[0].save("A", "x.json", &text(2, 1));
    send(&mut all[0]);
    all[0].start();
    all[0].pass(true, quiet);
    let told: Vec<String> = all[0].engine().done().deeds.iter().map(|deed| deed.what.kind().to_owned()).collect();
    assert_eq!(told, ["committed", "pushed"]);
}

#[test]
fn what_is_saved_while_a_push_is_under_way_is_pushed_after_it_in_its_own_words() {
    for accepted in [true, false] {
        let mut all = two();
        all[0].save("A", "x.json", &text(2, 1));
        let (outgoing, outcomes) = send(&mut all[0]);
        let commit = put(&mut all[0], &text(3, 1)).unwrap();
        let now = all[0].now;
        if accepted {
            all[0].engine().take_outcomes(&outgoing, &outcomes, now).unwrap();
            let state = &all[0].engine().state;
            let base = state.bases[&AppName::new("A").unwrap()];
            assert_eq!(state.notes.head, Some(commit), "it is the same commit still");
            assert_eq!(all[0].folder.files_of(base)["x.json"], text(2, 1), "the base is what was pushed");
        }
        assert_settled(&mut all, &text(3, 1));
        assert_eq!(all[0].log()[..2], ["Saved as   \"left\": 3,", "A:: Minor app update"]);
    }
}

#[test]
fn a_save_during_a_push_that_is_refused_is_tried_at_once_and_not_held_with_it() {
    let mut all = two();
    all[0].save("A", "x.json", &text(2, 1));
    let now = all[0].now;
    all[0].engine().look(&Look::All, now).unwrap();
    while all[0].engine().advance(true, now).unwrap() != Progress::Push {}
    let outgoing = all[0].engine().set_out(now).unwrap();
    put(&mut all[0], &text(3, 1));
    let refused = [RefOutcome::Refused("policy says no".to_owned())];
    all[0].engine().take_outcomes(&outgoing, &refused, now).unwrap();
    assert_settled(&mut all, &text(3, 1));
    assert_eq!(all[0].log()[0], "Saved as   \"left\": 3,");
}

#[test]
fn a_save_during_a_push_that_loses_its_race_is_merged_with_the_winner() {
    let mut all = two();
    all[0].save("A", "x.json", &text(2, 1));
    let now = all[0].now;
    all[0].engine().look(&Look::All, now).unwrap();
    while all[0].engine().advance(true, now).unwrap() != Progress::Push {}
    let outgoing = all[0].engine().set_out(now).unwrap();
    all[1].save("A", "x.json", &text(1, 5));
    all[1].pass(true, quiet);
    put(&mut all[0], &text(3, 1));
    let outcomes: Vec<RefOutcome> = outgoing.updates.iter().map(|update| all[0].answer(update)).collect();
    assert_eq!(outcomes, [RefOutcome::Moved]);
    all[0].engine().take_outcomes(&outgoing, &outcomes, now).unwrap();
    assert_settled(&mut all, &text(3, 5));
}

#[test]
fn a_push_whose_note_was_lost_in_a_crash_is_no_conflict_with_what_others_made_of_it() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    let before: BTreeMap<_, _> = all[0].repo.refs.lock().unwrap().clone();
    all[0].save("A", "x.json", "{\"n\":2}");
    all[0].pass(true, quiet);
    *all[0].repo.refs.lock().unwrap() = before;
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", "{\"n\":3}");
    all[1].pass(true, quiet);
    all[0].start();
    all[0].pass(true, quiet);
    assert_eq!(all[0].state("A").0, AppState::InSync);
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"n\":3}"));
}

#[test]
fn a_push_without_an_answer_is_known_after_a_crash_whatever_was_saved_since() {
    for (second, third) in [("{\"n\":2}", "{\"n\":3}"), ("{\"n\":2}", "{\"n\":1}")] {
        let mut all = world(&[EDITING, EDITING]);
        all[0].save("A", "x.json", "{\"n\":1}");
        all[0].pass(true, quiet);
        all[0].save("A", "x.json", second);
        let now = all[0].now;
        all[0].engine().look(&Look::All, now).unwrap();
        while all[0].engine().advance(true, now).unwrap() != Progress::Push {}
        let outgoing = all[0].engine().set_out(now).unwrap();
        for update in &outgoing.updates {
            all[0].answer(update); // accepted, and killed before the answer came
        }
        all[0].save("A", "x.json", third);
        all[0].start();
        all[0].pass(true, quiet);
        all[1].pass(true, quiet);
        assert_eq!(all[0].state("A").0, AppState::InSync);
        assert_eq!(all[1].text("A", "x.json").as_deref(), Some(third));
    }
}
