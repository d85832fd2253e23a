//! A folder that got a new name, and cannot be committed under it yet: what Git has under the old one must not go first.

use crate::domain::status::AppState;
use crate::domain::{AppName, Failure};

use super::super::Engine;
use super::super::finding::{Finding, Sides};
use crate::sync::kinship::Named;

impl Engine {
    /// Holds the removal of an app that seems to be here under a new name that is held, or cannot be read yet. A person may
    /// confirm it.
    pub(super) fn hold_old_names(&mut self) -> Result<(), Failure> {
        let renamed = self.being_renamed();
        let removed = |app: &AppName, finding: &Finding| match finding {
            Finding::Push(Sides { base: Some(base), local: None, .. })
            | Finding::Merge(Sides { base: Some(base), local: None, .. }) => Some((app.clone(), *base)),
            _ => None,
        };
        let mut removed: Vec<Named> = self.findings.iter().filter_map(|(app, finding)| removed(app, finding)).collect();
        let notes = &self.state.notes;
        removed.retain(|(app, _)| {
            !renamed.contains(app) && !notes.removing.contains_key(app) && !notes.confirmed.contains(app)
        });
        if removed.is_empty() {
            return Ok(());
        }
        let new: Vec<AppName> = self.findings_of(|finding| matches!(finding, Finding::Wait(..)));
        let new: Vec<AppName> = new.into_iter().filter(|app| self.is_new_here(app)).collect();
        let readable: Vec<Named> = new.iter().filter_map(|app| Some((app.clone(), self.disk.settled(app)?))).collect();
        for (old, new) in self.kinship.pair_up(&*self.repo, &removed, &readable)? {
            removed.retain(|(app, _)| *app != old);
            let reason = format!(
                "its folder is gone, and '{new}' looks like it under a new name, but is held; it goes together with that, or with `appferry sync confirm {:?}`",
                old.as_str()
            );
            self.findings.insert(old, Finding::HeldRemoval(reason));
        }
        let came = |app: &&AppName| {
            self.disk.settled(app).is_none() && self.disk.came_as_one_went(app, self.settings.debounce)
        };
        let Some(unread) = new.iter().find(came).cloned() else { return Ok(()) };
        for (old, _) in removed {
            let reason = format!(
                "its folder is gone; it waits until '{unread}', which came then, can be read, in case this is a rename"
            );
            self.findings.insert(old, Finding::Wait(AppState::Modified, reason));
        }
        Ok(())
    }

    /// Whether the app is here, waits, and Git never had it.
    fn is_new_here(&self, app: &AppName) -> bool {
        let (notes, is_known) = (&self.state.notes, self.remote.apps.contains_key(app) || self.ahead.contains_key(app));
        let is_told = matches!(self.findings.get(app), Some(Finding::Wait(AppState::Held | AppState::Modified, _)));
        is_told && !is_known && !self.state.bases.contains_key(app) && !notes.pending.contains_key(app)
    }
}
