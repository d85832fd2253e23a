//! A local repository that is damaged: it is set aside, the branch is fetched anew, and what only it held is brought over.
//!
//! While that is under way (also over a restart) nothing is planned and nothing is saved: the state is that of the repository
//! that was set aside, or what can be read of it. What could not be read is planned anew from the disk and the branch, with
//! bases found in the branch's history.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::RefEdit;

use super::disk::Disk;
use super::{Engine, Now, RemoteView};
use crate::sync::bases::{Wanted, find_bases};
use crate::sync::hostile::Inspector;
use crate::sync::ref_names::time_component;
use crate::sync::state::{Notes, Proposal, STATE_REF, State, StateFile, salvage};
use crate::sync::trees::app_trees;

/// The repository is built anew this often within a while; more of it would not help.
const MOST_TIMES: usize = 2;
const A_WHILE: Duration = Duration::from_hours(1);
/// Older states that are tried when the newest cannot be read.
const MOST_STATES: usize = 200;
/// Unpushed commits that are taken apart when their chain is broken.
const MOST_COMMITS: usize = 1_000;

impl Engine {
    /// Sets the damaged repository aside; the next answer of the remote lets the rest be brought over.
    ///
    /// # Errors
    /// Disk; or that this was done lately and did not help.
    pub fn begin_mending(&mut self, damage: &Failure, now: Now) -> Result<(), Failure> {
        self.mended.retain(|at| now.instant.saturating_duration_since(*at) < A_WHILE);
        if self.mended.len() >= MOST_TIMES {
            return Err(did_not_help(damage));
        }
        tracing::warn!(%damage, "the local repository is damaged: it is built anew from the remote");
        self.mended.push(now.instant);
        self.repo.set_aside(&time_component(now.unix_seconds))?;
        self.forget_all();
        Ok(())
    }

    /// Whether the repository is being built anew: nothing is planned or saved meanwhile.
    #[must_use]
    pub fn is_mending(&self) -> bool {
        self.mending
    }

    /// Goes on after a start in the middle of it.
    pub(super) fn go_on_mending(&mut self) {
        tracing::info!("the local repository is still being built anew");
        self.forget_all();
    }

    fn forget_all(&mut self) {
        self.mending = true;
        self.last_seen.extend(self.workspace.forget());
        (self.state, self.state_file) = (State::default(), StateFile::default());
        (self.comparer, self.inspector) = (self.settings.comparer(), Inspector::default());
        (self.disk, self.remote) = (Disk::default(), RemoteView::default());
        self.untaken.clear(); // the workspace tells it again
        self.ahead.clear();
        self.refused.clear();
        self.searched.clear();
        self.one_by_one = false;
        self.rest = None;
    }

    /// The branch's objects are here, if there is one: brings over what only the damaged repository held.
    pub(super) fn end_mending(&mut self, now: Now) -> Result<(), Failure> {
        if let Err(failure) = self.bring_all_over(now) {
            self.forget_all(); // as before: it is begun again with the next answer
            return Err(failure);
        }
        let recovered = self.workspace.recover()?;
        self.take_arrived(now)?;
        tracing::warn!(
            apps = self.state.bases.len(),
            installs = recovered.len(),
            "the local repository was built anew"
        );
        Ok(())
    }

    fn bring_all_over(&mut self, now: Now) -> Result<(), Failure> {
        let aside = self.repo.refs_aside();
        let state = aside.iter().find(|(name, _)| name == STATE_REF).map(|(_, id)| *id);
        self.bring_refs_over(aside)?;
        self.mending = false;
        if let Some(found) = self.find_state_aside(state) {
            self.take_over_state(found, now)?;
        }
        self.restore_view()?;
        self.write_state(now)?; // the journals stay: this state may be older than what they brought
        self.workspace.save_cache()?; // the one on disk names what is not here
        self.repo.end_mending()
    }

