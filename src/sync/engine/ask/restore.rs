//! Back to a state that an app had in a commit, or to one that was kept aside.

use crate::domain::{AppName, Failure, ObjectId};
use crate::sync::state::Wording;

use super::{Goal, Until, refuse_with};
use crate::sync::engine::{Engine, Now};

impl Engine {
    /// The app's state in the commit `to` is written here, and committed as an edit of its own.
    pub(super) fn begin_restore(&mut self, app: AppName, to: &str, dry: bool, now: Now) -> Result<Goal, Failure> {
        self.must_not_be_locked()?;
        if self.state.notes.conflicts.contains_key(&app) {
            return Err(refuse_with(&app, "is in conflict", "end it with `appferry sync resolve` first"));
        }
        let reader = self.reader();
        let commit = reader.find_commit(to)?;
        let short = commit.short();
        let Some(tree) = reader.app_at(&app, commit)? else {
            let remedy = "`appferry sync history` lists the commits that have it";
            return Err(refuse_with(&app, format!("is not in the commit {short}"), remedy));
        };
        let local = self.here(&app, now)?;
        let in_git = self.in_git(&app);
        if local == Some(tree) && in_git == local {
            let done = format!("it is as it was in {short}");
            return Ok(Goal { app, will: done.clone(), done, until: Until::Settled });
        }
        let files = self.count_changed(local, Some(tree))?;
        let will = format!("{files} would be put back to the state of {short}, committed and pushed");
        if !dry {
            self.bring_to(&app, local, tree, "replaced by an older state", now)?;
            self.ask_for_restored(&app, in_git, tree, commit)?;
        }
        let done = format!("{files} put back to the state of {short}; what was here is kept aside");
        Ok(Goal { app, will, done, until: Until::Settled })
    }

    fn ask_for_restored(
        &mut self,
        app: &AppName,
        in_git: Option<ObjectId>,
        tree: ObjectId,
        commit: ObjectId,
    ) -> Result<(), Failure> {
        let words = self.describe(app, in_git, Some(tree))?;
        let message = Some(format!("{words}\n\nRestored to the state of {commit}."));
        self.refused.remove(app);
        let notes = &mut self.state.notes;
        notes.wordings.insert(app.clone(), Wording { message, author: None });
        notes.wanted.insert(app.clone());
        notes.not_followed.remove(app);
        notes.removing.remove(app);
        Ok(())
    }

    pub(super) fn begin_restore_kept(&mut self, id: &str, dry: bool, now: Now) -> Result<Goal, Failure> {
        let will = "would be brought back to the apps folder; anything that is there would be kept aside".to_owned();
        let app = self.kept_app(id)?.0;
        self.must_be_followed(&app)?;
        if !dry {
            self.restore_kept(id, now)?;
        }
        let done = "brought back to the apps folder; anything that was there is kept aside".to_owned();
        Ok(Goal { app, will, done, until: Until::AtOnce })
    }
}
