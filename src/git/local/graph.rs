//! Walks over commits and trees.

use std::collections::HashSet;
use std::path::Path;

use git2::{ObjectType, Odb};

use super::State;
use super::{commits, objects, trees};
use crate::domain::{EntryKind, Failure, ObjectId};

/// Whether `descendant` is `ancestor` or comes after it.
pub(super) fn descends_from(state: &State, descendant: ObjectId, ancestor: ObjectId) -> Result<bool, Failure> {
    let stored = objects::oid(ancestor)?;
    let ancestor_is_stored = state.git.odb().is_ok_and(|odb| odb.exists(stored));
    let mut seen = HashSet::new();
    let mut next = vec![descendant];
    while let Some(id) = next.pop() {
        if id == ancestor {
            return Ok(true);
        }
        if !seen.insert(id) {
            continue;
        }
        if let Some(pending) = state.buffer.find(id) {
            let commit = commits::decode(&pending.bytes).ok_or_else(|| objects::damaged(id, "it is not a commit"))?;
            next.extend(commit.parents);
        } else if ancestor_is_stored {
            let found = state.git.graph_descendant_of(objects::oid(id)?, stored);
            if found.map_err(|e| objects::unreadable(id, &e))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Collects everything that is reachable from some objects.
pub(super) struct Walk<'a> {
    pub(super) odb: Odb<'a>,
    /// `…/objects`.
    pub(super) folder: &'a Path,
    /// What was found so far; nothing below these is looked at again.
    pub(super) found: HashSet<ObjectId>,
}

impl Walk<'_> {
    /// Follows `roots`, and tells `visit` each object found for the first time, with the name it has in its tree.
    ///
    /// With `whole`, everything must be there, as it must for what a ref points at. Otherwise what is missing is
    /// passed over.
    pub(super) fn follow(
        &mut self,
        roots: impl IntoIterator<Item = ObjectId>,
        whole: bool,
        mut visit: impl FnMut(ObjectId, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut next: Vec<Step> = roots.into_iter().map(Step::root).collect();
        while let Some(Step { id, name, is_blob }) = next.pop() {
            if self.found.contains(&id) {
                continue;
            }
            if is_blob && self.odb.exists(objects::oid(id)?) {
                self.found.insert(id);
                visit(id, &name)?;
                continue;
            }
            if !whole && !self.odb.exists(objects::oid(id)?) {
                continue;
            }
            let (kind, data) = objects::read_stored(&self.odb, self.folder, id)?;
            below(id, kind, &data, &mut next)?;
            self.found.insert(id);
            visit(id, &name)?;
        }
        Ok(())
    }
}

/// An object to look at.
struct Step {
    id: ObjectId,
    name: Vec<u8>,
    is_blob: bool,
}

impl Step {
    fn root(id: ObjectId) -> Self {
        Self { id, name: Vec::new(), is_blob: false }
    }
}

/// What an object refers to.
pub(super) fn children(id: ObjectId, kind: ObjectType, data: &[u8]) -> Result<Vec<ObjectId>, Failure> {
    let mut found = Vec::new();
    below(id, kind, data, &mut found)?;
    Ok(found.into_iter().map(|step| step.id).collect())
}

/// Adds what an object refers to.
fn below(id: ObjectId, kind: ObjectType, data: &[u8], next: &mut Vec<Step>) -> Result<(), Failure> {
    match kind {
        ObjectType::Commit => {
            let commit = commits::decode(data).ok_or_else(|| objects::damaged(id, "it is not a well-formed commit"))?;
            next.extend(commit.parents.into_iter().chain([commit.tree]).map(Step::root));
        }
        ObjectType::Tree => {
            let entries = trees::decode(data).ok_or_else(|| objects::damaged(id, "it is not a well-formed tree"))?;
            let inside = entries.into_iter().filter(|entry| entry.kind != EntryKind::Submodule);
            next.extend(inside.map(|e| Step { id: e.id, is_blob: e.kind != EntryKind::Tree, name: e.name }));
        }
        ObjectType::Tag => {
            let target = data.strip_prefix(b"object ").and_then(|rest| rest.get(..40));
            let target = target.and_then(|hex| ObjectId::from_hex(std::str::from_utf8(hex).ok()?));
            next.push(Step::root(target.ok_or_else(|| objects::damaged(id, "it is not a well-formed tag"))?));
        }
        _ => {}
    }
    Ok(())
}
