//! Renamed apps: recognised by what they hold, also while the other side edits them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::status::AppState;
use crate::domain::words;
use crate::domain::{AppName, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

use super::commit::Ready;
use super::conflict::Clashing;
use super::finding::{Finding, Sides};
use super::{Engine, Now};
use crate::sync::compare::TreeMerge;
use crate::sync::kinship::{Named, own_file};
use crate::sync::state::ConflictNote;

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
        self.find_same_renames(&moves)
    }

    fn moves(&self) -> Moves {
        let mut moves = Moves::default();
        for (app, finding) in &self.findings {
            let app = app.clone();
            match finding {
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

    /// The names of the apps that [`ready_renames`](Self::ready_renames) takes care of.
    pub(super) fn being_renamed(&self) -> BTreeSet<AppName> {
        self.renames.iter().flat_map(Rename::names).cloned().collect()
    }

    /// What is to be committed for the renamed apps. Answers also whether anything else moved.
    pub(super) fn ready_renames(&mut self, now: Now) -> Result<(Vec<Ready>, bool), Failure> {
        let mut ready = Vec::new();
        let renames = std::mem::take(&mut self.renames);
        let moved = !renames.is_empty();
        for rename in renames {
            ready.extend(self.ready_rename(&rename, now)?);
        }
        Ok((ready, moved))
    }

    fn ready_rename(&mut self, rename: &Rename, now: Now) -> Result<Option<Ready>, Failure> {
        if let (Some(here), Some(there)) = (&rename.here, &rename.there) {
            let clash = format!("the app was renamed to '{here}' here and to '{there}' in Git");
            return self.clash_of_rename(rename, vec![clash], now).map(|()| None);
        }
        let tree = match self.merge_renamed(rename)? {
            TreeMerge::Clean(tree) => tree,
            TreeMerge::Conflict(clashes) => {
                let pending = |app: &AppName| self.state.notes.pending.contains_key(app);
                if rename.names().any(pending) {
                    let names: Vec<AppName> = rename.names().cloned().collect();
                    self.drop_unpushed(&names, now)?;
                } else {
                    self.clash_of_rename(rename, clashes, now)?;
                }
                return Ok(None);
            }
        };
        if rename.here.is_some() { self.ready_here(rename, tree, now) } else { self.ready_there(rename, tree, now) }
    }

    fn ready_here(&mut self, rename: &Rename, tree: Option<ObjectId>, now: Now) -> Result<Option<Ready>, Failure> {
        let (old, new, local) = (&rename.old, rename.new_name(), rename.sides.local);
        if tree != local {
            self.keep_aside(new, local, "merged with the state in Git", now)?;
        }
        Ok(Some(Ready {
            edits: BTreeMap::from([(old.clone(), None), (new.clone(), tree)]),
            snapshots: BTreeMap::from([(old.clone(), None), (new.clone(), local)]),
            message: words::app_renamed(old, new),
            renamed: Some((old.clone(), new.clone())),
        }))
    }

    /// The name is that of Git, with what was changed here; the old folder goes once that is pushed.
    fn ready_there(&mut self, rename: &Rename, tree: Option<ObjectId>, now: Now) -> Result<Option<Ready>, Failure> {
        let (old, new, sides) = (&rename.old, rename.new_name(), rename.sides);
        self.keep_aside(old, sides.local, &format!("renamed to '{new}' in Git, and merged there"), now)?;
        if tree == sides.remote {
            self.set_base(old, sides.local); // everything of it is in Git
            self.state.notes.confirmed.insert(old.clone());
            return Ok(None);
        }
        Ok(Some(Ready {
            edits: BTreeMap::from([(new.clone(), tree)]),
            snapshots: BTreeMap::from([(old.clone(), sides.local), (new.clone(), None)]),
            message: self.describe(new, sides.remote, tree)?,
            renamed: Some((old.clone(), new.clone())),
        }))
    }

    fn clash_of_rename(&mut self, rename: &Rename, clashes: Vec<String>, now: Now) -> Result<(), Failure> {
        let Rename { old, here, there, sides } = rename.clone();
        self.note_conflict(&old, Clashing { sides, clashes, renamed_here: here, renamed_there: there }, now)?;
        self.wait_in_conflict(rename);
        Ok(())
    }

    /// The three sides merged; the file that carries the app's own name goes by the new one on all of them.
    fn merge_renamed(&self, rename: &Rename) -> Result<TreeMerge, Failure> {
        let [base, ours, theirs] =
            trees_under_one_name(&*self.repo, &rename.old, rename.here.as_ref(), rename.there.as_ref(), rename.sides)?;
        self.comparer.merge(&*self.repo, base, ours, theirs)
    }
}

/// Base, ours and theirs of a renamed app, with the file that carries the app's own name under the new one.
pub(super) fn trees_under_one_name(
    repo: &dyn LocalRepository,
    old: &AppName,
    here: Option<&AppName>,
    there: Option<&AppName>,
    sides: Sides,
) -> Result<[Option<ObjectId>; 3], Failure> {
    let trees = [sides.base, sides.local, sides.remote];
    let (renamed_side, new) = match (here, there) {
        (Some(new), None) => (sides.local, new),
        (None, Some(new)) => (sides.remote, new),
        _ => return Ok(trees),
    };
    let (from, to) = (own_file(old), own_file(new));
    if !holds(repo, renamed_side, &to)? || holds(repo, renamed_side, &from)? {
        return Ok(trees);
    }
    let mut renamed = trees;
    for tree in &mut renamed {
        *tree = with_file_renamed(repo, *tree, &from, &to)?;
    }
    Ok(renamed)
}

fn holds(repo: &dyn LocalRepository, tree: Option<ObjectId>, name: &str) -> Result<bool, Failure> {
    Ok(crate::sync::trees::entries(repo, tree)?.iter().any(|entry| entry.name == name.as_bytes()))
}

fn with_file_renamed(
    repo: &dyn LocalRepository,
    tree: Option<ObjectId>,
    from: &str,
    to: &str,
) -> Result<Option<ObjectId>, Failure> {
    if !holds(repo, tree, from)? || holds(repo, tree, to)? {
        return Ok(tree);
    }
    let entries = crate::sync::trees::entries(repo, tree)?.into_iter();
    let renamed = entries.map(|entry| {
        if entry.name == from.as_bytes() { TreeEntry { name: to.as_bytes().to_vec(), ..entry } } else { entry }
    });
    repo.write_tree(&renamed.collect::<Vec<_>>()).map(Some)
}
