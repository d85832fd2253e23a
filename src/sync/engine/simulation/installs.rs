//! Installs that a crash, a save or a failing disk cuts off from their notes.

use std::sync::atomic::Ordering;

use super::*;
use crate::domain::plan::Mode;
use crate::ports::Arrived;

const RELEASE: &str = "last_release/meta.json";

fn text(number: u32) -> String {
    format!("{{\"n\":{number}}}")
}

/// Two instances with an app that was published, of which the first is to publish it again.
fn two(second: Mode) -> Vec<Instance> {
    let mut all = world(&[EDITING, second]);
    for app in ["A", "B", "C", "D", "E", "F"] {
        all[0].save(app, "x.json", &text(1));
    }
    all[0].save("A", RELEASE, &text(1));
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[1].engine().forget_done(usize::MAX);
    all
}

fn save_each(instance: &Instance, apps: [&str; 2], number: u32) {
    for app in apps {
        instance.save(app, "x.json", &text(number));
    }
}

fn publish(instance: &mut Instance, number: u32) {
    instance.save("A", "x.json", &text(number));
    instance.save("A", RELEASE, &text(number));
    instance.pass(true, quiet);
}

/// Installs what the branch has, and is killed before that is noted.
fn install_and_die(instance: &mut Instance) {
    instance.now.instant += std::time::Duration::from_secs(10);
    let now = instance.now;
    instance.fetch();
    instance.engine().look(&Look::All, now).unwrap();
    while instance.engine().advance(true, now).unwrap() != Progress::Rest {}
    instance.start();
}

fn told(instance: &mut Instance) -> Vec<String> {
    let deeds = instance.engine().done().deeds;
    deeds.iter().map(|deed| deed.what.kind().to_owned()).collect()
}

#[test]
fn an_install_that_a_kill_kept_from_being_noted_is_told_at_the_next_start() {
    let mut all = two(LOCKED);
    publish(&mut all[0], 2);
    install_and_die(&mut all[1]);
    all[1].pass(true, quiet);
    assert_eq!(told(&mut all[1]), ["installed", "published"]);
    all[1].engine().forget_done(usize::MAX);
    all[1].pass(true, quiet);
    all[1].start();
    all[1].pass(true, quiet);
    assert_eq!(told(&mut all[1]), Vec::<String>::new(), "once");
}

#[test]
fn deletions_of_the_branch_count_although_a_kill_kept_them_from_being_noted() {
    let mut all = two(EDITING);
    for apps in [["B", "C", "D"].as_slice(), &["E"]] {
        for app in apps {
            all[0].delete(app);
        }
        for _ in 0..2 {
            all[0].pass(true, quiet);
        }
        let now = all[0].now;
        all[0].engine().confirm(None, now).unwrap();
        all[0].pass(true, quiet);
        install_and_die(&mut all[1]);
    }
    all[1].pass(true, quiet);
    assert_eq!(all[1].text("E", "x.json"), Some(text(1)), "the fourth within ten minutes waits for a person");
    assert!(all[1].engine().report().held_removals);
}

#[test]
fn a_journal_that_cannot_be_removed_is_no_older_base_at_the_next_start() {
    let mut all = two(EDITING);
    publish(&mut all[0], 2);
    all[1].folder.keeps_journals.store(true, Ordering::Relaxed);
    all[1].pass(true, quiet);
    all[1].save("A", "x.json", &text(3));
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].text("A", "x.json"), Some(text(3)));
    all[0].save("A", "x.json", &text(2)); // a step back
    all[0].pass(true, quiet);
    all[1].start();
    all[1].pass(true, quiet);
    all[1].folder.keeps_journals.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        all[1].pass(true, quiet);
        all[0].pass(true, quiet);
    }
    for instance in &all {
        assert_eq!(instance.text("A", "x.json"), Some(text(2)));
    }
}

#[test]
fn an_install_that_a_save_disturbs_is_finished_around_it_and_told() {
    let mut all = two(Mode { auto_save: false, ..EDITING });
    publish(&mut all[0], 2);
    *all[1].folder.saved_meanwhile.lock().unwrap() = Some(("x.json".to_owned(), text(9)));
    for _ in 0..2 {
        all[1].pass(true, quiet);
    }
    assert_eq!(all[1].text("A", RELEASE), Some(text(2)));
    assert_eq!(all[1].text("A", "x.json"), Some(text(9)));
    let (state, reason) = all[1].state("A");
    assert!(state == AppState::Modified && reason.contains("behind"), "both sides changed that file: {reason}");
    assert_eq!(told(&mut all[1]), ["installed", "published"]);
    all[1].save("A", "x.json", &text(1)); // taken back: nothing here is an edit any more
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::InSync);
    assert_eq!(all[1].apps(), all[0].apps());
}

