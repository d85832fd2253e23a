//! Renamed apps: recognised by what they hold, also while the other side edits them.

mod held;
mod ready;

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::status::AppState;
use crate::domain::{AppName, Failure, ObjectId};

use super::Engine;
use super::finding::{Finding, Sides};
use crate::sync::kinship::Named;
use crate::sync::state::ConflictNote;

pub(super) use ready::trees_under_one_name;

/// One app under two names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rename {
    /// The name that both sides knew.
    pub(super) old: AppName,
    /// Its name here, if it was renamed here.
    pub(super) here: Option<AppName>,
    /// Its name in Git, if it was renamed there.
    pub(super) there: Option<AppName>,
    /// What it was under the old name, and what it is on each side, under whatever name.
    pub(super) sides: Sides,
}

/// The apps that a planning found on one side only.
#[derive(Default)]
struct Moves {
    vanished_here: Vec<Named>,
    appeared_here: Vec<Named>,
    vanished_there: Vec<Named>,
    appeared_there: Vec<Named>,
    /// On neither side any more.
    vanished: Vec<Named>,
    /// New on both sides.
    appeared: Vec<Named>,
    /// Vanished there, and what is here cannot be planned yet.
    waiting: BTreeSet<AppName>,
}

impl Rename {
    fn names(&self) -> impl Iterator<Item = &AppName> {
        std::iter::once(&self.old).chain(&self.here).chain(&self.there)
    }

    fn new_name(&self) -> &AppName {
        self.here.as_ref().or(self.there.as_ref()).unwrap_or(&self.old)
    }
}

impl Engine {
    /// Finds the renamed apps among the findings.
    pub(super) fn find_renames(&mut self) -> Result<(), Failure> {
        self.renames.clear();
        if self.settings.mode.locked {
            return Ok(()); // what is here yields, under whatever name
        }
        let moves = self.moves();
        let vanished = |on_side: &[Named]| [on_side, &moves.vanished].concat();
        let here =
            self.pair(vanished(&moves.vanished_here), &moves.appeared_here, |note| note.renamed_here.as_ref())?;
        let there =
            self.pair(vanished(&moves.vanished_there), &moves.appeared_there, |note| note.renamed_there.as_ref())?;
        let gone: BTreeSet<&AppName> = moves.vanished.iter().map(|(app, _)| app).collect();
        let olds: BTreeSet<&AppName> = here.keys().chain(there.keys()).collect();
        for old in olds {
            let (here, there) = (here.get(old), there.get(old));
            if gone.contains(old) && (here.is_none() || there.is_none()) {
                continue; // deleted by the one and renamed by the other: it lives on under the new name
            }
            if moves.waiting.contains(old) {
                if let Some(new) = there {
                    self.wait_for_old_name(new, old);
                }
                continue;
            }
            let rename = self.rename(old, here, there);
            self.plan_rename(rename);
        }
        self.hold_old_names()?;
        self.find_same_renames(&moves)
    }

    fn moves(&self) -> Moves {
        let mut moves = Moves::default();
        for (app, finding) in &self.findings {
            let app = app.clone();
            match finding {
                // What a person takes out of Git stays here: its copy under another name is a new app.
                Finding::Push(Sides { local: None, .. }) if self.state.notes.removing.contains_key(&app) => {}
                Finding::Push(Sides { base: Some(base), local: None, .. })
                | Finding::Merge(Sides { base: Some(base), local: None, .. }) => moves.vanished_here.push((app, *base)),
                Finding::Push(Sides { base: None, local: Some(local), .. }) => moves.appeared_here.push((app, *local)),
                Finding::Merge(Sides { base: Some(base), remote: None, .. }) => moves.vanished_there.push((app, *base)),
                // It would not be added by itself; an app that is followed stays so under another name.
                Finding::Wait(AppState::Untracked, _) if self.disk.came_as_one_went(&app, self.settings.debounce) => {
                    moves.appeared_here.extend(self.disk.settled(&app).map(|tree| (app, tree)));
                }
                Finding::Pull(Sides { base: None, local: None, remote: Some(remote) }) => {
                    moves.appeared_there.push((app, *remote));
                }
                Finding::Merge(Sides { base: None, local: Some(local), .. }) => moves.appeared.push((app, *local)),
                Finding::Adopt if !self.remote.apps.contains_key(&app) => {
                    moves.vanished.extend(self.state.bases.get(&app).map(|base| (app, *base)));
                }
                // Gone here as well, as it seems; time will tell.
                Finding::Gone if self.is_gone_there(&app) => {
                    if let Some(base) = self.state.bases.get(&app) {
                        moves.vanished.push((app.clone(), *base));
                        moves.waiting.insert(app);
                    }
                }
                Finding::Wait(state, _) if *state != AppState::Conflict && self.is_gone_there(&app) => {
                    if let Some(base) = self.state.bases.get(&app) {
                        moves.vanished_there.push((app.clone(), *base));
                        moves.waiting.insert(app);
                    }
                }
                _ => {}
            }
        }
        moves
    }

    fn is_gone_there(&self, app: &AppName) -> bool {
        !self.remote.apps.contains_key(app) && !self.state.notes.pending.contains_key(app)
    }

