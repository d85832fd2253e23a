//! Taking apps out of Git while their folders stay here.

use crate::domain::{AppName, Failure};

use super::{Goal, Until, refuse};
use crate::sync::engine::{Engine, Now};

impl Engine {
    /// Marks the apps as not followed here, and lets planning commit their removal. Nothing on disk is touched.
    pub(super) fn begin_remove(&mut self, apps: Vec<AppName>, dry: bool, now: Now) -> Result<Vec<Goal>, Failure> {
        self.must_not_be_locked()?;
        self.look(&crate::sync::engine::Look::All, now)?;
        let is_nowhere = |app: &&AppName| {
            let notes = &self.state.notes;
            self.in_git(app).is_none() && self.disk.is_unknown(app) && !notes.not_followed.contains(*app)
        };
        if let Some(app) = apps.iter().find(is_nowhere) {
            return Err(refuse(app, "is neither in Git nor in the apps folder"));
        }
        let mut goals = Vec::new();
        for app in apps {
            let seen = self.in_git(&app);
            let will = match seen {
                Some(_) => "would be removed from Git; its folder here stays, and is not added again by itself",
                None => "is not in Git; it would not be added by itself any more",
            };
            if !dry {
                self.state.notes.not_followed.insert(app.clone());
                self.state.notes.wanted.remove(&app);
                self.refused.remove(&app);
                if let Some(tree) = seen {
                    self.state.notes.removing.insert(app.clone(), tree);
                }
            }
            let done = "it is not in Git; its folder here stays, and is not added again by itself".to_owned();
            goals.push(Goal { app, will: will.to_owned(), done, until: Until::OutOfGit });
        }
        Ok(goals)
    }
}
