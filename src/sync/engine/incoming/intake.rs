//! Taking in what waits: one app at a time, by name.

use std::collections::BTreeSet;

use crate::domain::{AppName, Failure};
use crate::sync::engine::disk::Local;
use crate::sync::engine::{Engine, Now};

use super::{Arrival, Begun, Step};

/// What a person asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Apps that were added elsewhere come here; with what was published of them?
    Install {
        /// Also what was published.
        release: bool,
    },
    /// Apps that were changed elsewhere change here.
    Update {
        /// Also what was published.
        release: bool,
    },
    /// Apps that were deleted elsewhere are deleted here.
    Delete,
}

impl Engine {
    /// Begins to take in `apps`. With `dry_run` nothing is begun.
    ///
    /// # Errors
    /// Disk; or that it is not known what is in Git.
    pub fn take_in(
        &mut self,
        what: Intake,
        apps: BTreeSet<AppName>,
        dry_run: bool,
        now: Now,
    ) -> Result<Vec<Step>, Failure> {
        self.look_at_what_waits(&apps, now)?;
        let mut steps = Vec::new();
        for app in apps {
            let begun = self.take_in_one(what, &app, dry_run, now)?;
            steps.push(Step { app, begun });
        }
        self.save(now)?;
        Ok(steps)
    }

    fn take_in_one(&mut self, what: Intake, app: &AppName, dry_run: bool, now: Now) -> Result<Begun, Failure> {
        let name = app.as_str();
        let arrival = self.arrival(app, now)?;
        if self.pin(app).is_some() && arrival.is_some() {
            return Ok(Begun::Not(self.why_not(app)));
        }
        let in_git = self.remote.apps.contains_key(app);
        Ok(match (what, arrival) {
            (Intake::Install { release }, Some(Arrival::Added)) => self.accept(app, "installed", release, dry_run),
            (Intake::Update { release }, Some(Arrival::Updated)) => self.accept(app, "updated", release, dry_run),
            (Intake::Delete, Some(Arrival::Deleted)) => self.accept_deletion(app, dry_run, now)?,
            (Intake::Install { release } | Intake::Update { release }, None) if in_git => {
                self.release_or_nothing(app, release, dry_run)?
            }
            (Intake::Delete, None) if !in_git && self.settled_as_planned(app).is_none() => {
                Begun::Done("is not here".to_owned())
            }
            (Intake::Install { .. }, Some(Arrival::Updated)) => {
                Begun::Not(format!("it is here already, and behind; `appferry sync update {name:?}` updates it"))
            }
            (Intake::Update { .. }, Some(Arrival::Added)) => {
                Begun::Not(format!("it is not here; `appferry sync install {name:?}` installs it"))
            }
            (Intake::Install { .. } | Intake::Update { .. }, Some(Arrival::Deleted)) => {
                Begun::Not(format!("it was deleted in Git; `appferry sync delete {name:?}` deletes it here"))
            }
            (Intake::Delete, _) if in_git => {
                Begun::Not(format!("it was not deleted in Git; `appferry sync remove {name:?}` removes it there"))
            }
            _ => Begun::Not(self.why_not(app)),
        })
    }

    /// Lets the pass install what waits.
    pub(super) fn accept(&mut self, app: &AppName, words: &str, release: bool, dry_run: bool) -> Begun {
        if !self.may_be_taken_in(app) {
            return Begun::Not(self.why_not(app));
        }
        if dry_run {
            let there = self.release_of(self.remote.apps.get(app).copied());
            let is_news =
                there.is_ok_and(|there| there.is_some() && Ok(there) != self.release_of(self.disk.settled(app)));
            let with = if release && is_news { ", with its release" } else { "" };
            return Begun::Would(format!("{words}{with}"));
        }
        self.state.notes.accepted.insert(app.clone(), release);
        Begun::Accepted(words.to_owned())
    }

    /// The app is as in Git, but perhaps for its release.
    pub(super) fn release_or_nothing(&mut self, app: &AppName, release: bool, dry_run: bool) -> Result<Begun, Failure> {
        if !release || !self.state.notes.withheld.contains_key(app) {
            return Ok(Begun::Done("is up to date".to_owned()));
        }
        if dry_run {
            return Ok(Begun::Would("published here: its release is installed".to_owned()));
        }
        self.install_withheld(app)?;
        Ok(Begun::Done("its release is installed".to_owned()))
    }

    /// Lets the pass delete what was deleted in Git. What is here is kept aside first, changed or not.
    fn accept_deletion(&mut self, app: &AppName, dry_run: bool, now: Now) -> Result<Begun, Failure> {
        if self.state.notes.pending.contains_key(app) {
            return Ok(Begun::Not(self.why_not(app)));
        }
        let Local::Known(Some(local)) = self.disk.local(app, true, self.settings.debounce, now) else {
            return Ok(Begun::Not(self.why_not(app)));
        };
        if dry_run {
            return Ok(Begun::Would("deleted here; what is here is kept aside first".to_owned()));
        }
        self.keep_aside(app, Some(local), "deleted in Git, and here when a person asked for it", now)?;
        let planned = self.with_release_of_git(app, Some(local))?;
        if planned != self.state.bases.get(app).copied() {
            self.set_base(app, planned); // the person has decided against what was changed here
        }
        self.state.notes.confirmed.insert(app.clone());
        self.state.notes.wanted.remove(app);
        self.state.notes.accepted.insert(app.clone(), true);
        Ok(Begun::Accepted("deleted here; what was here is kept aside".to_owned()))
    }
}
