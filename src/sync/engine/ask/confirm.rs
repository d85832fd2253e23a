//! Letting held removals happen.

use std::collections::BTreeSet;

use crate::domain::{AppName, Failure};
use crate::sync::action::Selection;

use super::{Goal, Until, refuse};
use crate::sync::engine::finding::Finding;
use crate::sync::engine::{Engine, Now};

impl Engine {
    /// Lets held removals happen: of these apps, or of all. Answers the apps whose removal was held.
    ///
    /// # Errors
    /// Disk; or that the removal of a named app is not held.
    pub fn confirm(&mut self, apps: Option<&BTreeSet<AppName>>, now: Now) -> Result<Vec<AppName>, Failure> {
        let confirmed = self.confirmable(apps)?;
        for app in &confirmed {
            self.state.notes.held.remove(app);
            self.state.notes.confirmed.insert(app.clone());
        }
        self.save(now)?;
        Ok(confirmed)
    }

    fn confirmable(&self, apps: Option<&BTreeSet<AppName>>) -> Result<Vec<AppName>, Failure> {
        let held = self.findings_of(|finding| matches!(finding, Finding::HeldRemoval(_)));
        let Some(apps) = apps else { return Ok(held) };
        match apps.iter().find(|app| !held.contains(app) && !self.is_gone(app)) {
            Some(app) => Err(refuse(app, "has no removal that waits for a person")),
            None => Ok(apps.iter().cloned().collect()),
        }
    }

    /// Nowhere, or on its way: whoever confirms a removal twice has what they wanted.
    fn is_gone(&self, app: &AppName) -> bool {
        self.state.notes.confirmed.contains(app)
            || !self.findings.contains_key(app) && !self.remote.apps.contains_key(app)
    }

    pub(super) fn begin_confirm(&mut self, apps: Selection, dry: bool, now: Now) -> Result<Vec<Goal>, Failure> {
        let named = match apps {
            Selection::All => None,
            Selection::Apps(apps) => Some(apps.into_iter().collect::<BTreeSet<AppName>>()),
        };
        let confirmed = if dry { self.confirmable(named.as_ref())? } else { self.confirm(named.as_ref(), now)? };
        let goal = |app| Goal {
            app,
            will: "its removal would be confirmed".to_owned(),
            done: "the removal was confirmed".to_owned(),
            until: Until::Settled,
        };
        Ok(confirmed.into_iter().map(goal).collect())
    }
}
