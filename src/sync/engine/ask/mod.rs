//! What a person may ask for: it begins, a pass carries it on, and then it is told what became of it.

mod as_if;
mod confirm;
mod look;
mod place;
mod push;
mod remove;
mod resolve;
mod restore;
mod revert;
mod tag;

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::sync::action::{Action, ActionReport, AppOutcome, RefFate, RefReport};

pub use look::Difference;
pub(super) use tag::Tagging;

use super::finding::Finding;
use super::{Engine, Knowledge, Now};

/// An action that has begun, or would.
#[derive(Debug)]
pub struct Begun {
    dry_run: bool,
    goals: Vec<Goal>,
    tag: Option<RefReport>,
}

/// What shall become of one app.
#[derive(Debug)]
struct Goal {
    app: AppName,
    /// What would be done, for a dry run.
    will: String,
    /// What is said when it is done.
    done: String,
    until: Until,
}

/// When a goal is reached.
#[derive(Debug)]
enum Until {
    /// It was reached when it began.
    AtOnce,
    /// Both sides are equal.
    Settled,
    /// The app is not in Git.
    OutOfGit,
    /// Something stands in the way, which the pass may or may not overcome.
    Blocked(String),
}

impl Engine {
    /// Begins an action; in a dry run, only says what it would do. The pass that follows carries it on.
    ///
    /// # Errors
    /// Why nothing of it can be done; disk.
    pub fn begin(&mut self, action: Action, dry_run: bool, now: Now) -> Result<Begun, Failure> {
        self.told.clear();
        self.tagging = None;
        let tag = match &action {
            Action::Push(request) => request.tag.clone(),
            _ => None,
        };
        let goals = match action {
            Action::Confirm(apps) => self.begin_confirm(apps, dry_run, now)?,
            Action::Push(request) => self.begin_push(&request, dry_run, now)?,
            Action::Add(apps) => self.begin_add(apps, dry_run, now)?,
            Action::Remove(apps) => self.begin_remove(apps, dry_run, now)?,
            Action::Resolve(app, resolution) => vec![self.begin_resolve(app, &resolution, dry_run, now)?],
            Action::Revert(apps) => self.begin_revert(apps, dry_run, now)?,
            Action::Restore(app, to) => vec![self.begin_restore(app, &to, dry_run, now)?],
            Action::RestoreKept(id) => vec![self.begin_restore_kept(&id, dry_run, now)?],
        };
        self.save(now)?;
        let tag = tag.filter(|_| dry_run).map(|tag| would_tag(&tag.name.full_ref()));
        Ok(Begun { dry_run, goals, tag })
    }

    /// What became of an action, after the pass.
    pub fn end(&mut self, begun: Begun) -> ActionReport {
        let Begun { dry_run, goals, tag } = begun;
        if dry_run {
            let would = |goal: Goal| match goal.until {
                Until::Blocked(why) => AppOutcome { app: goal.app.into(), done: false, message: why },
                _ => AppOutcome { app: goal.app.into(), done: true, message: goal.will },
            };
            let apps = goals.into_iter().map(would).collect();
            return ActionReport { apps, refs: tag.into_iter().collect(), dry_run };
        }
        let apps = goals.into_iter().map(|goal| self.outcome(goal)).collect();
        let unsent = self.end_tagging();
        let mut refs = std::mem::take(&mut self.told);
        refs.extend(unsent);
        ActionReport { apps, refs, dry_run }
    }

    fn outcome(&self, goal: Goal) -> AppOutcome {
        let missing = match goal.until {
            Until::AtOnce => None,
            Until::Settled | Until::Blocked(_) => self.why_not_settled(&goal.app),
            Until::OutOfGit => self.why_still_in_git(&goal.app),
        };
        AppOutcome { app: goal.app.into(), done: missing.is_none(), message: missing.unwrap_or(goal.done) }
    }

    fn why_not_settled(&self, app: &AppName) -> Option<String> {
        if matches!(self.remote.knowledge, Knowledge::Nothing | Knowledge::Absent(_)) {
            return Some("the branch was not reached; it goes on by itself once it is".to_owned());
        }
        let finding = self.findings.get(app)?;
        self.app_status(app, finding).reason
    }

    fn why_still_in_git(&self, app: &AppName) -> Option<String> {
        if !self.remote.apps.contains_key(app) {
            return None;
        }
        if !self.state.notes.removing.contains_key(app) {
            return Some(
                "it was changed in Git in the meantime and stays there; ask again to remove it as it is now".into(),
            );
        }
        Some(match self.findings.get(app) {
            Some(Finding::Wait(_, reason)) => reason.clone(),
            _ => "its removal waits to be pushed; that goes on by itself".to_owned(),
        })
    }

    /// The app in Git, with what was committed here already.
    fn in_git(&self, app: &AppName) -> Option<ObjectId> {
        self.ahead.get(app).copied().unwrap_or_else(|| self.remote.apps.get(app).copied())
    }

    /// An app that the patterns leave out is as if it were on neither side: nothing is written for it.
    pub(super) fn must_be_followed(&self, app: &AppName) -> Result<(), Failure> {
        if self.settings.filter.takes(app) {
            return Ok(());
        }
        let remedy = "change `include` or `exclude` of this repository in the file of APPFERRY_CONFIG";
        Err(refuse_with(app, "is not followed here: the patterns leave it out", remedy))
    }

    fn must_not_be_locked(&self) -> Result<(), Failure> {
        if !self.settings.mode.locked {
            return Ok(());
        }
        Err(Failure::new(
            FailureClass::Refused,
            "this instance is locked: its edits never reach Git",
            "do it at an instance that may edit, or lift the lock in its environment",
        ))
    }
}

fn refuse(app: &AppName, why: impl std::fmt::Display) -> Failure {
    refuse_with(app, why, "`appferry status` shows what there is")
}

fn refuse_with(app: &AppName, why: impl std::fmt::Display, remedy: &str) -> Failure {
    Failure::new(FailureClass::Refused, format!("the app {:?} {why}", app.as_str()), remedy)
}

fn would_tag(name: &str) -> RefReport {
    let words = Some("would be made on what is pushed, unless the remote has a tag of this name".to_owned());
    RefReport { name: name.to_owned(), old: None, new: None, outcome: RefFate::NotSent, words }
}