    fn bring_refs_over(&self, mut refs: Vec<(String, ObjectId)>) -> Result<(), Failure> {
        refs.retain(|(name, _)| name != STATE_REF);
        let ids: Vec<ObjectId> = refs.iter().map(|(_, id)| *id).collect();
        let mut edits = Vec::new();
        for ((name, id), whole) in refs.into_iter().zip(self.repo.bring_over(&ids)?) {
            if whole {
                edits.push(RefEdit { name, to: Some(id) });
            } else {
                tracing::warn!(name, %id, "not all that this ref held can be read; it stays in the repository set aside");
            }
        }
        self.repo.edit_refs(&edits)
    }

    /// The newest state that can be read.
    fn find_state_aside(&self, newest: Option<ObjectId>) -> Option<State> {
        if let Some(state) = newest.and_then(|commit| salvage(&*self.repo, commit)) {
            return Some(state);
        }
        let mut older: Vec<(i64, ObjectId)> = (self.repo.commits_aside().into_iter())
            .filter_map(|id| {
                let commit = self.repo.commit(id).ok()?;
                crate::sync::state::is_state(&commit).then_some((commit.committer.seconds, id))
            })
            .collect();
        older.sort_unstable();
        older.into_iter().rev().take(MOST_STATES).find_map(|(_, id)| salvage(&*self.repo, id))
    }

    /// Of a state, all that is wholly here or can be brought here counts.
    pub(super) fn take_over_state(&mut self, found: State, now: Now) -> Result<(), Failure> {
        let State { bases, mut notes } = found;
        let trees: Vec<ObjectId> = bases.values().copied().collect();
        let whole = self.repo.bring_over(&trees)?;
        self.state.bases = bases.into_iter().zip(whole).filter(|(_, whole)| *whole).map(|(base, _)| base).collect();
        self.drop_broken_notes(&mut notes)?;
        let snapshots: Vec<ObjectId> = notes.pending.values().flatten().copied().collect();
        let chain_is_whole = self.is_whole(notes.tip)?
            && self.is_whole(notes.head)?
            && self.repo.bring_over(&snapshots)?.into_iter().all(|whole| whole);
        let head = notes.head.filter(|_| !chain_is_whole);
        let old_tip = notes.tip;
        if !chain_is_whole {
            notes.pending.clear();
            notes.tip = if self.is_whole(notes.tip)? { notes.tip } else { None };
            notes.head = notes.tip;
        }
        self.state.notes = notes;
        self.take_apart(head, old_tip, now)
    }

    /// A note whose content is not wholly here would stop the engine wherever it is looked at. Without it the app is planned anew.
    fn drop_broken_notes(&self, notes: &mut Notes) -> Result<(), Failure> {
        self.keep_whole("conflict", &mut notes.conflicts, |note| {
            [Some(note.commit), note.base, note.ours, note.theirs].into_iter().flatten().collect()
        })?;
        self.keep_whole("pin", &mut notes.pins, |pin| vec![pin.tree])?;
        self.keep_whole("merged version", &mut notes.merged, |note| vec![note.tree])?;
        self.keep_whole("withheld release", &mut notes.withheld, |note| note.git.into_iter().collect())?;
        let sent = notes.sent.as_ref();
        let needed = sent.map(|sent| sent.pending.values().flatten().copied().chain([sent.head]).collect::<Vec<_>>());
        if !self.are_whole(&needed.unwrap_or_default())? {
            notes.sent = None; // what became of it is planned anew
        }
        let waits = |proposal: &Proposal| {
            let trees = proposal.apps.values().filter_map(|proposed| proposed.tree);
            trees.chain([proposal.head]).chain(proposal.pushed).collect::<Vec<_>>()
        };
        let needed = notes.proposal.as_ref().map(waits).unwrap_or_default();
        if !self.are_whole(&needed)? {
            tracing::warn!("the note of what waits on a branch of our own was damaged; it is planned anew");
            notes.proposal = None;
        }
        Ok(())
    }

