//! Planning: one finding an app.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::plan::{Hold, Mode, SyncPlan, plan, plan_with_volatile_saves};
use crate::domain::status::AppState;
use crate::domain::{AppName, Failure, ObjectId};

use super::disk::Local;
use super::incoming::wait_to_install;
use super::{Engine, Now};
use crate::sync::bases::{Wanted, find_bases};
use crate::sync::compare::half_written;

/// What planning found for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Both sides agree, and it is recorded.
    InSync,
    /// Both sides agree; record it.
    Adopt,
    /// The disk's state waits in a commit that is not pushed yet.
    Committed,
    /// Commit the disk's state.
    Push(Sides),
    /// Install the tip's state.
    Pull(Sides),
    /// Keep the disk's state aside, then install the tip's.
    Replace(Sides),
    /// Merge.
    Merge(Sides),
    /// The folder is gone, but not for long enough to count as removed.
    Gone,
    /// A removal that waits for a person, who is told this.
    HeldRemoval(String),
    /// Left alone, shown with this state and reason.
    Wait(AppState, String),
}

/// The snapshots that a plan was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) base: Option<ObjectId>,
    pub(super) local: Option<ObjectId>,
    /// At the head of what was committed here, which is the tip when nothing waits to be pushed.
    pub(super) remote: Option<ObjectId>,
}

impl Engine {
    /// Plans every app anew.
    pub(super) fn find_all(&mut self, now: Now) -> Result<(), Failure> {
        self.take_arrived(now)?;
        self.find_missing_bases()?;
        self.forget_released()?;
        let mut findings = BTreeMap::new();
        for app in self.known_apps() {
            let finding = self.find(&app, now)?;
            if self.is_nowhere(&app, &finding) {
                self.disk.forget(&app);
            } else {
                findings.insert(app, finding);
            }
        }
        // What a person asked for holds for the difference that was there, not for one of next month.
        let settled = |app: &AppName| matches!(findings.get(app), None | Some(Finding::InSync));
        self.state.notes.confirmed.retain(|app| !settled(app));
        self.state.notes.wanted.retain(|app| !settled(app));
        self.state.notes.wordings.retain(|app, _| !settled(app));
        self.forget_removals();
        self.state.notes.rewritten.retain(|app| !settled(app));
        self.state.notes.accepted.retain(|app, _| !settled(app));
        self.findings = findings;
        self.find_renames()?;
        self.hold_collisions();
        self.hold_removals(now)
    }

    fn known_apps(&self) -> BTreeSet<AppName> {
        (self.disk.names())
            .chain(self.remote.apps.keys())
            .chain(self.state.bases.keys())
            .chain(self.state.notes.pending.keys())
            .filter(|app| self.settings.filter.takes(app))
            .cloned()
            .collect()
    }

    fn is_nowhere(&self, app: &AppName, finding: &Finding) -> bool {
        *finding == Finding::InSync && !self.state.bases.contains_key(app) && !self.remote.apps.contains_key(app)
    }

