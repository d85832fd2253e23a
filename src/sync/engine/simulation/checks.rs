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
    /// said was committed or in sync, is in the history of the branch, on a conflict branch, or kept aside.
    #[test]
    fn replicas_converge_and_lose_nothing(story in steps()) {
        let mut all = world(&[EDITING, EDITING, EDITING]);
        let mut settled: Vec<u32> = Vec::new();
        for instance in &mut all {
            instance.pass(true, quiet); // offline from the very first, nothing can be committed
        }
        for step in story {
            match step {
                Step::Save { who, app, key, value } => save_key(&all[who], app, key, value),
                Step::Delete { who, app } => all[who].delete(&format!("A{app}")),
                Step::Restart { who } => all[who].start(),
                Step::DiskFillsUp { who, after } => all[who].repo.writes_to_failure.store(after, Ordering::Relaxed),
                Step::Pass { who, online } => settled.extend(watched_pass(&mut all[who], online, None)),
                Step::SaveDuringPass { who, app, key, value } => {
                    settled.extend(watched_pass(&mut all[who], true, Some((app, key, value))));
                }
            }
        }
        for instance in &all {
            instance.repo.writes_to_failure.store(0, Ordering::Relaxed);
        }
        for _ in 0..4 {
            for instance in &mut all {
                settled.extend(watched_pass(instance, true, None));
                let now = instance.now;
                instance.engine().confirm(None, now).unwrap();
                settled.extend(watched_pass(instance, true, None));
            }
        }
        let conflicts: Vec<AppName> =
            all.iter().flat_map(|instance| instance.engine.as_ref().unwrap().state.notes.conflicts.keys().cloned()).collect();
        let agreed = |instance: &Instance| {
            let mut apps = instance.apps();
            apps.retain(|app, _| !conflicts.contains(app));
            apps
        };
        prop_assert_eq!(agreed(&all[0]), agreed(&all[1]));
        prop_assert_eq!(agreed(&all[1]), agreed(&all[2]));
        let remembered = remembered(&all);
        for value in settled {
            prop_assert!(remembered.contains(&value), "the value {} was lost", value);
        }
    }
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
