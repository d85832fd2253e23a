//! What must hold after every random story.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::super::*;
use super::moves::{Step, save_key, steps};
use super::world::{EDITING, Instance, quiet, world};
use crate::domain::status::AppState;
use crate::sync::trees::app_trees;

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Whatever happens, the instances end equal, but for apps in conflict, and every value that a pass took off a disk, or
    /// said was committed or in sync, is in the history of the branch, on a conflict branch, or kept aside. When a person has
    /// settled the conflicts, one way or the other, they are wholly equal.
    #[test]
    fn replicas_converge_and_lose_nothing(
        replicas in 2..=5_usize, story in steps(), takes in prop::collection::vec(any::<bool>(), 8),
    ) {
        let mut all = world(&vec![EDITING; replicas]);
        let mut settled: Vec<u32> = Vec::new();
        for instance in &mut all {
            instance.pass(true, quiet); // offline from the very first, nothing can be committed
        }
        for step in story {
            happen(&mut all, step, &mut settled);
        }
        for instance in &all {
            instance.repo.writes_to_failure.store(0, Ordering::Relaxed);
        }
        for _ in 0..4 {
            quiet_round(&mut all, &mut settled);
        }
        let disputed = disputed(&all);
        let agreed = |instance: &Instance| {
            let mut apps = instance.apps();
            apps.retain(|app, _| !disputed.contains(app));
            apps
        };
        for other in &all[1..] {
            prop_assert_eq!(agreed(&all[0]), agreed(other));
        }
        prop_assert_eq!(lost(&all, &settled), Vec::<u32>::new());
        settle_conflicts(&mut all, &takes, &mut settled);
        for other in &all[1..] {
            prop_assert_eq!(all[0].apps(), other.apps());
        }
        prop_assert_eq!(lost(&all, &settled), Vec::<u32>::new());
    }
}

fn happen(all: &mut [Instance], step: Step, settled: &mut Vec<u32>) {
    let replicas = all.len();
    let name = |app: usize| format!("A{app}");
    match step {
        Step::Save { who, app, key, value } => save_key(&all[who % replicas], app, key, value),
        Step::Delete { who, app } => all[who % replicas].delete(&name(app)),
        Step::Rename { who, app, to } => all[who % replicas].rename(&name(app), &name(to)),
        Step::AnswerLost { who } => all[who % replicas].loses_answer = true,
        Step::SaveDuringPush { who, app, key, value } => {
            all[who % replicas].saves_during_push = Some((app, key, value));
            settled.extend(watched_pass(&mut all[who % replicas], true, None));
        }
        Step::Restart { who } => all[who % replicas].start(),
        Step::DiskFillsUp { who, after } => {
            all[who % replicas].repo.writes_to_failure.store(after, Ordering::Relaxed);
        }
        Step::Pass { who, online } => settled.extend(watched_pass(&mut all[who % replicas], online, None)),
        Step::SaveDuringPass { who, app, key, value } => {
            settled.extend(watched_pass(&mut all[who % replicas], true, Some((app, key, value))));
        }
    }
}

fn quiet_round(all: &mut [Instance], settled: &mut Vec<u32>) {
    for instance in all {
        settled.extend(watched_pass(instance, true, None));
        let now = instance.now;
        instance.engine().confirm(None, now).unwrap();
        settled.extend(watched_pass(instance, true, None));
    }
}

/// A person ends every conflict, one after the other, until there is none.
fn settle_conflicts(all: &mut [Instance], takes: &[bool], settled: &mut Vec<u32>) {
    let mut takes = takes.iter().cycle();
    for _ in 0..12 {
        for instance in &mut *all {
            let notes = &instance.engine.as_ref().unwrap().state.notes;
            let conflicts: Vec<AppName> = notes.conflicts.keys().cloned().collect();
            for app in conflicts {
                if !instance.engine().state.notes.conflicts.contains_key(&app) {
                    continue; // it ended with the one before
                }
                let take = if *takes.next().unwrap() { conflict::Take::Ours } else { conflict::Take::Theirs };
                let now = instance.now;
                instance.engine().resolve(&app, take, now).unwrap();
                settled.extend(watched_pass(instance, true, None));
            }
        }
        quiet_round(all, settled);
    }
}

/// The apps in conflict anywhere, under all their names.
fn disputed(all: &[Instance]) -> Vec<AppName> {
    let notes = all.iter().flat_map(|instance| &instance.engine.as_ref().unwrap().state.notes.conflicts);
    let names = notes.flat_map(|(app, note)| [Some(app), note.renamed_here.as_ref(), note.renamed_there.as_ref()]);
    names.flatten().cloned().collect()
}

fn lost(all: &[Instance], settled: &[u32]) -> Vec<u32> {
    let remembered = remembered(all);
    settled.iter().copied().filter(|value| !remembered.contains(value)).collect()
}

/// A pass, with a save in the middle if asked for. Answers the values that must not be lost from now on.
fn watched_pass(instance: &mut Instance, online: bool, save: Option<(usize, usize, u32)>) -> Vec<u32> {
    let before = values(instance);
    let mut saved_over = Vec::new();
    let mut countdown = 2;
    let saved = instance.pass(online, |instance| {
        countdown -= 1;
        if let Some((app, key, value)) = save.filter(|_| countdown == 0) {
            saved_over = values(instance);
            save_key(instance, app, key, value);
        }
    });
    let after = values(instance);
    let taken_off = before.into_iter().filter(|value| !after.contains(value) && !saved_over.contains(value));
    let said = instance.engine().report().apps.into_iter().filter(|status| {
        status.state == AppState::InSync || status.reason.as_deref().is_some_and(|why| why.starts_with("committed"))
    });
    let apps = instance.apps();
    let untouched = said.filter_map(|status| apps.get(&AppName::new(status.name).unwrap()).cloned());
    let texts: Vec<String> = untouched.flat_map(BTreeMap::into_values).collect();
    let looked = (saved && save.is_none()).then(|| texts.iter().flat_map(|text| values_in(text))).into_iter().flatten();
    taken_off.chain(looked).collect()
}

fn values(instance: &Instance) -> Vec<u32> {
    let texts = instance.apps().into_values().flat_map(BTreeMap::into_values).collect::<Vec<_>>();
    texts.iter().flat_map(|text| values_in(text)).collect()
}

fn values_in(text: &str) -> Vec<u32> {
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    json.as_object().unwrap().values().map(|value| value.to_string().parse().unwrap()).collect()
}

/// Every value in the history of any ref of the remote, or kept aside by anyone.
fn remembered(all: &[Instance]) -> std::collections::HashSet<u32> {
    let repo = &all[0].repo;
    let mut roots: Vec<ObjectId> = all[0].remote.lock().unwrap().values().copied().collect();
    for instance in all {
        let refs = instance.repo.refs.lock().unwrap();
        roots.extend(refs.iter().filter(|(name, _)| name.contains("/kept/")).map(|(_, id)| *id));
    }
    let mut found = std::collections::HashSet::new();
    for commit in roots.into_iter().flat_map(|root| repo.ancestors(root)) {
        let root = repo.commit(commit).unwrap().tree;
        for tree in app_trees(repo, Some(root), "App").unwrap().apps.into_values() {
            for entry in repo.tree(tree).unwrap() {
                found.extend(values_in(&String::from_utf8(repo.blob(entry.id).unwrap()).unwrap()));
            }
        }
    }
    found
}