    fn find(&mut self, app: &AppName, now: Now) -> Result<Finding, Failure> {
        if let Some(problem) = self.remote.hostile.get(app) {
            return Ok(Finding::Wait(
                AppState::Held,
                format!("refused from Git: {problem}; nothing of this app is installed until that is put right there"),
            ));
        }
        let pending = self.state.notes.pending.get(app).copied();
        let base = pending.unwrap_or_else(|| self.state.bases.get(app).copied());
        let remote = self.ahead.get(app).copied().unwrap_or_else(|| self.remote.apps.get(app).copied());
        match (self.state.notes.removing.get(app), remote) {
            (Some(seen), Some(there)) if *seen == there => {
                return self.held_back(app, Finding::Push(Sides { base, local: None, remote }), now);
            }
            (Some(_), Some(_)) => {
                self.state.notes.removing.remove(app); // somebody changed what was to be removed: it stays
            }
            _ => {}
        }
        let local = match self.disk.local(app, base.is_some(), self.settings.debounce, now) {
            Local::Known(local) => self.with_release_of_git(app, local)?,
            unknown => return Ok(wait_for_disk(&unknown)),
        };
        if base == local && local == remote {
            return Ok(if pending.is_some() { Finding::Committed } else { Finding::InSync });
        }
        if let Some(waits) = self.waits_on_own_branch(app, local, remote) {
            return Ok(waits);
        }
        if let Some(pinned) = self.find_pinned(app, local, remote)? {
            return Ok(pinned);
        }
        let facts = self.comparer.facts(&*self.repo, base, local, remote)?;
        let sides = Sides { base, local, remote };
        let plan: fn(&_, _) -> _ =
            if self.settings.input.skip_volatile_saves { plan } else { plan_with_volatile_saves };
        let finding = match plan(&facts, self.mode_for(app)) {
            // What is merged is written to disk only after the push was accepted (rule 1).
            SyncPlan::Nothing | SyncPlan::Adopt | SyncPlan::Pull | SyncPlan::Replace if pending.is_some() => {
                Finding::Committed
            }
            SyncPlan::Nothing => Finding::InSync,
            SyncPlan::Adopt => Finding::Adopt,
            SyncPlan::Pull => Finding::Pull(sides),
            SyncPlan::Replace => Finding::Replace(sides),
            SyncPlan::Push => Finding::Push(sides),
            SyncPlan::Merge => Finding::Merge(sides),
            SyncPlan::Hold(Hold::Untracked) if pending.is_some() => Finding::Committed,
            SyncPlan::Hold(Hold::Untracked) if self.state.notes.not_followed.contains(app) => Finding::Wait(
                AppState::Untracked,
                "removed from Git by a person, its folder stays here; `appferry sync add` adds it again".to_owned(),
            ),
            SyncPlan::Hold(hold @ (Hold::Behind | Hold::DriftBehind)) if pending.is_none() => {
                wait_to_install(app, hold, sides)
            }
            SyncPlan::Hold(Hold::Behind | Hold::DriftBehind) => Finding::Committed,
            SyncPlan::Hold(hold) => wait_for_person(hold, self.settings.mode),
        };
        self.held_back(app, finding, now)
    }

    /// What a person asked for happens even where it does not happen by itself; a lock is not lifted by asking.
    fn mode_for(&self, app: &AppName) -> Mode {
        let (mut mode, notes) = (self.settings.mode, &self.state.notes);
        if notes.wanted.contains(app) {
            mode = Mode { auto_save: true, auto_add: true, ..mode };
        } else if notes.not_followed.contains(app) {
            mode.auto_add = false;
        }
        mode.auto_pull |= notes.accepted.contains_key(app);
        mode
    }

    /// A removal that a person asked for is done when Git has the app no more; an app that is followed again is marked no more.
    fn forget_removals(&mut self) {
        let (apps, bases, notes) = (&self.remote.apps, &self.state.bases, &mut self.state.notes);
        notes.removing.retain(|app, _| apps.contains_key(app) || notes.pending.contains_key(app));
        notes.not_followed.retain(|app| {
            notes.removing.contains_key(app) || notes.pending.contains_key(app) || !bases.contains_key(app)
        });
    }

    /// A push or a merge may have to wait: for a half-written file or what must not get out, for the remote's refusal, for a person.
    fn held_back(&mut self, app: &AppName, finding: Finding, now: Now) -> Result<Finding, Failure> {
        let sides = match &finding {
            Finding::Push(sides) | Finding::Merge(sides) => *sides,
            _ => return Ok(finding),
        };
        if let Some(refusal) = self.refused.get(app) {
            let unchanged = refusal.local == sides.local && refusal.tip == self.state.notes.tip;
            if unchanged && now.instant < refusal.retry_at {
                let reason = format!("the remote refused it: {}; it is tried again by itself", refusal.words);
                return Ok(Finding::Wait(AppState::Held, reason));
            }
        }
        if let (Finding::Merge(_), Some(made)) = (&finding, self.merged_by_a_person(app, sides)) {
            let made = Sides { local: Some(made), ..sides };
            return Ok(self.unfit(app, made)?.map_or(finding, |problem| Finding::Wait(AppState::Held, problem)));
        }
        if let Some(problem) = half_written(&*self.repo, sides.base, sides.local)? {
            return Ok(Finding::Wait(AppState::Held, problem));
        }
        if let Some(problem) = self.unfit(app, sides)? {
            return Ok(Finding::Wait(AppState::Held, problem));
        }
        if matches!(finding, Finding::Merge(_)) && self.is_known_conflict(app, sides) {
            return Ok(Finding::Wait(self.clash_state(app), self.conflict_reason(app)));
        }
        Ok(finding)
    }

