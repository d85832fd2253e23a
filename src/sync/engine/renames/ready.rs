//! What is committed for a renamed app: its sides merged under the new name, or a conflict.

use std::collections::BTreeMap;

use super::Rename;
use crate::domain::words;
use crate::domain::{AppName, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;
use crate::sync::compare::TreeMerge;
use crate::sync::engine::commit::Ready;
use crate::sync::engine::conflict::Clashing;
use crate::sync::engine::finding::Sides;
use crate::sync::engine::{Engine, Now};
use crate::sync::kinship::own_file;
use crate::sync::trees::entries;

impl Engine {
    /// What is to be committed for the renamed apps. Answers also whether anything else moved.
    pub(in crate::sync::engine) fn ready_renames(&mut self, now: Now) -> Result<(Vec<Ready>, bool), Failure> {
        let mut ready = Vec::new();
        let renames = std::mem::take(&mut self.renames);
        let moved = !renames.is_empty();
        for rename in renames {
            ready.extend(self.ready_rename(&rename, now)?);
        }
        Ok((ready, moved))
    }

    /// As [`ready_renames`](Self::ready_renames), of the one that `app` is a part of.
    pub(in crate::sync::engine) fn ready_rename_of(
        &mut self,
        app: &AppName,
        now: Now,
    ) -> Result<Option<Ready>, Failure> {
        let Some(at) = self.renames.iter().position(|rename| rename.names().any(|name| name == app)) else {
            return Ok(None);
        };
        let rename = self.renames.swap_remove(at);
        self.ready_rename(&rename, now)
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
        if self.is_unfit_merge(&rename.old, tree, rename.sides)? {
            return Ok(None);
        }
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
pub(in crate::sync::engine) fn trees_under_one_name(
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
    Ok(entries(repo, tree)?.iter().any(|entry| entry.name == name.as_bytes()))
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
    let renamed = entries(repo, tree)?.into_iter().map(|entry| {
        if entry.name == from.as_bytes() { TreeEntry { name: to.as_bytes().to_vec(), ..entry } } else { entry }
    });
    repo.write_tree(&renamed.collect::<Vec<_>>()).map(Some)
}
