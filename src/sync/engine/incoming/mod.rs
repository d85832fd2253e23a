//! What arrives from Git and is not installed by itself: it waits here, and a person takes it in.

mod intake;
mod list;
mod pin;
mod pull;
mod release;

use std::collections::BTreeSet;

use crate::domain::plan::{Change, Hold};
use crate::domain::status::AppState;
use crate::domain::{AppName, Failure, FailureClass, ObjectId};

pub use intake::Intake;
pub use list::{Arrived, IncomingApps};
pub use pull::From;

use super::disk::Local;
use super::finding::{Finding, Sides};
use super::{Engine, Knowledge, Look, Now};

/// What became of one app that a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The app.
    pub app: AppName,
    /// Whether it is as it was asked for.
    pub done: bool,
    /// What happened, or why not.
    pub message: String,
}

/// What was begun for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    app: AppName,
    begun: Begun,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Begun {
    /// It was so already, or is so now.
    Done(String),
    /// Done when the app is in sync: then these are the words.
    Accepted(String),
    /// On disk; what Git makes of it, the pass tells.
    Placed(String),
    /// A try: it would be done, in these words.
    Would(String),
    /// It cannot be done.
    Not(String),
}

/// What happened elsewhere to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Added,
    Updated,
    Deleted,
}

impl Engine {
    /// What became of `steps`, after the pass.
    #[must_use]
    pub fn deeds(&self, steps: Vec<Step>) -> Vec<Deed> {
        steps.into_iter().map(|step| self.deed(step)).collect()
    }

    fn deed(&self, Step { app, begun }: Step) -> Deed {
        let reason = self.findings.get(&app).and_then(|finding| self.app_status(&app, finding).reason);
        let in_sync = matches!(self.findings.get(&app), None | Some(Finding::InSync | Finding::Adopt));
        let (done, message) = match begun {
            Begun::Done(words) => (true, words),
            Begun::Accepted(words) if in_sync => (true, words + self.what_waits_of_release(&app)),
            Begun::Accepted(words) => (false, reason.unwrap_or_else(|| format!("not {words} yet"))),
            Begun::Placed(words) if in_sync => (true, words),
            Begun::Placed(words) => (true, reason.map_or(words.clone(), |reason| format!("{words}; {reason}"))),
            Begun::Would(words) => (true, format!("would be {words}")),
            Begun::Not(reason) => (false, reason),
        };
        Deed { app, done, message }
    }

    /// Looks at everything, so that what is decided is decided by what is there now.
    fn look_and_find(&mut self, now: Now) -> Result<(), Failure> {
        self.must_know_git()?;
        self.look(&Look::All, now)?;
        self.rest = None;
        self.find_all(now)
    }

    /// As [`look_and_find`](Self::look_and_find), of `apps` and those that differ in Git from what it had last: nothing else can
    /// wait. Of all others holds what was seen when they changed last.
    fn look_at_what_waits(&mut self, apps: &BTreeSet<AppName>, now: Now) -> Result<(), Failure> {
        if self.disk.not_looked() || self.disk.not_mounted.is_some() {
            return self.look_and_find(now);
        }
        self.must_know_git()?;
        let (bases, there) = (&self.state.bases, &self.remote.apps);
        let differs = |app: &&AppName| bases.get(*app) != there.get(*app);
        let waiting = bases.keys().chain(there.keys()).filter(differs).chain(self.state.notes.withheld.keys());
        let apps = waiting.chain(apps).cloned().collect();
        match self.look(&Look::Apps(apps), now) {
            Err(failure) if failure.class == FailureClass::Disk => self.look(&Look::All, now)?, // it may be gone as a whole
            looked => looked?,
        }
        self.rest = None;
        self.find_all(now)
    }

    fn must_know_git(&self) -> Result<(), Failure> {
        let unknown = match &self.remote.knowledge {
            Knowledge::Tip | Knowledge::Unborn => None,
            Knowledge::Nothing => Some("the remote was not reached yet, so it is not known what is in Git"),
            Knowledge::Absent(_) => Some("the branch is not at the remote"),
        };
        if let Some(unknown) = unknown {
            let remedy = "`appferry status` says what is in the way";
            return Err(Failure::new(FailureClass::BranchAbsent, unknown, remedy));
        }
        Ok(())
    }

    /// The three sides of an app. What cannot be read at the moment counts as unchanged.
    fn sides(&mut self, app: &AppName, now: Now) -> Result<Sides, Failure> {
        let base = self.state.bases.get(app).copied();
        let local = match self.disk.local(app, base.is_some(), self.settings.debounce, now) {
            Local::Known(local) => self.with_release_of_git(app, local)?,
            Local::Gone | Local::Emptied => None,
            Local::Busy | Local::Unreadable(_) | Local::NotMounted => base,
        };
        Ok(Sides { base, local, remote: self.remote.apps.get(app).copied() })
    }

    /// What happened elsewhere to an app that is not so here.
    fn arrival(&mut self, app: &AppName, now: Now) -> Result<Option<Arrival>, Failure> {
        let Sides { base, local, remote } = self.sides(app, now)?;
        let facts = self.comparer.facts(&*self.repo, base, local, remote)?;
        if facts.sides_agree || facts.remote_change != Change::Real {
            return Ok(None);
        }
        Ok(match (base, local, remote) {
            (None, None, Some(_)) => Some(Arrival::Added),
            (_, _, Some(_)) => Some(Arrival::Updated),
            (_, Some(_), None) => Some(Arrival::Deleted),
            (_, None, None) => None,
        })
    }

    /// Whether an app waits for nothing but to be asked for, or is about to be installed.
    fn may_be_taken_in(&self, app: &AppName) -> bool {
        matches!(
            self.findings.get(app),
            Some(Finding::Wait(AppState::Behind, _) | Finding::Pull(_) | Finding::Replace(_) | Finding::Merge(_))
        )
    }

    /// Why an app cannot be taken in.
    fn why_not(&self, app: &AppName) -> String {
        let reason = self.findings.get(app).and_then(|finding| self.app_status(app, finding).reason);
        reason.unwrap_or_else(|| "it is not in Git; `appferry sync incoming` lists what waits".to_owned())
    }

    /// The tree of an app as planning sees it, if it is quiet and readable.
    pub(super) fn settled_as_planned(&self, app: &AppName) -> Option<ObjectId> {
        let settled = self.disk.settled(app);
        self.with_release_of_git(app, settled).unwrap_or(settled)
    }
}

/// What planning finds for an app that waits to be installed.
pub(super) fn wait_to_install(app: &AppName, hold: Hold, sides: Sides) -> Finding {
    let name = app.as_str();
    let reason = match (hold, sides.local, sides.remote) {
        (Hold::DriftBehind, ..) => format!(
            "changed in Git, and here although this instance is locked; `appferry sync update {name:?}` keeps ours aside and installs it"
        ),
        (_, None, _) => format!("added in Git; `appferry sync install {name:?}` installs it"),
        (_, _, None) => format!("deleted in Git; `appferry sync delete {name:?}` deletes it here"),
        _ => format!("changed in Git; `appferry sync update {name:?}` installs it"),
    };
    Finding::Wait(AppState::Behind, reason)
}
