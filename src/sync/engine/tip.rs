//! The remote's tip moved, or was seen for the first time: the view of it is renewed and unpushed commits are rebuilt on it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::{Commit, RemoteTip};

use super::collision::colliding;
use super::{Engine, Knowledge, Now};
use crate::sync::elsewhere::apps_elsewhere;
use crate::sync::trees::app_trees;

/// A commit that is not pushed yet, and what it makes of which apps.
pub(super) struct Unpushed {
    pub(super) id: ObjectId,
    pub(super) commit: Commit,
    pub(super) edits: BTreeMap<AppName, Option<ObjectId>>,
}

impl Engine {
    /// Takes over what the remote said of the branch; a tip's objects must be here. Answers whether that was news.
    ///
    /// # Errors
    /// Disk or internal.
    pub fn take_tip(&mut self, tip: &RemoteTip, now: Now) -> Result<bool, Failure> {
        if self.is_mending() {
            self.end_mending(now)?;
        }
        let before = self.remote.knowledge.clone();
        let news = match tip {
            RemoteTip::At(id) if Some(*id) == self.state.notes.tip => {
                self.remote.knowledge = Knowledge::Tip;
                false
            }
            RemoteTip::At(id) => {
                self.move_to(*id, now)?;
                true
            }
            RemoteTip::Unborn if !self.state.notes.branch_seen => {
                self.remote.knowledge = Knowledge::Unborn;
                self.state.notes.unborn_seen = true;
                false
            }
            RemoteTip::Unborn => {
                self.remote.knowledge = Knowledge::Absent(Vec::new());
                false
            }
            RemoteTip::Absent(others) => {
                self.remote.knowledge = Knowledge::Absent(others.clone());
                false
            }
        };
        Ok(news || before != self.remote.knowledge)
    }

    /// After a start: the view of the tip and the commits on top of it, from what the state remembers.
    pub(super) fn restore_view(&mut self) -> Result<(), Failure> {
        if let Some(tip) = self.state.notes.tip {
            self.view_tip(tip)?;
            self.remote.knowledge = Knowledge::Tip;
        } else if self.state.notes.unborn_seen {
            self.remote.knowledge = Knowledge::Unborn;
        }
        for unpushed in self.unpushed_since(self.state.notes.tip)? {
            self.ahead.extend(unpushed.edits);
        }
        Ok(())
    }

    fn move_to(&mut self, id: ObjectId, now: Now) -> Result<(), Failure> {
        self.all_or_nothing(|engine| engine.rebase_onto(id, now))?;
        self.refused.clear();
        self.one_by_one = false;
        tracing::info!(tip = %id.short(), apps = self.remote.apps.len(), "the branch moved");
        self.save(now)
    }

    /// Undoes what `work` did to the view and the memory if it fails half-way: a view without its apps would read as if they had
    /// been deleted.
    pub(super) fn all_or_nothing(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let before = (self.state.clone(), self.remote.clone(), self.ahead.clone());
        let done = work(self);
        if done.is_err() {
            (self.state, self.remote, self.ahead) = before;
        }
        done
    }

    pub(super) fn rebase_onto(&mut self, id: ObjectId, now: Now) -> Result<(), Failure> {
        let old_tip = self.state.notes.tip;
        let mut unpushed = self.unpushed_since(old_tip)?;
        let mut old_apps = std::mem::take(&mut self.remote.apps);
        self.view_tip(id)?;
        let landed = self.landed(id, &unpushed)?;
        if let Some(old_tip) = old_tip
            && !self.repo.descends_from(id, old_tip)?
        {
            self.keep_history(old_tip, &old_apps, now)?;
            self.note_rewritten(&old_apps);
        }
        self.state.notes.tip = Some(id);
        self.state.notes.head = Some(id);
        self.state.notes.sent = None;
        self.state.notes.branch_seen = true;
        self.remote.knowledge = Knowledge::Tip;
        self.ahead.clear();
        if let Some(landed) = landed {
            self.confirm_landed(landed, &mut unpushed, &mut old_apps, now)?;
        }
        if !unpushed.is_empty() {
            self.rebuild(unpushed, &old_apps, now)?;
        }
        Ok(())
    }

