//! Notes of a damaged state.

use super::*;
use crate::sync::state::{ConflictNote, MergedNote, Notes, Pin, Proposal, Proposed, STATE_REF, State, Withheld};

const GONE: ObjectId = ObjectId::from_bytes([7; 20]);

/// Each kind of note, about a tree that is nowhere any more.
fn broken(app: &AppName, state: &State) -> Vec<Notes> {
    let tip = state.notes.tip.unwrap();
    let with = |change: &dyn Fn(&mut Notes)| {
        let mut notes = state.notes.clone();
        change(&mut notes);
        notes
    };
    let conflict = ConflictNote {
        branch: "conflict/i0/A/20250101T000000Z".to_owned(),
        commit: tip,
        pushed: None,
        push_error: None,
        base: Some(GONE),
        ours: Some(GONE),
        theirs: Some(GONE),
        clashes: Vec::new(),
        renamed_here: None,
        renamed_there: None,
    };
    let proposed = Proposed { ours: Some(GONE), tree: Some(GONE), theirs: None };
    let proposal = Proposal { head: tip, apps: BTreeMap::from([(app.clone(), proposed)]), ..Proposal::default() };
    vec![
        with(&|notes| drop(notes.conflicts.insert(app.clone(), conflict.clone()))),
        with(&|notes| {
            notes.pins.insert(app.clone(), Pin { from: "v1".to_owned(), commit: tip, tree: GONE });
        }),
        with(&|notes| {
            let ours = state.bases.get(app).copied();
            notes.merged.insert(app.clone(), MergedNote { ours, theirs: ours, tree: GONE });
        }),
        with(&|notes| {
            notes.withheld.insert(app.clone(), Withheld { here: None, git: Some(GONE) });
        }),
        with(&|notes| notes.proposal = Some(proposal.clone())),
    ]
}

fn set(instance: &Instance, key: &str, value: usize) {
    let mut json: serde_json::Value = serde_json::from_str(&instance.text("A", "x.json").unwrap()).unwrap();
    json[key] = value.into();
    instance.save("A", "x.json", &json.to_string());
}

#[test]
fn no_note_about_what_is_gone_stops_an_engine_that_takes_it_over() {
    for mode in [EDITING, LOCKED] {
        let mut all = world(&[EDITING, mode]);
        all[0].save("A", "x.json", "{\n  \"left\": 1,\n  \"right\": 1\n}\n");
        all[0].pass(true, quiet);
        all[1].pass(true, quiet);
        let (app, state) = (AppName::new("A").unwrap(), all[1].engine().state.clone());
        for (round, notes) in broken(&app, &state).into_iter().enumerate() {
            let now = all[1].now;
            let tip = all[1].engine().tip();
            let mut found = State { bases: all[1].engine().state.bases.clone(), notes };
            (found.notes.tip, found.notes.head) = (tip, tip);
            all[1].engine().take_over_state(found, now).unwrap();
            all[1].engine().save(now).unwrap();
            all[1].start();
            set(&all[1], "right", round + 10);
            all[1].pass(true, quiet);
            set(&all[0], "left", round + 20);
            all[0].pass(true, quiet);
            all[1].pass(true, quiet);
            all[0].pass(true, quiet);
            assert_eq!(all[1].state("A").0, AppState::InSync, "{round}");
            assert_eq!(all[0].apps(), all[1].apps());
        }
    }
}

#[test]
fn what_the_notes_mean_is_kept_with_the_state() {
    let mut all = world(&[EDITING]);
    all[0].save("A", "x.json", "{}");
    all[0].pass(true, quiet);
    let (app, now) = (AppName::new("A").unwrap(), all[0].now);
    let tree = all[0].folder.store(&BTreeMap::from([("x.json".to_owned(), "{\"only\":\"here\"}".to_owned())]));
    let pin = Pin { from: "v1".to_owned(), commit: all[0].engine().tip().unwrap(), tree };
    all[0].engine().state.notes.pins.insert(app.clone(), pin);
    all[0].engine().state.notes.merged.insert(app, MergedNote { ours: None, theirs: None, tree });
    all[0].engine().save(now).unwrap();
    let commit = all[0].repo.find_ref(STATE_REF).unwrap().unwrap();
    let root = all[0].repo.commit(commit).unwrap().tree;
    for folder in ["pins", "merged"] {
        let found = crate::sync::trees::app_trees(&all[0].repo, Some(root), folder).unwrap().apps;
        assert_eq!(found.into_values().collect::<Vec<_>>(), [tree], "{folder}");
    }
}

#[test]
fn a_disk_that_fails_while_the_repository_is_built_anew_costs_only_time() {
    let mut failures = 0;
    for (after, restarts) in (1..14).flat_map(|after| [(after, false), (after, true)]) {
        let mut all = world(&[EDITING, EDITING]);
        all[0].save("A", "x.json", "{\"left\":1,\"right\":1}");
        all[0].pass(true, quiet);
        all[1].pass(true, quiet);
        for left in [2, 3] {
            all[0].save("A", "x.json", &format!("{{\"left\":{left},\"right\":1}}"));
            all[0].pass(false, quiet); // two commits that are not pushed
        }
        all[1].save("A", "x.json", "{\"left\":1,\"right\":5}");
        all[1].pass(true, quiet);
        let now = all[0].now;
        let damage = Failure::new(crate::domain::FailureClass::Damaged, "damaged", "none");
        all[0].engine().begin_mending(&damage, now).unwrap();
        all[0].repo.writes_to_failure.store(after, std::sync::atomic::Ordering::Relaxed);
        all[0].fetch();
        failures += u32::from(all[0].engine().is_mending());
        if restarts {
            all[0].start();
        }
        all[0].repo.writes_to_failure.store(0, std::sync::atomic::Ordering::Relaxed);
        for _ in 0..2 {
            all[0].pass(true, quiet);
            all[1].pass(true, quiet);
        }
        assert!(!all[0].engine().is_mending());
        assert_eq!(all[0].state("A"), (AppState::InSync, String::new()), "{after} {restarts}");
        assert_eq!(all[1].text("A", "x.json").as_deref(), Some("{\"left\":3,\"right\":5}"));
        let kept = all[0].engine().kept().unwrap();
        assert!(kept.iter().any(|kept| kept.reason == "superseded by a merge"), "the commits were known: {kept:?}");
    }
    assert!(failures > 4, "{failures}");
}
