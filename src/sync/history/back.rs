//! A walk back through the commits of one app, under the names that it had. It can stop anywhere and go on later.

use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::domain::words::app_renamed;
use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::Commit;
use crate::sync::trees::entries;

use super::{AppFate, Reader};

/// Where the history of the app goes on, and the name that it has there.
type Parents = Vec<(ObjectId, AppName)>;

/// A change of the app on the way back.
pub(super) struct Step {
    pub(super) id: ObjectId,
    pub(super) commit: Commit,
    pub(super) name: AppName,
    pub(super) change: AppFate,
    pub(super) before: Option<(AppName, ObjectId)>,
    pub(super) after: Option<ObjectId>,
}

/// A commit on the way back.
pub(super) struct Seen {
    pub(super) id: ObjectId,
    /// The app's name then.
    pub(super) name: AppName,
    /// What the commit did to the app, if anything.
    pub(super) step: Option<Step>,
}

/// Goes from commit to commit, the newest first. Where a merge took one side's state, only that side is followed, as `git log`
/// does it.
#[derive(Clone, Debug)]
pub(super) struct Back {
    names: HashMap<ObjectId, AppName>,
    next: BinaryHeap<(i64, ObjectId)>,
}

impl Back {
    pub(super) fn from(head: Option<ObjectId>, app: &AppName) -> Self {
        let head = head.into_iter();
        Self {
            names: head.clone().map(|head| (head, app.clone())).collect(),
            next: head.map(|head| (i64::MAX, head)).collect(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.names.is_empty()
    }

    /// The next commit.
    ///
    /// # Errors
    /// As the repository; the walk is over then.
    pub(super) fn next(&mut self, reader: &Reader) -> Result<Option<Seen>, Failure> {
        while let Some((_, id)) = self.next.pop() {
            let Some(name) = self.names.remove(&id) else { continue };
            let (parents, step) = reader.step(id, reader.repo.commit(id)?, &name)?;
            for (parent, name) in parents {
                self.next.push((reader.repo.commit(parent)?.committer.seconds, parent));
                self.names.insert(parent, name);
            }
            return Ok(Some(Seen { id, name, step }));
        }
        Ok(None)
    }
}

impl Reader {
    /// Where the app's history goes on, and what this commit did to it, if anything.
    fn step(&self, id: ObjectId, commit: Commit, name: &AppName) -> Result<(Parents, Option<Step>), Failure> {
        if let Some(parent) = self.unchanged_in(id, &commit, name)? {
            return Ok((vec![(parent, name.clone())], None));
        }
        let folder = self.folder(&commit)?;
        let after = self.app_in(folder, name)?;
        let mut on = Vec::new();
        let mut before = None;
        for parent in &commit.parents {
            let parents_folder = self.folder(&self.repo.commit(*parent)?)?;
            let was = self.app_in(parents_folder, name)?;
            if was == after {
                return Ok((vec![(*parent, name.clone())], None));
            }
            let old = match (was, after) {
                (Some(tree), _) => Some((name.clone(), tree)),
                (None, None) => None,
                (None, Some(after)) => {
                    let (here, there) = (entries(&*self.repo, folder)?, entries(&*self.repo, parents_folder)?);
                    renamed_from(&commit, name, after, &here, &there)
                }
            };
            on.push((*parent, old.as_ref().map_or_else(|| name.clone(), |(old, _)| old.clone())));
            before = before.or(old);
        }
        let change = match (&before, after) {
            (None, None) => return Ok((on, None)),
            (None, Some(_)) => AppFate::Added,
            (Some(_), None) => AppFate::Removed,
            (Some((old, _)), Some(_)) if old != name => AppFate::Renamed,
            _ => AppFate::Changed,
        };
        Ok((on, Some(Step { id, commit, name: name.clone(), change, before, after })))
    }

    /// The app before and after a commit, and its names then.
    pub(super) fn sides_of(
        &self,
        id: ObjectId,
        name: &AppName,
    ) -> Result<(Option<ObjectId>, Option<ObjectId>), Failure> {
        let (_, step) = self.step(id, self.repo.commit(id)?, name)?;
        Ok(step.map_or((None, None), |step| (step.before.map(|(_, tree)| tree), step.after)))
    }
}

/// The app that this one was before: by the commit's words, or because it was there as a whole under a name that is gone.
fn renamed_from(
    commit: &Commit,
    name: &AppName,
    tree: ObjectId,
    here: &[TreeEntry],
    there: &[TreeEntry],
) -> Option<(AppName, ObjectId)> {
    let subject = commit.message.lines().next().unwrap_or_default();
    let stays: HashSet<&[u8]> =
        here.iter().filter(|entry| entry.kind == EntryKind::Tree).map(|entry| entry.name.as_slice()).collect();
    let gone = there.iter().filter(|entry| entry.kind == EntryKind::Tree).filter_map(|entry| {
        let old = AppName::new(String::from_utf8(entry.name.clone()).ok()?).ok()?;
        (!stays.contains(entry.name.as_slice())).then_some((old, entry.id))
    });
    gone.filter(|(old, id)| *id == tree || app_renamed(old, name) == subject).min_by_key(|(_, id)| *id != tree)
}
