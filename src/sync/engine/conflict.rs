//! Conflicts: both sides are kept, ours on a branch of its own, and the app waits (rule 9).

use crate::domain::words;
use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::{Commit, RefEdit};

use super::disk::Local;
use super::finding::Sides;
use super::{Engine, Now};
use crate::sync::ref_names::{component, time_component};
use crate::sync::state::ConflictNote;
use crate::sync::trees::with_apps;

/// Which side a person takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// What is on disk here.
    Ours,
    /// What is in Git.
    Theirs,
}

/// Clashes that a reason names; the rest is counted.
const NAMED: usize = 3;

impl Engine {
    /// Whether exactly these snapshots are known to clash.
    pub(super) fn is_known_conflict(&self, app: &AppName, sides: Sides) -> bool {
        (self.state.notes.conflicts.get(app))
            .is_some_and(|note| note.base == sides.base && note.ours == sides.local && note.theirs == sides.remote)
    }

    /// Keeps our side on the app's conflict branch: a new one, or one more commit on it if our side changed.
    pub(super) fn note_conflict(
        &mut self,
        app: &AppName,
        sides: Sides,
        clashes: Vec<String>,
        now: Now,
    ) -> Result<(), Failure> {
        let known = self.state.notes.conflicts.get(app).cloned();
        let mut note = match known {
            Some(known) if known.ours == sides.local => known,
            Some(known) => {
                let commit = self.conflict_commit(app, known.ours, sides, known.commit, now)?;
                ConflictNote { commit, push_error: None, ..known }
            }
            None => {
                let instance = component(&self.settings.instance);
                let time = time_component(now.unix_seconds);
                let commit = self.conflict_commit(app, sides.base, sides, self.tip_or_zero(), now)?;
                ConflictNote {
                    branch: format!("conflict/{instance}/{}/{time}", component(app.as_str())),
                    commit,
                    pushed: None,
                    push_error: None,
                    base: None,
                    ours: None,
                    theirs: None,
                    clashes: Vec::new(),
                }
            }
        };
        tracing::warn!(%app, branch = note.branch, ?clashes, "conflict: both sides are kept, ours on a branch of its own");
        note = ConflictNote { base: sides.base, ours: sides.local, theirs: sides.remote, clashes, ..note };
        let name = format!("refs/appferry/conflict/{}", component(app.as_str()));
        self.repo.edit_refs(&[RefEdit { name, to: Some(note.commit) }])?;
        self.state.notes.conflicts.insert(app.clone(), note);
        Ok(())
    }

    fn conflict_commit(
        &self,
        app: &AppName,
        before: Option<ObjectId>,
        sides: Sides,
        parent: ObjectId,
        now: Now,
    ) -> Result<ObjectId, Failure> {
        let root = self.repo.commit(parent)?.tree;
        let edits = std::iter::once((app.clone(), sides.local)).collect();
        self.repo.write_commit(&Commit {
            tree: with_apps(&*self.repo, Some(root), &self.settings.prefix, &edits)?,
            parents: vec![parent],
            author: self.author(now),
            committer: self.committer(now),
            message: words::with_trailer(&self.describe(app, before, sides.local)?, &self.settings.instance),
        })
    }

    /// A conflict needs a remote side, so there is a tip.
    fn tip_or_zero(&self) -> ObjectId {
        self.state.notes.tip.unwrap_or(ObjectId::ZERO)
    }

    /// What a person is told.
    pub(super) fn conflict_reason(&self, app: &AppName) -> String {
        let Some(note) = self.state.notes.conflicts.get(app) else { return String::new() };
        let mut clashes: Vec<&str> = note.clashes.iter().take(NAMED).map(String::as_str).collect();
        let more = format!("and {} more", note.clashes.len().saturating_sub(NAMED));
        if note.clashes.len() > NAMED {
            clashes.push(&more);
        }
        let kept = match &note.push_error {
            None => format!("ours is on branch {:?}", note.branch),
            Some(error) => format!("ours is kept here (its branch {:?} could not be pushed: {error})", note.branch),
        };
        format!(
            "{}; {kept}, theirs on {:?}; take one with `appferry sync resolve {:?} --take ours`, or theirs",
            clashes.join("; "),
            self.settings.branch.as_str(),
            app.as_str(),
        )
    }

    /// Ends a conflict the way a person decided.
    ///
    /// # Errors
    /// That the app is in no conflict, or cannot be read at the moment; disk.
    pub fn resolve(&mut self, app: &AppName, take: Take, now: Now) -> Result<(), Failure> {
        if !self.state.notes.conflicts.contains_key(app) {
            return Err(Failure::new(
                FailureClass::Internal,
                format!("the app {:?} is in no conflict", app.as_str()),
                "`appferry status` shows which apps are",
            ));
        }
        let Local::Known(local) = self.disk.local(app, false, self.settings.debounce, now) else {
            return Err(Failure::new(
                FailureClass::Disk,
                format!("the app {:?} is being written, or cannot be read", app.as_str()),
                "try again once it is quiet; `appferry status` shows it",
            ));
        };
        match take {
            Take::Ours => {
                self.set_base(app, self.remote.apps.get(app).copied());
                self.state.notes.wanted.insert(app.clone());
            }
            Take::Theirs => {
                self.keep_aside(app, local, "theirs was taken in a conflict", now)?;
                let local = self.with_release_of_git(app, local)?;
                self.set_base(app, local);
            }
        }
        self.state.notes.confirmed.insert(app.clone());
        self.save(now)
    }
}
