//! Removals: which of them happen by themselves, and which wait for a person (rule 6).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::status::AppState;
use crate::domain::{AppName, ObjectId};

use super::finding::{Finding, Sides};
use super::{Engine, Now};

/// A removed app is compared with so many added ones, at most, to see whether it was renamed.
const MOST_COMPARED: usize = 20;
/// Deletions are counted over this time.
const WINDOW_SECONDS: i64 = 600;

impl Engine {
    /// Holds removals that are too many at once, on either side, and new apps while a rename may be under way.
    pub(super) fn hold_removals(&mut self, now: Now) {
        forget_old(&mut self.state.notes.deletions_here, now);
        forget_old(&mut self.state.notes.deletions_remote, now);
        self.hold_removals_here();
        self.hold_removals_of_remote();
        self.hold_new_apps_during_a_rename();
    }

    fn hold_removals_here(&mut self) {
        let renamed: BTreeSet<AppName> = self.renames().into_values().collect();
        let mut removed = self.findings_of(|f| matches!(f, Finding::Push(sides) if sides.local.is_none()));
        removed.retain(|app| !renamed.contains(app) && !self.state.notes.removing.contains_key(app));
        // Folders that vanish at once are not noticed at once: those whose time is not over yet count as well.
        let going = self.findings_of(|finding| *finding == Finding::Gone).len();
        let notes = &self.state.notes;
        let lately = notes.deletions_here.len() + notes.pending.values().filter(|snapshot| snapshot.is_none()).count();
        self.hold_if_many(&removed, going, lately, "are gone from the apps folder");
    }

    fn hold_removals_of_remote(&mut self) {
        let pulls = |wanted: fn(&Sides) -> Option<ObjectId>| -> Vec<(&AppName, ObjectId)> {
            let found = self.findings.iter().filter_map(|(app, finding)| match finding {
                Finding::Pull(sides) | Finding::Replace(sides) => Some((app, wanted(sides)?)),
                _ => None,
            });
            found.collect()
        };
        let removed = pulls(|sides| sides.base.filter(|_| sides.remote.is_none()));
        let added: Vec<ObjectId> =
            pulls(|sides| sides.remote.filter(|_| sides.base.is_none())).into_iter().map(|(_, tree)| tree).collect();
        let is_renamed = |tree: ObjectId| {
            added.contains(&tree) || added.iter().take(MOST_COMPARED).any(|other| self.is_similar(tree, *other))
        };
        let removed: Vec<AppName> =
            removed.into_iter().filter(|(_, tree)| !is_renamed(*tree)).map(|(app, _)| app.clone()).collect();
        let lately = self.state.notes.deletions_remote.len();
        self.hold_if_many(&removed, 0, lately, "were deleted in Git");
    }

    /// Holds `removed` if they, with those that are `going` and those that went `lately`, are too many.
    fn hold_if_many(&mut self, removed: &[AppName], going: usize, lately: usize, words: &str) {
        let unconfirmed: Vec<&AppName> =
            removed.iter().filter(|app| !self.state.notes.confirmed.contains(*app)).collect();
        let followed = self.state.bases.len();
        let all = unconfirmed.len() + going >= followed;
        let many = unconfirmed.len() + going + lately > 3.max((followed + lately) / 4);
        if unconfirmed.is_empty() || !(all || many) {
            return;
        }
        let reason = format!(
            "{} of {followed} apps {words} at once; nothing is deleted until a person confirms it with `appferry sync confirm --all`, or of the apps it names",
            unconfirmed.len(),
        );
        for app in unconfirmed {
            self.findings.insert(app.clone(), Finding::HeldRemoval(reason.clone()));
        }
    }

    /// A folder that is gone and one that is new may be the two halves of a rename: the new one waits for the other.
    fn hold_new_apps_during_a_rename(&mut self) {
        if !self.findings.values().any(|finding| *finding == Finding::Gone) {
            return;
        }
        for app in self.findings_of(|f| matches!(f, Finding::Push(sides) if sides.base.is_none())) {
            let reason = "it is new; it waits for a folder that is gone, in case this is a rename".to_owned();
            self.findings.insert(app, Finding::Wait(AppState::Modified, reason));
        }
    }

    /// New apps that are removed ones under another name: new name to old name.
    pub(super) fn renames(&self) -> BTreeMap<AppName, AppName> {
        let mut removed: Vec<(&AppName, ObjectId)> = Vec::new();
        let mut added: Vec<(&AppName, ObjectId)> = Vec::new();
        for (app, finding) in &self.findings {
            match finding {
                // What a person takes out of Git stays here: its copy under another name is a new app.
                Finding::Push(Sides { local: None, .. }) if self.state.notes.removing.contains_key(app) => {}
                Finding::Push(Sides { base: Some(base), local: None, .. }) => removed.push((app, *base)),
                Finding::Push(Sides { base: None, local: Some(local), .. }) => added.push((app, *local)),
                _ => {}
            }
        }
        let mut renames = BTreeMap::new();
        for exact in [true, false] {
            for (new, tree) in &added {
                if renames.contains_key(*new) {
                    continue;
                }
                let same = |base: ObjectId| if exact { base == *tree } else { self.is_similar(base, *tree) };
                if let Some(at) = removed.iter().position(|(_, base)| same(*base)) {
                    let (old, _) = removed.swap_remove(at);
                    renames.insert((*new).clone(), old.clone());
                }
            }
        }
        renames
    }

    /// Whether at least half of the files of both trees are the same. Unreadable trees are not similar.
    fn is_similar(&self, old: ObjectId, new: ObjectId) -> bool {
        crate::sync::trees::similarity(&*self.repo, old, new).is_ok_and(|share| share >= 0.5)
    }
}

fn forget_old(times: &mut Vec<i64>, now: Now) {
    times.retain(|time| (now.unix_seconds - WINDOW_SECONDS..=now.unix_seconds).contains(time));
}
