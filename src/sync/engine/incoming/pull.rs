//! Pulling: everything that waits, or the state of another branch, tag or commit.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::Installed;
use crate::sync::engine::disk::Local;
use crate::sync::engine::finding::{Finding, Sides};
use crate::sync::engine::{Engine, Now};
use crate::sync::state::Pin;
use crate::sync::trees::app_trees;

use super::release::disturbed;
use super::{Arrival, Begun, Step};

/// Where a state comes from, if not from the branch. Its objects are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct From {
    /// What a person called it.
    pub name: String,
    /// The commit.
    pub commit: ObjectId,
}

impl Engine {
    /// Begins to install everything of these apps, or of all, that waits, and lifts their pins.
    ///
    /// # Errors
    /// Disk; that an app is nowhere; or that it is not known what is in Git.
    pub fn pull(&mut self, apps: Option<&BTreeSet<AppName>>, dry_run: bool, now: Now) -> Result<Vec<Step>, Failure> {
        self.look_and_find(now)?;
        let named: BTreeSet<AppName> = match apps {
            Some(apps) => apps.clone(),
            None => self.findings.keys().cloned().collect(),
        };
        let nowhere = |app: &&AppName| !self.findings.contains_key(*app);
        if let Some(app) = named.iter().find(nowhere) {
            return Err(no_such(app, "in Git or here"));
        }
        let pins = self.state.notes.pins.clone();
        self.state.notes.pins.retain(|app, _| !named.contains(app));
        let steps = self.pull_unpinned(named, &pins, apps.is_some(), dry_run, now);
        if dry_run || steps.is_err() {
            self.state.notes.pins = pins;
            self.rest = None;
        }
        self.save(now)?;
        steps
    }

    fn pull_unpinned(
        &mut self,
        apps: BTreeSet<AppName>,
        pins: &BTreeMap<AppName, Pin>,
        are_named: bool,
        dry_run: bool,
        now: Now,
    ) -> Result<Vec<Step>, Failure> {
        self.find_all(now)?;
        let mut steps = Vec::new();
        for app in apps {
            let begun = self.pull_one(&app, pins.contains_key(&app), are_named, dry_run, now)?;
            steps.extend(begun.map(|begun| Step { app, begun }));
        }
        Ok(steps)
    }

    fn pull_one(
        &mut self,
        app: &AppName,
        was_pinned: bool,
        is_named: bool,
        dry_run: bool,
        now: Now,
    ) -> Result<Option<Begun>, Failure> {
        let words = match self.arrival(app, now)? {
            None if self.state.notes.withheld.contains_key(app) => {
                return self.release_or_nothing(app, true, dry_run).map(Some);
            }
            None if was_pinned => return Ok(Some(Begun::Done("follows the branch again".to_owned()))),
            None if !is_named => return Ok(None),
            None if self.findings.get(app) == Some(&Finding::InSync) => {
                return Ok(Some(Begun::Done("is up to date".to_owned())));
            }
            None => return Ok(Some(Begun::Done(format!("nothing of it waits in Git: {}", self.why_not(app))))),
            Some(Arrival::Added) => "installed",
            Some(Arrival::Updated) => "updated",
            Some(Arrival::Deleted) => "deleted here",
        };
        Ok(Some(self.accept(app, words, true, dry_run)))
    }

    /// Brings the state of `from` to the disk: of these apps, or of all that it has. Where editing is allowed, that is an edit, to be
    /// pushed too if `push` says so; on a locked instance it pins the apps.
    ///
    /// # Errors
    /// Disk; or that it is not known what is in Git.
    pub fn pull_from(
        &mut self,
        from: &From,
        apps: Option<BTreeSet<AppName>>,
        (push, dry_run): (bool, bool),
        now: Now,
    ) -> Result<Vec<Step>, Failure> {
        self.look_and_find(now)?;
        let root = self.repo.commit(from.commit)?.tree;
        let there = app_trees(&*self.repo, Some(root), &self.settings.prefix)?.apps;
        let followed = |app: &&AppName| self.settings.filter.takes(app);
        let apps = apps.unwrap_or_else(|| there.keys().filter(followed).cloned().collect());
        let mut steps = Vec::new();
        for app in apps {
            let begun = match self.place(from, &there, &app, dry_run, now) {
                Err(failure) if failure.class == FailureClass::Disk => Begun::Not(failure.to_string()),
                begun => begun?,
            };
            if push && !dry_run && matches!(begun, Begun::Placed(_)) {
                self.state.notes.wanted.insert(app.clone());
            }
            steps.push(Step { app, begun });
        }
        self.save(now)?;
        Ok(steps)
    }

    fn place(
        &mut self,
        from: &From,
        there: &BTreeMap<AppName, ObjectId>,
        app: &AppName,
        dry_run: bool,
        now: Now,
    ) -> Result<Begun, Failure> {
        let Some(tree) = there.get(app).copied() else {
            return Ok(Begun::Not(format!("it is not in {}", from.name)));
        };
        if let Err(left_out) = self.must_be_followed(app) {
            return Ok(Begun::Not(left_out.to_string()));
        }
        if let Some(problem) = self.inspector.problem(&*self.repo, tree)? {
            return Ok(Begun::Not(format!("refused from Git: {problem}")));
        }
        let Local::Known(local) = self.disk.local(app, false, self.settings.debounce, now) else {
            return Ok(Begun::Not(self.why_not(app)));
        };
        let (locked, shown) = (self.settings.mode.locked, format!("{} ({})", from.name, from.commit.short()));
        let words = if locked { format!("pinned at {shown}") } else { format!("as in {shown}") };
        if dry_run {
            return Ok(Begun::Would(words));
        }
        if local != Some(tree) {
            let base = self.state.bases.get(app).copied();
            if self.with_release_of_git(app, local)? != base {
                self.keep_aside(app, local, "replaced by the state of another commit", now)?;
            }
            if self.workspace.install(app, local, Some(tree))? == Installed::Disturbed {
                return Err(disturbed(app));
            }
            self.disk.installed(app, Some(tree));
            let base = self.state.bases.get(app).copied();
            self.note_installed(app, base.or(local), Sides { base, local, remote: Some(tree) });
            tracing::info!(%app, from = from.name, commit = %from.commit.short(), "installed from another commit");
        }
        self.note_withheld(app, None);
        self.note_place(app, Pin { from: from.name.clone(), commit: from.commit, tree });
        Ok(if locked { Begun::Done(words) } else { Begun::Placed(words) })
    }

    /// On a locked instance the app stays there; else it is an edit of what the branch has.
    fn note_place(&mut self, app: &AppName, pin: Pin) {
        self.refused.remove(app);
        if self.settings.mode.locked {
            self.set_base(app, Some(pin.tree));
            self.state.notes.pins.insert(app.clone(), pin);
        } else if !self.state.notes.pending.contains_key(app) {
            self.set_base(app, self.remote.apps.get(app).copied());
        }
    }
}

fn no_such(app: &AppName, place: &str) -> Failure {
    let message = format!("there is no app {:?} {place}", app.as_str());
    Failure::new(FailureClass::Refused, message, "`appferry status` shows what there is")
}
