//! Putting an app's folder back to its state in Git (rule 10).

use crate::domain::{AppName, Failure};

use super::{Goal, Until, refuse, refuse_with};
use crate::sync::engine::{Engine, Now};

impl Engine {
    pub(super) fn begin_revert(&mut self, apps: Vec<AppName>, dry: bool, now: Now) -> Result<Vec<Goal>, Failure> {
        // Everything is checked before anything is written.
        for app in &apps {
            self.may_be_reverted(app)?;
            self.here(app, now)?;
        }
        apps.into_iter().map(|app| self.revert(app, dry, now)).collect()
    }

    fn may_be_reverted(&self, app: &AppName) -> Result<(), Failure> {
        if let Some(problem) = self.remote.hostile.get(app) {
            return Err(refuse(app, format!("is refused from Git: {problem}")));
        }
        if !self.remote.apps.contains_key(app) && self.pin(app).is_none() {
            return Err(refuse(app, "is not in Git: there is nothing to put it back to"));
        }
        if self.state.notes.pending.contains_key(app) {
            let remedy = "wait until it is; `appferry sync restore` brings an older state back";
            return Err(refuse_with(app, "is committed here and about to be pushed", remedy));
        }
        Ok(())
    }

    fn revert(&mut self, app: AppName, dry: bool, now: Now) -> Result<Goal, Failure> {
        let pin = self.pin(&app).map(|pin| (pin.tree, format!("the state that it is pinned at, {}", pin.from)));
        let is_pinned = pin.is_some();
        let git = self.remote.apps.get(&app).map(|tree| (*tree, "the state in Git".to_owned()));
        let local = self.here(&app, now)?;
        let Some((there, state)) = pin.or(git) else { return Err(refuse(&app, "is not in Git")) };
        let (tree, waits) = self.way_back(&app, there)?;
        if local == Some(tree) {
            let done = format!("it is here in {state}");
            return Ok(Goal { app, will: done.clone(), done, until: Until::AtOnce });
        }
        let files = self.count_changed(local, Some(tree))?;
        let will = format!("{files} would be put back to {state}; what is here would be kept aside");
        if !dry {
            self.bring_to(&app, local, tree, "put back to the state in Git", now)?;
            self.note_withheld(&app, waits);
            self.set_base(&app, Some(there));
            self.state.notes.wanted.remove(&app);
            self.state.notes.wordings.remove(&app);
        }
        let done = format!("{files} put back to {state}; what was here is kept aside");
        let until = if is_pinned { Until::AtOnce } else { Until::Settled };
        Ok(Goal { app, will, done, until })
    }
}
