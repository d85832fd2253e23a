//! What planning would find if a person asked for it: so that a dry run says what happens, and not what was hoped for.

use std::collections::BTreeMap;

use crate::domain::status::AppState;
use crate::domain::{AppName, Failure};

use super::{Goal, Until};
use crate::sync::engine::finding::Finding;
use crate::sync::engine::{Engine, Knowledge, Now};

impl Engine {
    /// A push that would be held, or would wait for a person, is told so.
    pub(super) fn say_what_is_in_the_way(&mut self, goals: &mut [Goal], now: Now) -> Result<(), Failure> {
        let settling = |goal: &&Goal| matches!(goal.until, Until::Settled);
        let apps: Vec<AppName> = goals.iter().filter(settling).map(|goal| goal.app.clone()).collect();
        let mut found = self.find_if_wanted(&apps, now)?;
        for goal in goals.iter_mut().filter(|goal| matches!(goal.until, Until::Settled)) {
            if let Some(
                Finding::Wait(AppState::Held | AppState::Conflict | AppState::Diverged, why)
                | Finding::HeldRemoval(why),
            ) = found.remove(&goal.app)
            {
                goal.until = Until::Blocked(why);
            }
        }
        Ok(())
    }

    /// The findings once these apps are wanted. Nothing of it stays but that the next pass plans anew.
    fn find_if_wanted(&mut self, apps: &[AppName], now: Now) -> Result<BTreeMap<AppName, Finding>, Failure> {
        if apps.is_empty() || matches!(self.remote.knowledge, Knowledge::Nothing | Knowledge::Absent(_)) {
            return Ok(BTreeMap::new());
        }
        self.find_all(now)?; // what it learns of the bases stays
        let before = (self.state.clone(), self.refused.clone());
        self.refused.retain(|app, _| !apps.contains(app));
        let notes = &mut self.state.notes;
        for app in apps {
            notes.wanted.insert(app.clone());
            notes.not_followed.remove(app);
            notes.removing.remove(app);
            if let Some(proposal) = &mut notes.proposal {
                proposal.apps.remove(app);
            }
        }
        let planned = self.find_all(now);
        (self.state, self.refused) = before;
        self.rest = None;
        planned.map(|()| self.findings.clone())
    }
}
