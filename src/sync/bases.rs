//! Finding the base of apps that lost theirs (rule 2), in the history of the branch.

use std::collections::{BTreeMap, BinaryHeap, HashSet};

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::LocalRepository;

use super::trees::{app_trees, find_tree};

/// Commits that are looked at, at most; older states are then merged with an empty base, which loses nothing.
const MOST_COMMITS: usize = 100_000;

/// A state of an app to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The state.
    pub tree: ObjectId,
    /// The search ends where the app has this state: what lies further back is not asked for.
    pub not_before: Option<ObjectId>,
}

/// For each app the tree that was asked for, if some commit that `tip` reaches has the app at exactly that tree.
///
/// # Errors
/// As the repository.
pub fn find_bases(
    repo: &dyn LocalRepository,
    tip: ObjectId,
    prefix: &str,
    mut wanted: BTreeMap<AppName, Wanted>,
) -> Result<BTreeMap<AppName, ObjectId>, Failure> {
    let mut found = BTreeMap::new();
    let mut seen_folders = HashSet::new();
    let mut seen_commits = HashSet::from([tip]);
    let mut open = BinaryHeap::from([(i64::MAX, tip)]); // newest first
    while let Some((_, id)) = open.pop() {
        if wanted.is_empty() || seen_commits.len() > MOST_COMMITS {
            break;
        }
        let commit = repo.commit(id)?;
        let folder = find_tree(repo, Some(commit.tree), prefix)?;
        if folder.is_some_and(|folder| seen_folders.insert(folder)) {
            let apps = app_trees(repo, Some(commit.tree), prefix)?.apps;
            wanted.retain(|app, Wanted { tree, not_before }| {
                let here = apps.get(app);
                if here == Some(tree) {
                    found.insert(app.clone(), *tree);
                }
                here != Some(tree) && (not_before.is_none() || here != not_before.as_ref())
            });
        }
        for parent in commit.parents {
            if seen_commits.insert(parent) {
                open.push((repo.commit(parent)?.committer.seconds, parent));
            }
        }
    }
    Ok(found)
}
