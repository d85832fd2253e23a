//! Committing: what planning found becomes commits on top of the tip, one an app.

use std::collections::BTreeMap;

use crate::domain::words::{self, PathChange, PathChangeKind, Side};
use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::{Commit, Signature};

use super::conflict::Clashing;
use super::finding::{Finding, Sides};
use super::{Engine, Now};
use crate::sync::compare::TreeMerge;
use crate::sync::state::Wording;
use crate::sync::trees::{changed_files, find_tree, with_apps};

/// More apps than this, changed in one pass, make one commit (rule 13).
const MOST_COMMITS: usize = 200;

/// What makes one commit: mostly one app.
pub(super) struct Ready {
    /// What it makes of which apps.
    pub(super) edits: BTreeMap<AppName, Option<ObjectId>>,
    /// For each app that this settles the snapshot of the disk that it was made from.
    pub(super) snapshots: BTreeMap<AppName, Option<ObjectId>>,
    pub(super) message: String,
    /// Old and new name, if an app has changed its name.
    pub(super) renamed: Option<(AppName, AppName)>,
}

impl Engine {
    /// Commits what planning found. Answers whether anything moved.
    pub(super) fn commit_found(&mut self, now: Now) -> Result<bool, Failure> {
        let mut found = self.findings_with(|f| matches!(f, Finding::Push(_) | Finding::Merge(_)));
        let renamed = self.being_renamed();
        found.retain(|(app, _)| !renamed.contains(app));
        let (mut ready, mut moved) = self.ready_renames(now)?;
        for (app, finding) in found {
            match finding {
                Finding::Push(sides) => ready.push(self.ready(app, sides.local, sides)?),
                Finding::Merge(sides) => {
                    moved = true;
                    ready.extend(self.merge_found(app, sides, now)?);
                }
                _ => {}
            }
        }
        if self.one_by_one {
            self.one_by_one = ready.len() > 1; // the last one ends it
            ready.truncate(1);
        }
        moved |= !ready.is_empty();
        if ready.len() > MOST_COMMITS {
            self.commit_many(ready, now)?;
        } else {
            self.commit_each(ready, now)?;
        }
        Ok(moved)
    }

    pub(super) fn ready(&self, app: AppName, tree: Option<ObjectId>, sides: Sides) -> Result<Ready, Failure> {
        let message = self.describe(&app, self.state_before(&app, sides.remote), tree)?;
        let snapshots = BTreeMap::from([(app.clone(), sides.local)]);
        Ok(Ready { edits: BTreeMap::from([(app, tree)]), snapshots, message, renamed: None })
    }

    /// Merges one app. What comes out is ready to be committed, or known to be at the remote already, or a conflict.
    pub(super) fn merge_found(&mut self, app: AppName, sides: Sides, now: Now) -> Result<Option<Ready>, Failure> {
        let merge = match self.merged_by_a_person(&app, sides) {
            Some(tree) => TreeMerge::Clean(Some(tree)),
            None => self.comparer.merge(&*self.repo, sides.base, sides.local, sides.remote)?,
        };
        match merge {
            TreeMerge::Clean(tree) if tree == sides.remote => {
                self.keep_aside(&app, sides.local, "merged, and everything of it was in Git", now)?;
                // The remote contains our edit: it is the base now, and what the remote has beyond it is pulled.
                self.set_base(&app, sides.local);
                Ok(None)
            }
            TreeMerge::Clean(tree) if self.is_unfit_merge(&app, tree, sides)? => Ok(None),
            TreeMerge::Clean(tree) => {
                if tree != sides.local {
                    self.keep_aside(&app, sides.local, "merged with the state in Git", now)?;
                }
                self.ready(app, tree, sides).map(Some)
            }
            TreeMerge::Conflict(_) if self.state.notes.pending.contains_key(&app) => {
                // Against our own unpushed merge: take that back, and let the next planning see the three real sides.
                self.drop_unpushed(&[app], now)?;
                Ok(None)
            }
            TreeMerge::Conflict(_) if self.is_in_history(&app, sides)? => {
                // Pushed or installed by us before a crash that lost the note of it: nothing here is new.
                self.set_base(&app, sides.local);
                Ok(None)
            }
            TreeMerge::Conflict(clashes) => {
                let clashing = Clashing { sides, clashes, renamed_here: None, renamed_there: None };
                self.note_conflict(&app, clashing, now)?;
                self.findings.insert(app.clone(), Finding::Wait(self.clash_state(&app), self.conflict_reason(&app)));
                Ok(None)
            }
        }
    }

    pub(super) fn commit_each(&mut self, ready: Vec<Ready>, now: Now) -> Result<(), Failure> {
        for ready in ready {
            let wording = self.wording_of(&ready);
            self.commit_apps(&ready.edits, &ready.message, wording, now)?;
            self.note_pending(ready);
        }
        Ok(())
    }

