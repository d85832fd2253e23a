//! The commits that changed one app, newest first, also under the names that it had before.

use std::collections::{BinaryHeap, HashMap};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::domain::words::{RELEASE, app_renamed};
use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::Commit;
use crate::sync::trees::{entries, find_tree};

use super::{CommitShown, LONGEST, MOST_COMMITS, Reader, app_in};

/// What a commit did to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppFate {
    /// It came.
    Added,
    /// Its files changed.
    Changed,
    /// It got its name.
    Renamed,
    /// It went.
    Removed,
}

/// One commit of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The commit.
    #[serde(flatten)]
    pub commit: CommitShown,
    /// The app's name then.
    pub app: String,
    /// What it did.
    pub change: AppFate,
    /// The name before, if this commit renamed the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The app was published: `last_release/` changed.
    pub published: bool,
    /// The remote has it.
    pub pushed: bool,
}

/// Some of an app's commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Newest first.
    pub commits: Vec<HistoryEntry>,
    /// There may be more: ask for those before this commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The time was up here: commits before this one were not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_before: Option<String>,
}

/// Where the history of the app goes on, and the name that it has there.
type Parents = Vec<(ObjectId, AppName)>;

/// A change of the app on the way back.
struct Step {
    id: ObjectId,
    commit: Commit,
    name: AppName,
    change: AppFate,
    before: Option<(AppName, ObjectId)>,
    after: Option<ObjectId>,
}

impl Reader {
    /// The newest commits that changed the app, `limit` at most; those before the commit `before`, if it is given.
    ///
    /// # Errors
    /// As the repository.
    pub fn history(&self, app: &AppName, limit: usize, before: Option<ObjectId>) -> Result<HistoryPage, Failure> {
        let mut page = HistoryPage::default();
        let mut skipping = before.is_some();
        let unpushed = self.unpushed()?;
        let cut = self.walk_back(app, |step| {
            if !skipping {
                if page.commits.len() >= limit {
                    page.next = page.commits.last().map(|entry| entry.commit.id.clone());
                    return Ok(false);
                }
                page.commits.push(self.entry(&step, !unpushed.contains(&step.id))?);
            }
            skipping &= Some(step.id) != before;
            Ok(true)
        })?;
        page.unread_before = cut.map(|commit| commit.to_string());
        Ok(page)
    }

    /// The name that the app had in a commit of its history, when it was another one.
    pub(super) fn name_at(&self, app: &AppName, commit: ObjectId) -> Result<Option<AppName>, Failure> {
        let mut found = None;
        self.walk_back(app, |step| {
            let before = step.before.as_ref().filter(|_| step.change == AppFate::Renamed);
            if let Some((name, _)) = before
                && step.id != commit
                && self.repo.descends_from(step.id, commit)?
            {
                found = Some(name.clone());
            }
            Ok(true)
        })?;
        Ok(found)
    }

    fn entry(&self, step: &Step, pushed: bool) -> Result<HistoryEntry, Failure> {
        let before = step.before.as_ref().map(|(_, tree)| *tree);
        let release = find_tree(&*self.repo, step.after, RELEASE)?;
        let published = release.is_some() && release != find_tree(&*self.repo, before, RELEASE)?;
        let renamed = step.before.as_ref().filter(|_| step.change == AppFate::Renamed);
        Ok(HistoryEntry {
            commit: CommitShown::new(step.id, &step.commit),
            app: step.name.to_string(),
            change: step.change,
            renamed_from: renamed.map(|(name, _)| name.to_string()),
            published,
            pushed,
        })
    }

    /// The commits that the remote does not have.
    fn unpushed(&self) -> Result<Vec<ObjectId>, Failure> {
        let mut found = Vec::new();
        let mut at = self.head.filter(|head| Some(*head) != self.tip);
        while let Some(id) = at.filter(|id| Some(*id) != self.tip && found.len() < MOST_COMMITS) {
            found.push(id);
            at = self.repo.commit(id)?.parents.first().copied();
        }
        Ok(found)
    }

    /// Calls `visit` for each commit that changed the app, newest first, as long as it answers true. Where a merge took one side's
    /// state, only that side is followed, as `git log` does it. Answers with the commit at which the time was up, if it was.
    fn walk_back(
        &self,
        app: &AppName,
        mut visit: impl FnMut(Step) -> Result<bool, Failure>,
    ) -> Result<Option<ObjectId>, Failure> {
        let deadline = Instant::now() + LONGEST;
        let Some(head) = self.head else { return Ok(None) };
        let mut names = HashMap::from([(head, app.clone())]);
        let mut next = BinaryHeap::from([(i64::MAX, head)]); // newest first
        while let Some((_, id)) = next.pop() {
            let Some(name) = names.remove(&id) else { continue };
            if Instant::now() > deadline {
                return Ok(Some(id));
            }
            let commit = self.repo.commit(id)?;
            let (parents, step) = self.step(id, commit, &name)?;
            for (parent, name) in parents {
                next.push((self.repo.commit(parent)?.committer.seconds, parent));
                names.insert(parent, name);
            }
            if let Some(step) = step
                && !visit(step)?
            {
                break;
            }
        }
        Ok(None)
    }

    /// Where the app's history goes on, and what this commit did to it, if anything.
    fn step(&self, id: ObjectId, commit: Commit, name: &AppName) -> Result<(Parents, Option<Step>), Failure> {
        let folder = self.folder(&commit)?;
        let here = entries(&*self.repo, folder)?;
        let after = app_in(&here, name);
        let mut on = Vec::new();
        let mut before = None;
        for parent in &commit.parents {
            let parents_folder = self.folder(&self.repo.commit(*parent)?)?;
            if parents_folder == folder {
                return Ok((vec![(*parent, name.clone())], None));
            }
            let there = entries(&*self.repo, parents_folder)?;
            let was = app_in(&there, name);
            if was == after {
                return Ok((vec![(*parent, name.clone())], None));
            }
            let old = match was {
                Some(tree) => Some((name.clone(), tree)),
                None => after.and_then(|after| renamed_from(&commit, name, after, &here, &there)),
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
    let gone = there.iter().filter(|entry| entry.kind == EntryKind::Tree).filter_map(|entry| {
        let old = AppName::new(String::from_utf8(entry.name.clone()).ok()?).ok()?;
        app_in(here, &old).is_none().then_some((old, entry.id))
    });
    gone.filter(|(old, id)| *id == tree || app_renamed(old, name) == subject).min_by_key(|(_, id)| *id != tree)
}
