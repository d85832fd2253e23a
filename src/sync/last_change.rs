//! Who changed an app last, in the history of the branch.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::{Commit, LocalRepository};

use super::trees::{app_trees, find_tree};

/// Commits that are looked at, at most: what is older than all of them has no answer.
const MOST_COMMITS: usize = 100_000;

/// The commit that made an app what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastChange {
    /// Its id.
    pub commit: ObjectId,
    /// Who, when, and in which words.
    pub of: Commit,
}

/// For each of `apps` the newest commit that `tip` reaches and that changed it, as `git log` finds it: a merge counts only if it
/// took the app from none of its parents.
///
/// # Errors
/// As the repository.
pub fn last_changes(
    repo: &dyn LocalRepository,
    tip: ObjectId,
    prefix: &str,
    apps: BTreeSet<AppName>,
) -> Result<BTreeMap<AppName, LastChange>, Failure> {
    let mut found = BTreeMap::new();
    // What is still looked for, by the commit that has it; the newest of them is taken first.
    let mut waiting: BTreeMap<ObjectId, BTreeSet<AppName>> = BTreeMap::from([(tip, apps)]);
    let mut open = BinaryHeap::from([(i64::MAX, tip)]);
    let mut looked_at = 0;
    while let Some((_, id)) = open.pop() {
        let Some(mut apps) = waiting.remove(&id).filter(|apps| !apps.is_empty()) else { continue };
        looked_at += 1;
        if looked_at > MOST_COMMITS {
            break;
        }
        let commit = repo.commit(id)?;
        let folder = find_tree(repo, Some(commit.tree), prefix)?;
        let here = app_trees(repo, folder, "")?.apps;
        for parent in &commit.parents {
            let before = repo.commit(*parent)?;
            let folder_before = find_tree(repo, Some(before.tree), prefix)?;
            let unchanged: BTreeSet<AppName> = if folder_before == folder {
                std::mem::take(&mut apps)
            } else {
                let there = app_trees(repo, folder_before, "")?.apps;
                apps.extract_if(.., |app| there.get(app) == here.get(app)).collect()
            };
            if !unchanged.is_empty() {
                waiting.entry(*parent).or_default().extend(unchanged);
                open.push((before.committer.seconds, *parent));
            }
        }
        found.extend(apps.into_iter().map(|app| (app, LastChange { commit: id, of: commit.clone() })));
    }
    Ok(found)
}