    /// Old names to new names; what is in conflict keeps the name that it was found under.
    fn pair(
        &mut self,
        mut vanished: Vec<Named>,
        appeared: &[Named],
        named: fn(&ConflictNote) -> Option<&AppName>,
    ) -> Result<BTreeMap<AppName, AppName>, Failure> {
        let mut appeared = appeared.to_vec();
        let mut known = BTreeMap::new();
        for (old, note) in &self.state.notes.conflicts {
            let Some(new) = named(note) else { continue };
            if vanished.iter().any(|(app, _)| app == old) && appeared.iter().any(|(app, _)| app == new) {
                vanished.retain(|(app, _)| app != old);
                appeared.retain(|(app, _)| app != new);
                known.insert(old.clone(), new.clone());
            }
        }
        known.extend(self.kinship.pair_up(&*self.repo, &vanished, &appeared)?);
        Ok(known)
    }

    fn rename(&self, old: &AppName, here: Option<&AppName>, there: Option<&AppName>) -> Rename {
        let tree_of = |app: &AppName| match self.findings.get(app) {
            Some(Finding::Push(sides) | Finding::Merge(sides) | Finding::Pull(sides)) => *sides,
            _ => Sides { base: self.state.bases.get(app).copied(), local: self.disk.settled(app), remote: None },
        };
        let of_old = tree_of(old);
        let local = here.map_or(of_old.local, |new| tree_of(new).local);
        let remote = there.map_or(of_old.remote, |new| tree_of(new).remote);
        let sides = Sides { base: of_old.base, local, remote };
        Rename { old: old.clone(), here: here.cloned(), there: there.cloned(), sides }
    }

    fn wait_for_old_name(&mut self, new: &AppName, old: &AppName) {
        let reason = format!("it is '{old}' under a new name, and waits until '{old}' here can be merged into it");
        self.findings.insert(new.clone(), Finding::Wait(AppState::Behind, reason));
    }

    /// Notes what is to be done, or that it waits for a person.
    fn plan_rename(&mut self, rename: Rename) {
        let known = self.state.notes.conflicts.get(&rename.old).is_some_and(|note| {
            (note.base, note.ours, note.theirs) == (rename.sides.base, rename.sides.local, rename.sides.remote)
                && (&note.renamed_here, &note.renamed_there) == (&rename.here, &rename.there)
        });
        if known {
            self.wait_in_conflict(&rename);
            return;
        }
        if let Some(problem) = self.unfit_merge(&rename.old, rename.sides) {
            for app in rename.names() {
                self.findings.insert(app.clone(), Finding::Wait(AppState::Held, problem.clone()));
            }
            return;
        }
        if let Some(new) = &rename.there {
            let reason = format!("it is '{}' under a new name; what was changed here is merged into it", rename.old);
            self.findings.insert(new.clone(), Finding::Wait(AppState::Behind, reason));
        }
        if rename.there.is_some() && rename.here.is_some() {
            let reason = "it was renamed here and in Git, differently".to_owned();
            for app in rename.names() {
                self.findings.insert(app.clone(), Finding::Wait(AppState::Held, reason.clone()));
            }
        }
        self.renames.push(rename);
    }

    fn wait_in_conflict(&mut self, rename: &Rename) {
        let reason =
            format!("it is '{0}' under a new name, and '{0}' is in conflict; it waits for the end of that", rename.old);
        for app in rename.names() {
            self.findings.insert(app.clone(), Finding::Wait(AppState::Held, reason.clone()));
        }
        let reason = self.conflict_reason(&rename.old);
        self.findings.insert(rename.old.clone(), Finding::Wait(AppState::Conflict, reason));
    }

    /// Apps that both sides renamed alike: what they have in common is what the app was under its old name.
    fn find_same_renames(&mut self, moves: &Moves) -> Result<(), Failure> {
        let pairs = self.kinship.pair_up(&*self.repo, &moves.vanished, &moves.appeared)?;
        let olds: BTreeMap<AppName, ObjectId> = moves.vanished.iter().cloned().collect();
        for (old, new) in pairs.iter().filter(|(old, _)| moves.waiting.contains(*old)) {
            self.wait_for_old_name(new, old);
        }
        let mut bases: BTreeMap<AppName, ObjectId> =
            pairs.into_iter().filter_map(|(old, new)| Some((new, *olds.get(&old)?))).collect();
        for (app, _) in &moves.appeared {
            let noted = self.state.notes.conflicts.get(app).and_then(|note| note.base);
            if let Some(base) = noted.filter(|_| !bases.contains_key(app))
                && self.repo.contains(base)?
            {
                bases.insert(app.clone(), base);
            }
        }
        for (app, base) in bases {
            if let Some(Finding::Merge(sides)) = self.findings.get(&app) {
                let sides = Sides { base: Some(base), ..*sides };
                let known = self.is_known_conflict(&app, sides);
                let reason = || Finding::Wait(AppState::Conflict, self.conflict_reason(&app));
                let finding = if known { reason() } else { Finding::Merge(sides) };
                self.findings.insert(app, finding);
            }
        }
        Ok(())
    }

    /// Whether the app is one of those that [`ready_renames`](Self::ready_renames) takes care of.
    pub(super) fn is_being_renamed(&self, app: &AppName) -> bool {
        self.renames.iter().any(|rename| rename.names().any(|name| name == app))
    }

    /// The names of those apps.
    pub(super) fn being_renamed(&self) -> BTreeSet<AppName> {
        self.renames.iter().flat_map(Rename::names).cloned().collect()
    }
}
