//! Removals: which of them happen by themselves, and which wait for a person (rule 6).

use crate::domain::status::AppState;
use crate::domain::{AppName, Failure, ObjectId};

use super::finding::{Finding, Sides};
use super::{Engine, Now};
use crate::sync::kinship::Named;

/// Deletions are counted over this time.
const WINDOW_SECONDS: i64 = 600;

impl Engine {
    /// Holds removals that are too many at once, on either side, and new apps while a rename may be under way.
    pub(super) fn hold_removals(&mut self, now: Now) -> Result<(), Failure> {
        self.mind_the_clock(now);
        self.forget_ended_holds();
        forget_old(&mut self.state.notes.deletions_here, now);
        forget_old(&mut self.state.notes.deletions_remote, now);
        self.hold_removals_here();
        self.hold_removals_of_remote()?;
        self.hold_new_apps_during_a_rename();
        Ok(())
    }

    fn hold_removals_here(&mut self) {
        let mut removed = self.findings_of(|f| matches!(f, Finding::Push(sides) if sides.local.is_none()));
        let renamed = self.being_renamed();
        removed.retain(|app| !renamed.contains(app) && !self.state.notes.removing.contains_key(app));
        // Folders that vanish at once are not noticed at once: those whose time is not over yet count as well.
        let going = self.findings_of(|finding| *finding == Finding::Gone).len();
        let notes = &self.state.notes;
        let lately = notes.deletions_here.len() + notes.pending.values().filter(|snapshot| snapshot.is_none()).count();
        self.hold_if_many(&removed, going, lately, "are gone from the apps folder");
    }

    fn hold_removals_of_remote(&mut self) -> Result<(), Failure> {
        let pulls = |wanted: fn(&Sides) -> Option<ObjectId>| -> Vec<Named> {
            let found = self.findings.iter().filter_map(|(app, finding)| match finding {
                Finding::Pull(sides) | Finding::Replace(sides) => Some((app.clone(), wanted(sides)?)),
                _ => None,
            });
            found.collect()
        };
        let mut removed = pulls(|sides| sides.base.filter(|_| sides.remote.is_none()));
        let mut added = pulls(|sides| sides.remote.filter(|_| sides.base.is_none()));
        let (bases, apps) = (&self.state.bases, &self.remote.apps);
        let known = &mut self.state.notes.renamed_there;
        known.retain(|old, new| bases.contains_key(old) && !apps.contains_key(old) && apps.contains_key(new));
        removed.retain(|(app, _)| !known.contains_key(app));
        added.retain(|(app, _)| !known.values().any(|new| new == app));
        let renamed = self.kinship.pair_up(&*self.repo, &removed, &added)?;
        let removed: Vec<AppName> =
            removed.into_iter().map(|(app, _)| app).filter(|app| !renamed.contains_key(app)).collect();
        self.state.notes.renamed_there.extend(renamed);
        let lately = self.state.notes.deletions_remote.len();
        self.hold_if_many(&removed, 0, lately, "were deleted in Git");
        Ok(())
    }

    /// A hold ends when the app is on both sides again, or on neither.
    fn forget_ended_holds(&mut self) {
        let (findings, disk, apps) = (&self.findings, &self.disk, &self.remote.apps);
        let is_back = |app: &AppName| disk.settled(app).is_some() && apps.contains_key(app);
        self.state.notes.held.retain(|app| findings.contains_key(app) && !is_back(app));
    }

    /// Holds `removed` if they, with those that are `going` and those that went `lately`, are too many. What was held stays held:
    /// that some of the apps come back must not let the others be deleted.
    fn hold_if_many(&mut self, removed: &[AppName], going: usize, lately: usize, words: &str) {
        let unconfirmed: Vec<&AppName> =
            removed.iter().filter(|app| !self.state.notes.confirmed.contains(*app)).collect();
        let followed = self.state.bases.keys().filter(|app| self.settings.filter.takes(app)).count();
        let all = unconfirmed.len() + going >= followed;
        let many = unconfirmed.len() + going + lately > 3.max((followed + lately) / 4);
        let held: Vec<AppName> = if all || many {
            unconfirmed.into_iter().cloned().collect()
        } else {
            unconfirmed.into_iter().filter(|app| self.state.notes.held.contains(*app)).cloned().collect()
        };
        let reason = format!(
            "{} of {followed} apps {words} at once; nothing is deleted until a person confirms it with `appferry sync confirm --all`, or of the apps it names",
            held.len(),
        );
        for app in held {
            self.findings.insert(app.clone(), Finding::HeldRemoval(reason.clone()));
            self.state.notes.held.insert(app);
        }
    }

    /// A folder that is gone and one that is new may be the two halves of a rename: the new one waits for the other.
    fn hold_new_apps_during_a_rename(&mut self) {
        if !self.findings.values().any(|finding| *finding == Finding::Gone) {
            return;
        }
        let mut new = self.findings_of(|f| matches!(f, Finding::Push(sides) if sides.base.is_none()));
        let renamed = self.being_renamed();
        new.retain(|app| !renamed.contains(app));
        for app in new {
            let reason = "it is new; it waits for a folder that is gone, in case this is a rename".to_owned();
            self.findings.insert(app, Finding::Wait(AppState::Modified, reason));
        }
    }
}

/// A time that is still to come was recorded before the clock was set back: it counts as now.
fn forget_old(times: &mut Vec<i64>, now: Now) {
    times.retain(|time| *time >= now.unix_seconds - WINDOW_SECONDS);
    for time in times {
        *time = (*time).min(now.unix_seconds);
    }
}
