//! Comparing snapshots with volatile values left out, and merging them.

use std::collections::{BTreeSet, HashMap};

use crate::domain::merge::{FileMerge, MergeRules, differs_only_in_volatile, json_problem, merge_file};
use crate::domain::plan::{AppFacts, Change};
use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

use super::trees::{FileChange, changed_files, entries, join};

/// The answers that are remembered are forgotten at once when there are more than this.
const REMEMBERED: usize = 20_000;

/// Compares trees; remembers its answers by the ids, which never change their meaning.
#[derive(Debug)]
pub struct Comparer {
    rules: MergeRules,
    known: HashMap<(ObjectId, ObjectId), Change>,
}

impl Comparer {
    /// A comparer that merges by these rules.
    #[must_use]
    pub fn new(rules: MergeRules) -> Self {
        Self { rules, known: HashMap::new() }
    }

    /// The facts of one app, for [`plan`](crate::domain::plan::plan).
    ///
    /// # Errors
    /// As the repository.
    pub fn facts(
        &mut self,
        repo: &dyn LocalRepository,
        base: Option<ObjectId>,
        local: Option<ObjectId>,
        remote: Option<ObjectId>,
    ) -> Result<AppFacts, Failure> {
        Ok(AppFacts {
            base,
            local,
            remote,
            local_change: self.change(repo, base, local)?,
            remote_change: self.change(repo, base, remote)?,
            sides_agree: self.change(repo, local, remote)? != Change::Real,
        })
    }

    /// How `new` differs from `old`.
    ///
    /// # Errors
    /// As the repository.
    pub fn change(
        &mut self,
        repo: &dyn LocalRepository,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
    ) -> Result<Change, Failure> {
        let (old, new) = match (old, new) {
            (None, None) => return Ok(Change::None),
            (Some(old), Some(new)) if old == new => return Ok(Change::None),
            (Some(old), Some(new)) => (old, new),
            _ => return Ok(Change::Real),
        };
        if let Some(known) = self.known.get(&(old, new)) {
            return Ok(*known);
        }
        let change = self.compare(repo, old, new)?;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert((old, new), change);
        Ok(change)
    }

    fn compare(&self, repo: &dyn LocalRepository, old: ObjectId, new: ObjectId) -> Result<Change, Failure> {
        for change in changed_files(repo, Some(old), Some(new))? {
            let (Some((old_kind, old_id)), Some((new_kind, new_id))) = (change.old, change.new) else {
                return Ok(Change::Real);
            };
            let may_be_volatile = old_kind == new_kind && new_kind.is_file();
            if !may_be_volatile
                || !differs_only_in_volatile(
                    &change.path,
                    &repo.blob(old_id)?,
                    &repo.blob(new_id)?,
                    &self.rules.volatile,
                )
            {
                return Ok(Change::Real);
            }
        }
        Ok(Change::Volatile)
    }

    /// Merges three versions of one file.
    #[must_use]
    pub fn merge_file(&self, path: &str, base: Option<&[u8]>, ours: &[u8], theirs: &[u8]) -> FileMerge {
        merge_file(path, base, ours, theirs, &self.rules)
    }

    /// Merges the trees of one app, file by file.
    ///
    /// # Errors
    /// As the repository.
    pub fn merge(
        &self,
        repo: &dyn LocalRepository,
        base: Option<ObjectId>,
        ours: Option<ObjectId>,
        theirs: Option<ObjectId>,
    ) -> Result<TreeMerge, Failure> {
        if ours == theirs || theirs == base {
            return Ok(TreeMerge::Clean(ours));
        }
        if ours == base {
            return Ok(TreeMerge::Clean(theirs));
        }
        if base.is_some() && (ours.is_none() || theirs.is_none()) {
            let side = if ours.is_none() { "here" } else { "in Git" };
            let other = if ours.is_none() { "in Git" } else { "here" };
            return Ok(TreeMerge::Conflict(vec![format!("the app was deleted {side} and changed {other}")]));
        }
        let mut clashes = Vec::new();
        let merged = self.merge_trees(repo, [base, ours, theirs], "", &mut clashes)?;
        if clashes.is_empty() && merged.is_none() && ours.is_some() && theirs.is_some() {
            // Nobody deleted the app.
            clashes.push("each side deleted what the other one left of the app".to_owned());
        }
        Ok(if clashes.is_empty() { TreeMerge::Clean(merged) } else { TreeMerge::Conflict(clashes) })
    }

