//! What of our commits has arrived: a push may be accepted without an answer coming back, and more may be committed while it is
//! under way. What was sent is remembered until that is clear, with the snapshots it was made from: they are the bases then.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AppName, Failure, ObjectId};

use super::tip::Unpushed;
use super::{Engine, Now};
use crate::sync::state::Sent;
use crate::sync::trees::app_trees;

impl Engine {
    /// A push begins: all up to `head` is on its way.
    pub(super) fn note_sent(&mut self, head: ObjectId) {
        let notes = &mut self.state.notes;
        notes.sent = Some(Sent { head, pending: notes.pending.clone(), renamed: notes.renamed.clone() });
    }

    /// Whether something was sent and it is not known what became of it. Nothing more is sent before the branch was asked for.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.state.notes.sent.is_some()
    }

    /// What of ours the history of `tip` holds: all, or what the last push sent.
    pub(super) fn landed(&self, tip: ObjectId, unpushed: &[Unpushed]) -> Result<Option<Sent>, Failure> {
        let notes = &self.state.notes;
        if let Some(head) = notes.head.filter(|_| !unpushed.is_empty())
            && self.repo.descends_from(tip, head)?
        {
            return Ok(Some(Sent { head, pending: notes.pending.clone(), renamed: notes.renamed.clone() }));
        }
        match &notes.sent {
            Some(sent) if self.repo.descends_from(tip, sent.head)? => Ok(Some(sent.clone())),
            _ => Ok(None),
        }
    }

    /// `landed` is in Git: what it was made from are the bases. Of `unpushed` only what came after it is left, and `apps` are those
    /// that Git had after it.
    pub(super) fn confirm_landed(
        &mut self,
        landed: Sent,
        unpushed: &mut Vec<Unpushed>,
        apps: &mut BTreeMap<AppName, ObjectId>,
        now: Now,
    ) -> Result<(), Failure> {
        let root = self.repo.commit(landed.head)?.tree;
        let mut there = app_trees(&*self.repo, Some(root), &self.settings.prefix)?.apps;
        there.retain(|app, _| self.settings.filter.takes(app));
        self.note_pushed(&differences(apps, &there), apps);
        *apps = there;
        match unpushed.iter().position(|unpushed| unpushed.id == landed.head) {
            Some(at) => drop(unpushed.drain(..=at)),
            None => {
                // Taken back or rebuilt since: on top of what landed it is planned anew.
                for (app, tree) in unpushed.drain(..).flat_map(|unpushed| unpushed.edits) {
                    self.keep_aside(&app, tree, "superseded by a merge", now)?;
                }
            }
        }
        let notes = &mut self.state.notes;
        notes.renamed.retain(|old, new| landed.renamed.get(old) != Some(new));
        let later = unpushed.iter().flat_map(|unpushed| unpushed.edits.keys().cloned()).collect();
        let later = self.with_other_names(later);
        self.state.notes.pending.retain(|app, _| later.contains(app));
        self.make_bases(landed.pending, &landed.renamed, &later, now);
        Ok(())
    }

    /// All that was committed is at the remote.
    pub(super) fn confirm_pending(&mut self, now: Now) {
        let renamed = std::mem::take(&mut self.state.notes.renamed);
        let pending = std::mem::take(&mut self.state.notes.pending);
        self.make_bases(pending, &renamed, &BTreeSet::new(), now);
    }

    /// What was sent is at the remote: the snapshots it was made from are the bases now. Of `later` apps more waits to be pushed.
    fn make_bases(
        &mut self,
        pending: BTreeMap<AppName, Option<ObjectId>>,
        renamed: &BTreeMap<AppName, AppName>,
        later: &BTreeSet<AppName>,
        now: Now,
    ) {
        for (app, snapshot) in pending {
            let is_removal = snapshot.is_none() && !self.remote.apps.contains_key(&app);
            let is_counted = !renamed.contains_key(&app) && !self.state.notes.removing.contains_key(&app);
            if is_removal && is_counted {
                self.state.notes.deletions_here.push(now.unix_seconds);
            }
            self.set_base(&app, snapshot);
            self.refused.remove(&app);
            if later.contains(&app) {
                continue; // what a person asked for is not done yet
            }
            self.state.notes.wanted.remove(&app);
            self.state.notes.wordings.remove(&app);
            self.state.notes.confirmed.remove(&app);
            if renamed.contains_key(&app) && snapshot.is_some() {
                self.state.notes.confirmed.insert(app); // its folder here goes: it is in Git under the new name
            }
        }
    }
}

/// What `new` makes of the apps in `old`.
fn differences(
    old: &BTreeMap<AppName, ObjectId>,
    new: &BTreeMap<AppName, ObjectId>,
) -> BTreeMap<AppName, Option<ObjectId>> {
    let names: BTreeSet<&AppName> = old.keys().chain(new.keys()).collect();
    let differs = |app: &&AppName| old.get(*app) != new.get(*app);
    names.into_iter().filter(differs).map(|app| (app.clone(), new.get(app).copied())).collect()
}
