//! Which apps each commit changed, for the commits that were read: the history of one app passes over most of them then, without
//! a look into their folders.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::Commit;

use super::Reader;

/// So many changes are remembered at most, at 8 bytes each; what was read after them is read again.
const MOST_CHANGES: usize = 4 << 20;

/// What is known. Only hashes of names: where two names have the same, a commit is looked into that need not be.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// For each commit, and each of its parents, the names that are not the same in both.
    commits: HashMap<ObjectId, Box<[Box<[u64]>]>>,
    changes: usize,
}

/// What a commit changed of the apps of a parent: their names.
pub(super) type ChangedNames = Vec<Vec<u8>>;

impl Changes {
    fn remember(&self, commit: ObjectId, changed: &[ChangedNames]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = changed.iter().map(|names| names.len() + 1).sum::<usize>();
        if known.changes + count > MOST_CHANGES || known.commits.contains_key(&commit) {
            return;
        }
        known.changes += count;
        let hashes = changed.iter().map(|names| names.iter().map(|name| hash(name)).collect()).collect();
        known.commits.insert(commit, hashes);
    }

    /// For each parent of the commit, whether the app is not the same there; `None` if that is not known.
    fn of_app(&self, commit: ObjectId, app: &AppName) -> Option<Vec<bool>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let app = hash(app.as_str().as_bytes());
        known.commits.get(&commit).map(|parents| parents.iter().map(|hashes| hashes.contains(&app)).collect())
    }
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Reader {
    /// For each parent of a commit, the apps that the commit has otherwise, or that only one of them has.
    pub(super) fn changed_apps(&self, id: ObjectId, commit: &Commit) -> Result<Vec<ChangedNames>, Failure> {
        let folder = self.folder(commit)?;
        let of_parent = |parent: &ObjectId| {
            let before = self.folder(&self.repo.commit(*parent)?)?;
            self.repo.changed_folders(before, folder)
        };
        let changed: Vec<ChangedNames> = commit.parents.iter().map(of_parent).collect::<Result<_, Failure>>()?;
        self.known.changes.remember(id, &changed);
        Ok(changed)
    }

    /// The first parent from which the commit took the app as it was there, or not at all.
    pub(super) fn unchanged_in(
        &self,
        id: ObjectId,
        commit: &Commit,
        app: &AppName,
    ) -> Result<Option<ObjectId>, Failure> {
        let changed = if let Some(known) = self.known.changes.of_app(id, app) {
            known
        } else {
            let is_app = |name: &Vec<u8>| name == app.as_str().as_bytes();
            self.changed_apps(id, commit)?.iter().map(|names| names.iter().any(is_app)).collect()
        };
        Ok(commit.parents.iter().zip(changed).find(|(_, changed)| !changed).map(|(parent, _)| *parent))
    }
}