    /// What a person made of exactly these two sides.
    pub(super) fn merged_by_a_person(&self, app: &AppName, sides: Sides) -> Option<ObjectId> {
        let note = self.state.notes.merged.get(app)?;
        (note.ours == sides.local && note.theirs == sides.remote).then_some(note.tree)
    }

    /// Whether the branch had the disk's state of an app, as a whole, after the base. (A state from before the base is somebody's
    /// deliberate step back.)
    pub(super) fn is_in_history(&self, app: &AppName, sides: Sides) -> Result<bool, Failure> {
        let (Some(tip), Some(local)) = (self.state.notes.tip, sides.local) else { return Ok(false) };
        let wanted = BTreeMap::from([(app.clone(), Wanted { tree: local, not_before: sides.base })]);
        Ok(sides.base != sides.local && !find_bases(&*self.repo, tip, &self.settings.prefix, wanted)?.is_empty())
    }

    /// Rule 2: an app that is on both sides, differs, and has no base gets the newest commit that holds the disk's state as its
    /// base, if there is one. Each pair of snapshot and tip is searched for once.
    fn find_missing_bases(&mut self) -> Result<(), Failure> {
        let Some(tip) = self.state.notes.tip else { return Ok(()) };
        let mut wanted = BTreeMap::new();
        for app in self.remote.apps.keys() {
            if self.state.bases.contains_key(app) || self.state.notes.pending.contains_key(app) {
                continue;
            }
            let Some(local) = self.disk.settled(app) else { continue };
            let searched = self.searched.get(app) == Some(&(local, tip));
            if !searched && self.remote.apps.get(app) != Some(&local) {
                wanted.insert(app.clone(), Wanted { tree: local, not_before: None });
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        self.searched.extend(wanted.iter().map(|(app, state)| (app.clone(), (state.tree, tip))));
        let names: Vec<AppName> = wanted.keys().cloned().collect();
        let mut found = find_bases(&*self.repo, tip, &self.settings.prefix, wanted)?;
        let unfound = names.into_iter().filter(|app| !found.contains_key(app)).collect();
        found.extend(self.find_bases_last_seen(tip, unfound)?);
        for (app, base) in found {
            tracing::info!(%app, base = %base.short(), "found the state on disk in the history of the branch");
            self.set_base(&app, Some(base));
        }
        Ok(())
    }
}

pub(super) fn wait_for_disk(local: &Local) -> Finding {
    let (state, reason) = match local {
        Local::Gone => return Finding::Gone,
        Local::Emptied => (
            AppState::Held,
            "its folder is empty; delete the folder to remove the app, or put its files back".to_owned(),
        ),
        Local::Busy => {
            (AppState::Modified, "it is being written; it is looked at again once its files are quiet".to_owned())
        }
        Local::Unreadable(problem) => (AppState::Held, format!("it cannot be read as an app: {problem}")),
        Local::NotMounted | Local::Known(_) => {
            (AppState::Held, "the apps folder is not there; nothing counts as deleted".to_owned())
        }
    };
    Finding::Wait(state, reason)
}

fn wait_for_person(hold: Hold, mode: Mode) -> Finding {
    let (state, reason) = match hold {
        Hold::Untracked if mode.locked => (
            AppState::Untracked,
            "not in Git, and this instance is locked: it stays here; add it from an instance that may edit",
        ),
        Hold::Untracked => (AppState::Untracked, "not in Git; `appferry sync add` adds it"),
        Hold::Modified => (AppState::Modified, "changed here; `appferry sync push` pushes it"),
        Hold::ModifiedBehind => {
            (AppState::Modified, "modified, behind: changed here and in Git; `appferry sync push` merges and pushes it")
        }
        Hold::Drift => (
            AppState::Drift,
            "changed here although this instance is locked; kept aside and replaced when Git changes it",
        ),
        Hold::Behind | Hold::DriftBehind => (AppState::Behind, "changed in Git; `appferry sync update` installs it"),
        Hold::NameTaken => (
            AppState::Held,
            "Git has an app of this name that was not made from this one; rename one of them, or merge them with `appferry sync add`",
        ),
    };
    Finding::Wait(state, reason.to_owned())
}
