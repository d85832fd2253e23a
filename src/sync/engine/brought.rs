//! What installs brought: the workspace tells of it, also when a crash, an error or a save came between an install and its note.
//!
//! It is the base of what was saved since; else a step back in Git would look like an edit here. Each install is told until its
//! journal is removed, and counts once: its id is in the state that notes it.

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::Arrived;

use super::finding::Sides;
use super::{Engine, Now};
use crate::sync::trees::with_files_of;

impl Engine {
    /// Takes over what the workspace has to tell of installs that no caller waits for any more.
    pub(super) fn take_arrived(&mut self, now: Now) -> Result<(), Failure> {
        let arrived = self.workspace.take_arrived();
        self.take_for_bases(arrived, now)
    }

    /// These are noted: they count no more if their journals outlast the next save.
    pub(super) fn note_brought(&mut self, arrived: &[Arrived]) {
        if arrived.is_empty() {
            return;
        }
        if std::mem::take(&mut self.journals_removed) {
            self.state.notes.brought.clear();
        }
        let ids = arrived.iter().filter(|arrived| !arrived.id.is_empty());
        self.state.notes.brought.extend(ids.map(|arrived| (arrived.app.clone(), arrived.id.clone())));
    }

    /// What an install brought is the base of what was saved since. Files that were left keep the base that they had. What cannot
    /// be taken yet stays, in its order, and so do the journals: it is tried again before anything is planned.
    pub(super) fn take_for_bases(&mut self, arrived: Vec<Arrived>, now: Now) -> Result<(), Failure> {
        self.untaken.extend(arrived);
        if self.mending {
            return Ok(()); // the bases are not here yet
        }
        while let Some(arrived) = self.untaken.front().cloned() {
            self.rest = None;
            let is_noted = !arrived.id.is_empty() && self.state.notes.brought.get(&arrived.app) == Some(&arrived.id);
            if !is_noted {
                self.take_for_base(&arrived, now)?;
                self.note_brought(&[arrived]);
            }
            self.untaken.pop_front();
        }
        Ok(())
    }

    fn take_for_base(&mut self, Arrived { app, tree, left, .. }: &Arrived, now: Now) -> Result<(), Failure> {
        if !tree.map_or(Ok(true), |tree| self.repo.contains(tree))? {
            return Ok(()); // the repository was damaged and built anew since: the base is found in the history
        }
        let before = self.state.bases.get(app).copied();
        let left: Vec<&str> = left.iter().map(String::as_str).collect();
        let base = with_files_of(&*self.repo, *tree, before, &left)?;
        if base == before {
            return Ok(());
        }
        if !self.disk.not_looked() && self.disk.not_mounted.is_none() {
            self.look_at(app, now)?; // on top of this base, what was there before would be a step back
        }
        self.note_installed(app, before, Sides { base: before, local: before, remote: base });
        if tree.is_none() && left.is_empty() && !self.state.notes.renamed_there.contains_key(app) {
            self.state.notes.deletions_remote.push(now.unix_seconds);
        }
        self.state.notes.pending.remove(app); // nothing of it waited when it was installed
        self.move_base(app, base, left.is_empty());
        Ok(())
    }

    fn move_base(&mut self, app: &AppName, base: Option<ObjectId>, is_whole: bool) {
        if is_whole {
            return self.set_base(app, base);
        }
        match base {
            Some(base) => self.state.bases.insert(app.clone(), base),
            None => self.state.bases.remove(app),
        };
        self.rest = None;
    }
}
