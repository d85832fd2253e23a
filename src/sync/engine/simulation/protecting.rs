//! A branch that does not take our commits, where they may go to a branch of our own.

use super::*;
use crate::domain::OnProtected;
use crate::ports::RefOutcome;

const WORDS: &str = "protected branch hook declined";

fn proposing() -> Instance {
    let mut instance = world(&[EDITING]).remove(0);
    instance.settings.on_protected = OnProtected::Branch;
    instance.start();
    instance
}

/// What waits to be pushed is refused, after `meanwhile`.
fn refuse(instance: &mut Instance, meanwhile: impl FnOnce(&mut Instance)) {
    let now = instance.now;
    instance.engine().look(&Look::All, now).unwrap();
    while instance.engine().advance(true, now).unwrap() != Progress::Push {}
    let outgoing = instance.engine().set_out(now).unwrap();
    meanwhile(instance);
    let outcomes = vec![RefOutcome::Refused(WORDS.to_owned()); outgoing.updates.len()];
    instance.engine().take_outcomes(&outgoing, &outcomes, now).unwrap();
}

#[test]
fn where_the_followed_branch_is_not_there_yet_what_is_refused_waits_here_and_is_tried_again() {
    let mut instance = proposing();
    instance.save("A", "x.json", "{}");
    instance.fetch();
    refuse(&mut instance, |_| {});
    let now = instance.now;
    while instance.engine().advance(true, now).unwrap() != Progress::Rest {}
    let (state, reason) = instance.state("A");
    assert!(state == AppState::Held && reason.contains(WORDS) && reason.contains("tried again"), "{reason}");
    assert!(instance.remote.lock().unwrap().is_empty(), "no branch of ours becomes the first of the repository");
    instance.now.instant += std::time::Duration::from_mins(2);
    instance.pass(true, quiet);
    assert_eq!(instance.state("A").0, AppState::InSync);
    assert_eq!(instance.log(), ["'A' App added to git"]);
}

#[test]
fn what_is_saved_during_a_push_that_a_protected_branch_refuses_goes_to_our_own_branch_with_it() {
    let mut instance = proposing();
    instance.save("A", "x.json", "{\"n\":1}");
    instance.pass(true, quiet);
    instance.save("A", "x.json", "{\"n\":2}");
    refuse(&mut instance, |instance| {
        let files = BTreeMap::from([("x.json".to_owned(), "{\"n\":3}".to_owned())]);
        let tree = Some(instance.folder.store(&files));
        let app = AppName::new("A").unwrap();
        let save = Save { app, tree, condition: Condition::None, author: None, message: None, commit: true };
        let now = instance.now;
        instance.engine().save_app(&save, now).unwrap();
    });
    instance.pass(true, quiet);
    let (state, reason) = instance.state("A");
    assert!(state == AppState::Held && reason.contains("waits on branch appferry/i0"), "{reason}");
    let ours = instance.remote.lock().unwrap()["refs/heads/appferry/i0"];
    assert_eq!(instance.repo.ancestors(ours).len(), 3, "a commit each");
    instance.remote.lock().unwrap().insert("refs/heads/main".to_owned(), ours); // merged
    instance.pass(true, quiet);
    assert_eq!(instance.state("A"), (AppState::InSync, String::new()));
    assert_eq!(instance.text("A", "x.json").as_deref(), Some("{\"n\":3}"));
}