    /// One commit, but for what people have words of their own for: these say nothing of the changes of others.
    fn commit_many(&mut self, ready: Vec<Ready>, now: Now) -> Result<(), Failure> {
        let mut by_words: Vec<(Option<Wording>, Vec<Ready>)> = Vec::new();
        for ready in ready {
            let wording = self.wording_of(&ready);
            match by_words.iter_mut().find(|(known, _)| *known == wording) {
                Some((_, list)) => list.push(ready),
                None => by_words.push((wording, vec![ready])),
            }
        }
        for (wording, ready) in by_words {
            if ready.len() > MOST_COMMITS {
                self.commit_in_bulk(ready, wording, now)?;
            } else {
                self.commit_each(ready, now)?;
            }
        }
        Ok(())
    }

    fn commit_in_bulk(&mut self, ready: Vec<Ready>, wording: Option<Wording>, now: Now) -> Result<(), Failure> {
        let messages: Vec<String> = ready.iter().map(|ready| ready.message.clone()).collect();
        let edits = ready.iter().flat_map(|ready| ready.edits.clone()).collect();
        self.commit_apps(&edits, &words::bulk(&messages), wording, now)?;
        for ready in ready {
            self.note_pending(ready);
        }
        Ok(())
    }

    /// A person's words for it, if there are any.
    fn wording_of(&self, ready: &Ready) -> Option<Wording> {
        ready.edits.keys().find_map(|app| self.state.notes.wordings.get(app)).cloned()
    }

    pub(super) fn note_pending(&mut self, ready: Ready) {
        for (app, snapshot) in ready.snapshots {
            self.end_conflict(&app);
            self.findings.insert(app.clone(), Finding::Committed);
            self.state.notes.pending.insert(app, snapshot);
        }
        self.state.notes.renamed.extend(ready.renamed);
    }

    /// Puts one commit on top of the head. What a person gave takes the place of our words and our author.
    fn commit_apps(
        &mut self,
        edits: &BTreeMap<AppName, Option<ObjectId>>,
        message: &str,
        wording: Option<Wording>,
        now: Now,
    ) -> Result<(), Failure> {
        let Wording { message: given, author: by } = wording.unwrap_or_default();
        let committer = self.committer(now);
        let author = match by {
            Some(by) => Signature { name: by.name().to_owned(), email: by.email().to_owned(), ..committer.clone() },
            None => self.author(now),
        };
        let message = given.as_deref().unwrap_or(message);
        let whole = words::with_trailer(message, &self.settings.instance);
        let commit = Commit { tree: ObjectId::ZERO, parents: Vec::new(), author, committer, message: whole };
        let before = self.apps_at_head(edits.keys());
        self.put_on_head(edits, commit)?;
        self.note_committed(&before, edits, message);
        Ok(())
    }

    /// Puts a commit with these apps changed on top of the head; author, committer and message are those of `like`.
    pub(super) fn put_on_head(
        &mut self,
        edits: &BTreeMap<AppName, Option<ObjectId>>,
        like: Commit,
    ) -> Result<(), Failure> {
        let parent = self.state.notes.head;
        let root = parent.map(|head| self.repo.commit(head)).transpose()?.map(|commit| commit.tree);
        let tree = with_apps(&*self.repo, root, &self.settings.prefix, edits)?;
        let commit = Commit { tree, parents: parent.into_iter().collect(), ..like };
        let head = self.repo.write_commit(&commit)?;
        let subject = commit.message.lines().next().unwrap_or_default();
        tracing::info!(commit = %head.short(), subject, "committed");
        self.state.notes.head = Some(head);
        self.ahead.extend(edits.iter().map(|(app, tree)| (app.clone(), *tree)));
        Ok(())
    }

    /// The words for a change of one app.
    pub(super) fn describe(
        &self,
        app: &AppName,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
    ) -> Result<String, Failure> {
        let (old, new) = match (old, new) {
            (None, _) => return Ok(words::app_added(app)),
            (_, None) => return Ok(words::app_removed(app)),
            (Some(old), Some(new)) => (old, new),
        };
        let changes: Vec<PathChange> = (changed_files(&*self.repo, Some(old), Some(new))?.into_iter())
            .map(|change| {
                let kind = match (change.old, change.new) {
                    (None, _) => PathChangeKind::Added,
                    (_, None) => PathChangeKind::Removed,
                    _ => PathChangeKind::Modified,
                };
                PathChange { path: change.path, kind }
            })
            .collect();
        let exists = |side: Side, folder: &str| {
            let root = if side == Side::Before { old } else { new };
            find_tree(&*self.repo, Some(root), folder).is_ok_and(|tree| tree.is_some())
        };
        Ok(words::app_changed(app, &changes, exists))
    }
}
