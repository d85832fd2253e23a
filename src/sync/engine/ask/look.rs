//! Questions about apps that need the engine: the rest is answered by a [`Reader`].

use std::time::Duration;

use crate::domain::{AppName, Failure, ObjectId};
use crate::sync::history::Reader;

use super::refuse;
use crate::sync::engine::{Engine, Look, Now};

/// The two sides of an app, and the words for the change between them.
#[derive(Clone, Debug)]
pub struct Difference {
    /// In Git, with what is committed here already.
    pub in_git: Option<ObjectId>,
    /// On the disk.
    pub here: Option<ObjectId>,
    /// The lines of the message that a commit of it has.
    pub words: Vec<String>,
}

impl Engine {
    /// Reads the branch as it is now.
    #[must_use]
    pub fn reader(&self) -> Reader {
        let notes = &self.state.notes;
        Reader {
            repo: self.repo.clone(),
            prefix: self.settings.prefix.clone(),
            head: notes.head.or(notes.tip),
            tip: notes.tip,
            known: self.last_commits.clone(),
        }
    }

    /// How long until these apps, or all, may be quiet; `None` when they are.
    ///
    /// # Errors
    /// Disk.
    pub fn busy_for(&mut self, apps: Option<&[AppName]>, now: Now) -> Result<Option<Duration>, Failure> {
        match apps {
            Some([]) => return Ok(None),
            Some(apps) => self.look(&Look::Apps(apps.iter().cloned().collect()), now)?,
            None => self.look(&Look::All, now)?,
        }
        let busy = self.disk.busy().filter(|(app, _)| apps.is_none_or(|apps| apps.contains(app)));
        Ok(busy.map(|(_, wait)| wait).max())
    }

    /// How the app differs here from Git.
    ///
    /// # Errors
    /// Disk; that it is being written, or is nowhere.
    pub fn difference(&mut self, app: &AppName, now: Now) -> Result<Difference, Failure> {
        let here = self.here(app, now)?;
        let in_git = self.in_git(app);
        if here.is_none() && in_git.is_none() {
            return Err(refuse(app, "is neither here nor in Git"));
        }
        let message = if here == in_git { String::new() } else { self.describe(app, in_git, here)? };
        let words = message.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        Ok(Difference { in_git, here, words })
    }
}