    /// Reads the apps at `tip`, and refuses those that may not be written.
    fn view_tip(&mut self, tip: ObjectId) -> Result<(), Failure> {
        let root = self.repo.commit(tip)?.tree;
        let mut found = app_trees(&*self.repo, Some(root), &self.settings.prefix)?;
        // A hint only: what cannot be read outside the folder of the apps stops nothing.
        let elsewhere = found.apps.is_empty().then(|| apps_elsewhere(&*self.repo, root).ok().flatten()).flatten();
        found.apps.retain(|app, _| self.settings.filter.takes(app));
        let mut hostile = colliding(found.apps.keys());
        for (app, tree) in &found.apps {
            if let Some(problem) = self.inspector.problem(&*self.repo, *tree)? {
                hostile.insert(app.clone(), problem);
            }
        }
        for (app, problem) in &hostile {
            tracing::warn!(%app, problem, "refused an app from Git");
        }
        self.remote.apps = found.apps;
        self.remote.refused_names = found.refused;
        self.remote.elsewhere = elsewhere;
        self.remote.hostile = hostile;
        Ok(())
    }

    /// Commits between `tip` and the head, oldest first.
    pub(super) fn unpushed_since(&self, tip: Option<ObjectId>) -> Result<Vec<Unpushed>, Failure> {
        let mut found = Vec::new();
        let mut at = self.state.notes.head.filter(|_| self.state.notes.head != tip);
        while let Some(id) = at.filter(|id| Some(*id) != tip) {
            let commit = self.repo.commit(id)?;
            let parent = commit.parents.first().copied();
            let parent_root = parent.map(|parent| self.repo.commit(parent)).transpose()?.map(|commit| commit.tree);
            let before = app_trees(&*self.repo, parent_root, &self.settings.prefix)?.apps;
            let after = app_trees(&*self.repo, Some(commit.tree), &self.settings.prefix)?.apps;
            let names: BTreeSet<&AppName> = before.keys().chain(after.keys()).collect();
            let edits = (names.into_iter())
                .filter(|app| before.get(*app) != after.get(*app))
                .map(|app| (app.clone(), after.get(app).copied()))
                .collect();
            found.push(Unpushed { id, commit, edits });
            at = parent;
        }
        found.reverse();
        Ok(found)
    }

    /// Puts the unpushed commits on the new tip (rule 5): apps that the remote left alone replay theirs, the others are
    /// kept aside and planned anew.
    fn rebuild(
        &mut self,
        unpushed: Vec<Unpushed>,
        old_apps: &BTreeMap<AppName, ObjectId>,
        now: Now,
    ) -> Result<(), Failure> {
        let touched: BTreeSet<AppName> = (unpushed.iter().flat_map(|unpushed| unpushed.edits.keys()))
            .filter(|app| old_apps.get(*app) != self.remote.apps.get(*app))
            .cloned()
            .collect();
        let touched = self.with_other_names(touched);
        for Unpushed { commit, mut edits, .. } in unpushed {
            for app in &touched {
                if let Some(tree) = edits.remove(app) {
                    self.keep_aside(app, tree, "superseded by a merge", now)?;
                }
            }
            if !edits.is_empty() {
                self.put_on_head(&edits, commit)?;
            }
        }
        self.forget_pending(&touched);
        Ok(())
    }

    /// These apps, and what they were renamed from or to in the commits that are not pushed yet.
    pub(super) fn with_other_names(&self, mut apps: BTreeSet<AppName>) -> BTreeSet<AppName> {
        loop {
            let known = apps.len();
            for (old, new) in &self.state.notes.renamed {
                if apps.contains(old) || apps.contains(new) {
                    apps.extend([old.clone(), new.clone()]);
                }
            }
            if apps.len() == known {
                return apps;
            }
        }
    }

    fn forget_pending(&mut self, apps: &BTreeSet<AppName>) {
        self.state.notes.pending.retain(|app, _| !apps.contains(app));
        self.state.notes.renamed.retain(|old, _| !apps.contains(old));
    }

    /// Takes the unpushed commits of these apps back; their state on disk is planned anew.
    pub(super) fn drop_unpushed(&mut self, apps: &[AppName], now: Now) -> Result<(), Failure> {
        let apps = self.with_other_names(apps.iter().cloned().collect());
        self.all_or_nothing(|engine| engine.replay_without(&apps, now))
    }

    fn replay_without(&mut self, apps: &BTreeSet<AppName>, now: Now) -> Result<(), Failure> {
        let unpushed = self.unpushed_since(self.state.notes.tip)?;
        self.state.notes.head = self.state.notes.tip;
        self.ahead.clear();
        for Unpushed { commit, mut edits, .. } in unpushed {
            for app in apps {
                let taken_back = edits.remove(app).flatten();
                if taken_back != self.disk.settled(app) {
                    self.keep_aside(app, taken_back, "taken back before it was pushed", now)?;
                }
            }
            if !edits.is_empty() {
                self.put_on_head(&edits, commit)?;
            }
        }
        self.forget_pending(apps);
        Ok(())
    }
}
