//! What an install has to do: a walk over both trees that skips what is equal.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::app_name::broken_component_rule;
use crate::domain::{EntryKind, Failure, FailureClass, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

const DEEPEST: usize = 64;
const MOST_CHANGES: usize = 200_000;

/// A file's content and whether it is executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) kind: EntryKind,
    pub(super) id: ObjectId,
}

/// One file to write, replace or delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// Relative to the app's folder, `/` between components.
    pub(super) path: String,
    pub(super) old: Option<Content>,
    pub(super) new: Option<Content>,
}

impl Change {
    /// The path of the folder that it lies in, and its name there.
    pub(super) fn place(&self) -> (&str, &str) {
        self.path.rsplit_once('/').unwrap_or(("", &self.path))
    }
}

/// The changes from one tree to another, sorted by path. The same two trees always give the same list.
///
/// # Errors
/// Class protocol if a tree holds what must never be written; else what the repository says.
pub(super) fn between(
    repo: &dyn LocalRepository,
    from: Option<ObjectId>,
    to: Option<ObjectId>,
) -> Result<Vec<Change>, Failure> {
    let mut walk = Walk { repo, changes: Vec::new() };
    walk.trees("", from, to, 0)?;
    walk.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.changes)
}

/// The deletions that must come before the writes: a file where a folder shall be, and all files of a folder where a file shall be.
pub(super) fn blocking(changes: &[Change]) -> BTreeSet<usize> {
    let writes: BTreeSet<&str> =
        changes.iter().filter(|change| change.new.is_some()).map(|change| change.path.as_str()).collect();
    let is_blocking = |path: &str| {
        let inside = format!("{path}/");
        writes.range(inside.as_str()..).next().is_some_and(|write| write.starts_with(&inside))
            || path.match_indices('/').any(|(at, _)| path.get(..at).is_some_and(|outer| writes.contains(outer)))
    };
    let deletions = changes.iter().enumerate().filter(|(_, change)| change.new.is_none());
    deletions.filter(|(_, change)| is_blocking(&change.path)).map(|(index, _)| index).collect()
}

struct Walk<'a> {
    repo: &'a dyn LocalRepository,
    changes: Vec<Change>,
}

type Sides = (Option<TreeEntry>, Option<TreeEntry>);

impl Walk<'_> {
    fn trees(&mut self, path: &str, old: Option<ObjectId>, new: Option<ObjectId>, depth: usize) -> Result<(), Failure> {
        if old == new {
            return Ok(());
        }
        if depth > DEEPEST || self.changes.len() > MOST_CHANGES {
            return Err(refused(path, "the tree is too deep or too large"));
        }
        let mut names: BTreeMap<String, Sides> = BTreeMap::new();
        for (entry, name) in self.entries(path, old)? {
            names.entry(name).or_default().0 = Some(entry);
        }
        for (entry, name) in self.entries(path, new)? {
            names.entry(name).or_default().1 = Some(entry);
        }
        for (name, (old, new)) in names {
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            self.entry(path, old.as_ref(), new.as_ref(), depth)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: String,
        old: Option<&TreeEntry>,
        new: Option<&TreeEntry>,
        depth: usize,
    ) -> Result<(), Failure> {
        self.trees(&path, old.and_then(tree), new.and_then(tree), depth + 1)?;
        let (old, new) = (old.and_then(content), new.and_then(content));
        if old != new {
            self.changes.push(Change { path, old, new });
        }
        Ok(())
    }

    fn entries(&self, path: &str, tree: Option<ObjectId>) -> Result<Vec<(TreeEntry, String)>, Failure> {
        let Some(tree) = tree else { return Ok(Vec::new()) };
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        for entry in self.repo.tree(tree)? {
            let name = String::from_utf8(entry.name.clone())
                .map_err(|_| refused(path, "it holds a name that is not UTF-8"))?;
            let shown = format!("{path}/{}", name.escape_debug());
            if let Some(rule) = broken_component_rule(&name) {
                return Err(refused(&shown, rule));
            }
            match entry.kind {
                EntryKind::Symlink => return Err(refused(&shown, "it is a symbolic link")),
                EntryKind::Submodule => return Err(refused(&shown, "it is a submodule")),
                EntryKind::File | EntryKind::Executable | EntryKind::Tree => {}
            }
            if !seen.insert(name.clone()) {
                return Err(refused(&shown, "the tree names it twice"));
            }
            entries.push((entry, name));
        }
        Ok(entries)
    }
}

fn tree(entry: &TreeEntry) -> Option<ObjectId> {
    (entry.kind == EntryKind::Tree).then_some(entry.id)
}

fn content(entry: &TreeEntry) -> Option<Content> {
    entry.kind.is_file().then_some(Content { kind: entry.kind, id: entry.id })
}

fn refused(path: &str, rule: &str) -> Failure {
    Failure::new(
        FailureClass::Protocol,
        format!("{:?} is not written to the apps folder: {rule}", path.trim_start_matches('/')),
        "remove it from the repository",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, delete: bool) -> Change {
        let content = Content { kind: EntryKind::File, id: ObjectId::ZERO };
        Change { path: path.into(), old: delete.then_some(content), new: (!delete).then_some(content) }
    }

    #[test]
    fn deletions_that_stand_in_the_way_of_a_write_come_first() {
        let changes = [
            change("a", true),
            change("a.b", true),
            change("a/x", false),
            change("d", false),
            change("d/1", true),
            change("z", true),
        ];
        assert_eq!(blocking(&changes), BTreeSet::from([0, 4]));
    }
}