    fn keep_whole<T>(
        &self,
        what: &str,
        notes: &mut BTreeMap<AppName, T>,
        needs: impl Fn(&T) -> Vec<ObjectId>,
    ) -> Result<(), Failure> {
        for (app, note) in std::mem::take(notes) {
            if self.are_whole(&needs(&note))? {
                notes.insert(app, note);
            } else {
                tracing::warn!(%app, "the note of its {what} was damaged; the app is planned anew");
            }
        }
        Ok(())
    }

    fn are_whole(&self, ids: &[ObjectId]) -> Result<bool, Failure> {
        Ok(self.repo.bring_over(ids)?.into_iter().all(|whole| whole))
    }

    fn is_whole(&self, id: Option<ObjectId>) -> Result<bool, Failure> {
        let Some(id) = id else { return Ok(true) };
        Ok(self.repo.bring_over(&[id])?.first().copied().unwrap_or(false))
    }

    /// The unpushed commits do not hang together any more: the apps of those that can be read are kept aside one by one.
    fn take_apart(&mut self, head: Option<ObjectId>, tip: Option<ObjectId>, now: Now) -> Result<(), Failure> {
        let mut at = head;
        for _ in 0..MOST_COMMITS {
            let Some(id) = at.filter(|id| Some(*id) != tip) else { break };
            let Ok(commit) = self.repo.commit(id) else { break };
            at = commit.parents.first().copied();
            let prefix = &self.settings.prefix;
            let apps_of = |tree| app_trees(&*self.repo, Some(tree), prefix).map(|found| found.apps).unwrap_or_default();
            let before = at.and_then(|parent| self.repo.commit(parent).ok()).map(|parent| apps_of(parent.tree));
            let before = before.unwrap_or_default();
            let changed: Vec<(AppName, ObjectId)> =
                apps_of(commit.tree).into_iter().filter(|(app, tree)| before.get(app) != Some(tree)).collect();
            for (app, tree) in changed {
                if self.is_whole(Some(tree))? {
                    self.keep_aside(&app, Some(tree), "not pushed yet when the local repository was damaged", now)?;
                }
            }
        }
        Ok(())
    }

    /// An app that lost its base with the repository, and was saved before that was noticed: what it was before the save was
    /// made from the same base.
    pub(super) fn find_bases_last_seen(
        &mut self,
        tip: ObjectId,
        apps: Vec<AppName>,
    ) -> Result<BTreeMap<AppName, ObjectId>, Failure> {
        let seen = apps.into_iter().filter_map(|app| {
            let tree = self.last_seen.remove(&app)?;
            Some((app, Wanted { tree, not_before: None }))
        });
        let wanted: BTreeMap<AppName, Wanted> = seen.collect();
        if wanted.is_empty() {
            Ok(BTreeMap::new())
        } else {
            find_bases(&*self.repo, tip, &self.settings.prefix, wanted)
        }
    }

    /// What a person is told of it.
    pub(super) fn mending_notice(&self) -> Option<String> {
        let place = self.repo.damaged_one()?;
        Some(if self.mending {
            format!(
                "the local repository is damaged and is built anew as soon as the remote answers; until then nothing is committed or installed; the damaged one is in {place}"
            )
        } else {
            format!(
                "the local repository was damaged and was built anew; check the disk; the damaged one is in {place}: delete it when nothing is missed"
            )
        })
    }
}

fn did_not_help(damage: &Failure) -> Failure {
    let message = format!(
        "the local repository was built anew {MOST_TIMES} times within {} minutes and is damaged again: {}",
        A_WHILE.as_secs() / 60,
        damage.message
    );
    let remedy = "check the disk and the memory of this machine, and run `git fsck` on the remote; it is tried again within the hour, or at the next start";
    Failure::new(FailureClass::Damaged, message, remedy)
}

/// When it was done lately.
pub(super) type Mended = Vec<Instant>;
