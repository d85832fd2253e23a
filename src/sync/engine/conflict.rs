//! Conflicts: both sides are kept, ours on a branch of its own, and the app waits (rule 9).

use std::collections::BTreeMap;

use crate::domain::event::What;
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

/// Three snapshots that could not be merged.
pub(super) struct Clashing {
    pub(super) sides: Sides,
    /// What clashes, one sentence each.
    pub(super) clashes: Vec<String>,
    /// The app's new name here, and in Git, if it has one.
    pub(super) renamed_here: Option<AppName>,
    pub(super) renamed_there: Option<AppName>,
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
    pub(super) fn note_conflict(&mut self, app: &AppName, clashing: Clashing, now: Now) -> Result<(), Failure> {
        let sides = clashing.sides;
        let known = self.state.notes.conflicts.get(app).cloned();
        let mut note = match known {
            Some(known) if known.ours == sides.local => known,
            Some(known) => {
                let commit = self.conflict_commit(app, known.ours, &clashing, known.commit, now)?;
                ConflictNote { commit, push_error: None, ..known }
            }
            None => {
                let instance = component(&self.settings.instance);
                let time = time_component(self.recorded(now).unix_seconds);
                let commit = self.conflict_commit(app, sides.base, &clashing, self.tip_or_zero(), now)?;
                ConflictNote {
                    branch: format!("conflict/{instance}/{}/{time}", component(app.as_str())),
                    commit,
                    pushed: None,
                    push_error: None,
                    base: None,
                    ours: None,
                    theirs: None,
                    clashes: Vec::new(),
                    renamed_here: None,
                    renamed_there: None,
                }
            }
        };
        let Clashing { clashes, renamed_here, renamed_there, .. } = clashing;
        tracing::warn!(%app, branch = note.branch, ?clashes, "conflict: both sides are kept, ours on a branch of its own");
        if !self.state.notes.conflicts.contains_key(app) {
            self.note(Some(app), What::Conflict { branch: note.branch.clone(), clashes: clashes.clone() });
        }
        let Sides { base, local: ours, remote: theirs } = sides;
        note = ConflictNote { base, ours, theirs, clashes, renamed_here, renamed_there, ..note };
        let name = format!("refs/appferry/conflict/{}", component(app.as_str()));
        self.repo.edit_refs(&[RefEdit { name, to: Some(note.commit) }])?;
        self.state.notes.conflicts.insert(app.clone(), note);
        Ok(())
    }

    fn conflict_commit(
        &self,
        app: &AppName,
        before: Option<ObjectId>,
        clashing: &Clashing,
        parent: ObjectId,
        now: Now,
    ) -> Result<ObjectId, Failure> {
        let root = self.repo.commit(parent)?.tree;
        let ours = clashing.sides.local;
        let mut edits = BTreeMap::from([(app.clone(), ours)]);
        let mut message = self.describe(app, before, ours)?;
        if let Some(new) = &clashing.renamed_here {
            edits = BTreeMap::from([(app.clone(), None), (new.clone(), ours)]);
            message = words::app_renamed(app, new);
        }
        self.repo.write_commit(&Commit {
            tree: with_apps(&*self.repo, Some(root), &self.settings.prefix, &edits)?,
            parents: vec![parent],
            author: self.author(now),
            committer: self.committer(now),
            message: words::with_trailer(&message, &self.settings.instance),
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
        let renamed = [(&note.renamed_here, "here"), (&note.renamed_there, "in Git")]
            .map(|(name, side)| name.as_ref().map_or_else(String::new, |name| format!("renamed to '{name}' {side}; ")));
        format!(
            "{}{}{}; {kept}, theirs on {:?}; take one with `appferry sync resolve {:?} --take ours`, or theirs",
            renamed.concat(),
            self.clash_cause(app),
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
            _ if self.resolve_renamed(app, take, now)? => {}
            Take::Ours => {
                self.set_base(app, self.remote.apps.get(app).copied());
                self.state.notes.wanted.insert(app.clone());
            }
            Take::Theirs => {
                self.keep_aside(app, local, "theirs was taken in a conflict", now)?;
                let local = self.with_release_of_git(app, local)?;
                self.set_base(app, local);
                self.state.notes.accepted.insert(app.clone(), true); // asked for, also where it waits for a person
            }
        }
        self.state.notes.confirmed.insert(app.clone());
        self.save(now)
    }
}