    /// Merges three trees, any of which may be absent; what clashes is noted, and ours stands in its place.
    fn merge_trees(
        &self,
        repo: &dyn LocalRepository,
        [base, ours, theirs]: [Option<ObjectId>; 3],
        folder: &str,
        clashes: &mut Vec<String>,
    ) -> Result<Option<ObjectId>, Failure> {
        let sides = [entries(repo, base)?, entries(repo, ours)?, entries(repo, theirs)?];
        let names: BTreeSet<&[u8]> = sides.iter().flatten().map(|entry| entry.name.as_slice()).collect();
        let mut merged = Vec::new();
        for name in names {
            let [base, ours, theirs] = sides.each_ref().map(|side| find(side, name));
            let path = join(folder, &String::from_utf8_lossy(name));
            let entry = self.merge_entry(repo, [base, ours, theirs], &path, clashes)?;
            merged.extend(entry.map(|(kind, id)| TreeEntry { name: name.to_vec(), kind, id }));
        }
        if merged.is_empty() { Ok(None) } else { repo.write_tree(&merged).map(Some) }
    }

    fn merge_entry(
        &self,
        repo: &dyn LocalRepository,
        [base, ours, theirs]: [Option<Leaf>; 3],
        path: &str,
        clashes: &mut Vec<String>,
    ) -> Result<Option<Leaf>, Failure> {
        if ours == theirs || theirs == base {
            return Ok(ours);
        }
        if ours == base {
            return Ok(theirs);
        }
        let tree_or_absent = |side: Option<Leaf>| side.is_none_or(|(kind, _)| kind == EntryKind::Tree);
        if tree_or_absent(ours) && tree_or_absent(theirs) {
            let base = base.filter(|(kind, _)| *kind == EntryKind::Tree);
            let ids = [base, ours, theirs].map(|side| side.map(|(_, id)| id));
            return Ok(self.merge_trees(repo, ids, path, clashes)?.map(|id| (EntryKind::Tree, id)));
        }
        match (ours, theirs) {
            (Some((our_kind, our_id)), Some((their_kind, their_id))) if our_kind.is_file() && their_kind.is_file() => {
                let base = base.filter(|(kind, _)| kind.is_file());
                let kind = merge_kinds(base.map(|(kind, _)| kind), our_kind, their_kind);
                let base = base.map(|(_, id)| repo.blob(id)).transpose()?;
                match merge_file(path, base.as_deref(), &repo.blob(our_id)?, &repo.blob(their_id)?, &self.rules) {
                    FileMerge::Merged(bytes) => Ok(Some((kind, repo.write_blob(&bytes)?))),
                    FileMerge::Conflict(found) => {
                        clashes.extend(found.clashes.iter().map(|clash| format!("{path}: {clash}")));
                        Ok(ours)
                    }
                }
            }
            (None, _) => {
                clashes.push(format!("{path}: deleted here, changed in Git"));
                Ok(ours)
            }
            (_, None) => {
                clashes.push(format!("{path}: changed here, deleted in Git"));
                Ok(ours)
            }
            _ => {
                clashes.push(format!("{path}: a file on one side and a folder on the other"));
                Ok(ours)
            }
        }
    }
}

type Leaf = (EntryKind, ObjectId);

/// The entry called `name`; the lists are in Git's order, which is not the order of the names alone.
fn find(entries: &[TreeEntry], name: &[u8]) -> Option<Leaf> {
    entries.iter().find(|entry| entry.name == name).map(|entry| (entry.kind, entry.id))
}

/// The executable bit of a merged file: the side that changed it wins. Without a base, a file that one side can execute is meant
/// to be.
fn merge_kinds(base: Option<EntryKind>, ours: EntryKind, theirs: EntryKind) -> EntryKind {
    match base {
        _ if ours == theirs => ours,
        None => EntryKind::Executable,
        Some(base) if base == ours => theirs,
        Some(_) => ours,
    }
}

/// How a merge of one app ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeMerge {
    /// The merged tree; `None`: the app is gone.
    Clean(Option<ObjectId>),
    /// What clashes, one sentence each.
    Conflict(Vec<String>),
}

/// The first changed `.json` file that does not parse, as path and problem (promise 3). Files as old as the base are not read.
///
/// # Errors
/// As the repository.
pub fn half_written(
    repo: &dyn LocalRepository,
    base: Option<ObjectId>,
    local: Option<ObjectId>,
) -> Result<Option<String>, Failure> {
    for FileChange { path, new, .. } in changed_files(repo, base, local)? {
        let Some((kind, id)) = new else { continue };
        let is_json = path.len() >= 5 && path.to_ascii_lowercase().ends_with(".json");
        if !is_json || !kind.is_file() {
            continue;
        }
        if let Some(problem) = json_problem(&repo.blob(id)?) {
            return Ok(Some(format!("{path} is not valid JSON ({problem}); the app waits until it is")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_bit_does_not_depend_on_which_side_is_ours() {
        use EntryKind::{Executable, File};
        for base in [None, Some(File), Some(Executable)] {
            assert_eq!(merge_kinds(base, File, Executable), merge_kinds(base, Executable, File), "{base:?}");
        }
        assert_eq!(merge_kinds(Some(Executable), File, Executable), File);
        assert_eq!(merge_kinds(Some(File), File, Executable), Executable);
    }
}
