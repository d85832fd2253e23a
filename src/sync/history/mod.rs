//! What the branch tells of its apps: their last commits, what changed them, and how. It only reads, and never through the worker:
//! a [`Reader`] is made by the engine and used on a thread of its own.

mod back;
mod changes;
mod diff;
mod last;
mod log;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::{Commit, LocalRepository};

pub use diff::{AppDiff, FileDiff, FileFate};
pub use last::{KnownCommits, LastCommits};
pub use log::{AppFate, HistoryEntry, HistoryPage};

use super::trees::find_tree;

/// Commits that are looked at for one question, at most.
const MOST_COMMITS: usize = 200_000;
/// A question about one app that takes longer is answered with what was found.
const LONGEST: Duration = Duration::from_secs(20);

/// Reads the branch as it was when this was made.
#[derive(Clone)]
pub struct Reader {
    pub(super) repo: Arc<dyn LocalRepository>,
    pub(super) prefix: String,
    /// The newest commit here.
    pub(super) head: Option<ObjectId>,
    /// The newest commit known of the remote's branch.
    pub(super) tip: Option<ObjectId>,
    pub(super) known: Arc<KnownCommits>,
}

/// A commit, as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitShown {
    /// Its whole name.
    pub id: String,
    /// The first line of its message.
    pub subject: String,
    /// Who made the change.
    pub author: String,
    /// See `author`.
    pub email: String,
    /// When (RFC 3339).
    pub time: String,
}

impl CommitShown {
    fn new(id: ObjectId, commit: &Commit) -> Self {
        Self {
            id: id.to_string(),
            subject: commit.message.lines().next().unwrap_or_default().to_owned(),
            author: commit.author.name.clone(),
            email: commit.author.email.clone(),
            time: jiff::Timestamp::from_second(commit.author.seconds).unwrap_or_default().to_string(),
        }
    }
}

impl Reader {
    /// The commit of the branch that `text` names: all 40 digits, or at least four of the first.
    ///
    /// # Errors
    /// That there is none, or several; as the repository.
    pub fn find_commit(&self, text: &str) -> Result<ObjectId, Failure> {
        let refuse = |why: &str| {
            let message = format!("{text:?} {why}");
            Failure::new(FailureClass::Refused, message, "`appferry sync history` lists the commits of an app")
        };
        if text.len() < 4 || text.len() > 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse("is not the name of a commit: 4 to 40 hexadecimal digits"));
        }
        let text = text.to_ascii_lowercase();
        if let Some(id) = ObjectId::from_hex(&text) {
            let is_here = self.repo.contains(id)? && self.repo.commit(id).is_ok();
            return if is_here { Ok(id) } else { Err(refuse("is no commit that is known here")) };
        }
        let mut found = None;
        for id in self.all_commits()? {
            if id.to_string().starts_with(&text) && found.replace(id).is_some() {
                return Err(refuse("is the beginning of several commits; give more of its digits"));
            }
        }
        found.ok_or_else(|| refuse("is no commit of the branch"))
    }

    fn all_commits(&self) -> Result<Vec<ObjectId>, Failure> {
        let mut found: Vec<ObjectId> = self.head.into_iter().collect();
        let mut seen: std::collections::HashSet<ObjectId> = found.iter().copied().collect();
        let mut at = 0;
        while let Some(id) = found.get(at).copied().filter(|_| at < MOST_COMMITS) {
            found.extend(self.repo.commit(id)?.parents.into_iter().filter(|parent| seen.insert(*parent)));
            at += 1;
        }
        Ok(found)
    }

    /// The state of the app in a commit, under the name that it had then.
    ///
    /// # Errors
    /// As the repository.
    pub fn app_at(&self, app: &AppName, commit: ObjectId) -> Result<Option<ObjectId>, Failure> {
        if let Some(tree) = self.app_tree(&self.repo.commit(commit)?, app)? {
            return Ok(Some(tree));
        }
        match self.name_at(app, commit)? {
            Some(name) => self.app_tree(&self.repo.commit(commit)?, &name),
            None => Ok(None),
        }
    }

    /// The folder of the apps in a commit.
    fn folder(&self, commit: &Commit) -> Result<Option<ObjectId>, Failure> {
        find_tree(&*self.repo, Some(commit.tree), &self.prefix)
    }

    fn app_tree(&self, commit: &Commit, app: &AppName) -> Result<Option<ObjectId>, Failure> {
        self.app_in(self.folder(commit)?, app)
    }

    /// The app in a folder of apps that may be absent.
    fn app_in(&self, folder: Option<ObjectId>, app: &AppName) -> Result<Option<ObjectId>, Failure> {
        folder.map_or(Ok(None), |folder| self.repo.subtree(folder, app.as_str().as_bytes()))
    }
}