#[test]
fn an_install_that_a_kill_cuts_off_is_no_edit_where_nothing_is_saved_by_itself() {
    let mut all = two(Mode { auto_save: false, ..EDITING });
    publish(&mut all[0], 2);
    install_and_die(&mut all[1]);
    publish(&mut all[0], 3);
    all[1].pass(true, quiet);
    assert_eq!(all[1].state("A").0, AppState::InSync);
    assert_eq!(all[1].apps(), all[0].apps());
}

/// An install that an error interrupted goes on by itself, around a save: its file stays, and is told of.
fn rolled_forward(instance: &Instance, app: &str, number: u32) {
    instance.save(app, "x.json", &text(number));
    let app = AppName::new(app).unwrap();
    let tree = Some(instance.folder.store(&instance.apps()[&app]));
    instance.save(app.as_str(), "saved.json", "{}");
    let left = std::iter::once("saved.json".to_owned()).collect();
    let arrived = Arrived { app: app.clone(), id: format!("of {app}"), tree, left };
    instance.folder.came.lock().unwrap().insert(app, arrived);
}

#[test]
fn of_several_installs_none_is_forgotten_when_the_disk_fails_while_they_are_noted() {
    for (writes, killed) in [(1, false), (1, true), (2, false), (2, true)] {
        let mut all = two(EDITING);
        let both = ["B", "C"];
        save_each(&all[0], both, 2);
        all[0].pass(true, quiet);
        all[1].pass(false, quiet);
        for app in both {
            rolled_forward(&all[1], app, 2);
        }
        let now = all[1].now;
        all[1].repo.writes_to_failure.store(writes, Ordering::Relaxed);
        assert!(all[1].engine().look(&Look::All, now).is_err());
        all[1].repo.writes_to_failure.store(0, Ordering::Relaxed);
        all[1].engine().save(now).unwrap();
        if killed {
            all[1].start();
        }
        save_each(&all[0], both, 1); // a step back
        all[0].pass(true, quiet);
        all[1].pass(true, quiet);
        all[0].pass(true, quiet);
        for app in both {
            assert_eq!(all[0].text(app, "x.json"), Some(text(1)), "{app} after {writes} writes, killed: {killed}");
            assert_eq!(all[0].text(app, "saved.json").as_deref(), Some("{}"));
        }
        assert_eq!(all[0].apps(), all[1].apps());
        assert!(all[1].folder.came.lock().unwrap().is_empty(), "noted in the end");
    }
}

#[test]
fn what_came_before_the_disk_was_looked_at_again_is_no_step_back() {
    let mut all = two(EDITING);
    all[0].save("B", "x.json", &text(2));
    all[0].pass(true, quiet);
    all[1].fetch();
    rolled_forward(&all[1], "B", 2);
    let now = all[1].now;
    while all[1].engine().advance(false, now).unwrap() != Progress::Rest {}
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[0].log().len(), 8, "one commit an app, one of this edit, one of the saved file: {:?}", all[0].log());
    assert_eq!(all[0].text("B", "x.json"), Some(text(2)));
    assert_eq!(all[0].apps(), all[1].apps());
}

#[test]
fn what_a_crash_kept_from_being_noted_as_arrived_is_no_edit_against_a_step_back_in_git() {
    let mut all = world(&[EDITING, EDITING]);
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].pass(true, quiet);
    all[0].save("A", "x.json", "{\"n\":2}");
    all[0].pass(true, quiet);
    let now = all[1].now;
    all[1].fetch();
    all[1].engine().look(&Look::All, now).unwrap();
    while all[1].engine().advance(true, now).unwrap() != Progress::Rest {}
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"n\":2}"), "installed, and killed before it is noted");
    all[1].save("A", "y.json", "{}");
    all[0].save("A", "x.json", "{\"n\":1}");
    all[0].pass(true, quiet);
    all[1].start();
    all[1].pass(true, quiet);
    all[0].pass(true, quiet);
    assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"n\":1}"));
    assert_eq!(all[0].text("A", "x.json").as_deref(), Some("{\"n\":1}"));
    assert_eq!(all[0].text("A", "y.json").as_deref(), Some("{}"));
}
