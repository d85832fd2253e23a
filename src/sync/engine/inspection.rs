//! Inspection: what may not go out holds its app, before anything is committed.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::domain::input::secrets::{self, Secret};
use crate::domain::input::size::FileSize;
use crate::domain::patterns::Patterns;
use crate::domain::{AppName, Failure, ObjectId};

use super::Engine;
use super::finding::Sides;
use crate::sync::trees::{FileChange, changed_files};

/// Blobs without a secret that are remembered; they are forgotten at once when there are more.
const REMEMBERED: usize = 100_000;

/// What may go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRules {
    /// A save that changes only volatile values waits for the next real one.
    pub skip_volatile_saves: bool,
    /// The size above which a file that Git does not have holds its app.
    pub largest_file: FileSize,
    /// Files, as `app/path`, that may hold secrets.
    pub allow_secrets: Patterns,
}

impl Default for InputRules {
    fn default() -> Self {
        Self { skip_volatile_saves: true, largest_file: FileSize(25_000_000), allow_secrets: Patterns::default() }
    }
}

/// What was inspected already.
#[derive(Debug, Default)]
pub(super) struct Inspections {
    /// For each app the snapshots that were inspected last, and what is wrong with the disk's.
    verdicts: HashMap<AppName, (Sides, Option<String>)>,
    /// Merges whose result may not go out, and why.
    merges: HashMap<AppName, (Sides, String)>,
    /// Blobs in which nothing looks like a secret.
    clean: HashSet<ObjectId>,
}

impl Engine {
    /// Tells the workspace what Git has of every app: that is never ignored.
    pub(super) fn follow_all(&mut self) -> Result<(), Failure> {
        let apps: BTreeSet<AppName> = self.state.bases.keys().chain(self.remote.apps.keys()).cloned().collect();
        apps.iter().try_for_each(|app| self.follow(app))
    }

    pub(super) fn follow(&mut self, app: &AppName) -> Result<(), Failure> {
        let (bases, notes) = (&self.state.bases, &self.state.notes);
        let waiting = [self.ahead.get(app), notes.pending.get(app)].map(|tree| tree.and_then(Option::as_ref));
        let known = [bases.get(app), self.remote.apps.get(app)].into_iter().chain(waiting);
        let trees: Vec<ObjectId> = known.flatten().copied().collect();
        self.workspace.follow(app, &trees)
    }

    /// Why the disk's state of an app may not be committed, if it may not.
    pub(super) fn unfit(&mut self, app: &AppName, sides: Sides) -> Result<Option<String>, Failure> {
        if let Some(problem) = self.unfit_merge(app, sides) {
            return Ok(Some(problem));
        }
        if let Some((_, problem)) = self.inspections.verdicts.get(app).filter(|(known, _)| *known == sides) {
            return Ok(problem.clone());
        }
        let problem = match sides.local.map(|local| self.inspector.problem(&*self.repo, local)).transpose()?.flatten() {
            Some(problem) => Some(format!("not pushed: {problem}")),
            None => self.unfit_content(app, sides)?,
        };
        if let Some(problem) = &problem {
            tracing::warn!(%app, problem, "held an app back");
        }
        self.inspections.verdicts.insert(app.clone(), (sides, problem.clone()));
        Ok(problem)
    }

    /// What is known to be wrong with the merge of these snapshots.
    pub(super) fn unfit_merge(&self, app: &AppName, sides: Sides) -> Option<String> {
        let (known, problem) = self.inspections.merges.get(app)?;
        (*known == sides).then(|| problem.clone())
    }

    /// Notes what is wrong with the merge of these snapshots. Answers whether something is.
    pub(super) fn is_unfit_merge(
        &mut self,
        app: &AppName,
        merged: Option<ObjectId>,
        sides: Sides,
    ) -> Result<bool, Failure> {
        let Some(merged) = merged else { return Ok(false) };
        let Some(problem) = self.inspector.problem(&*self.repo, merged)? else { return Ok(false) };
        let problem = format!("not pushed, since the two sides do not go together: {problem}");
        self.inspections.merges.insert(app.clone(), (sides, problem));
        Ok(true)
    }

    /// Looks only at what is new against the base and the tip.
    fn unfit_content(&mut self, app: &AppName, sides: Sides) -> Result<Option<String>, Failure> {
        let changes = changed_files(&*self.repo, sides.base, sides.local)?;
        let mut in_tip = HashMap::new();
        if sides.remote != sides.base {
            let there = changed_files(&*self.repo, sides.remote, sides.local)?;
            in_tip.extend(there.into_iter().map(|change| (change.path, change.old)));
        }
        for change in &changes {
            let Some((_, id)) = change.new.filter(|(kind, _)| kind.is_file()) else { continue };
            let theirs =
                if sides.remote == sides.base { change.old } else { in_tip.get(&change.path).copied().flatten() };
            let is_there = sides.remote != sides.base && !in_tip.contains_key(&change.path);
            if is_there || [change.old, theirs].iter().flatten().any(|(_, old)| *old == id) {
                continue; // at most the executable bit is new
            }
            let (size, limit) = (FileSize(self.repo.blob_size(id)?), self.settings.input.largest_file);
            if size > limit && !self.is_in_git(id)? {
                return Ok(Some(format!(
                    "{:?} has {size}, and the limit is {limit}; make it smaller, keep it outside the app, or raise APPFERRY_MAX_FILE_SIZE",
                    change.path
                )));
            }
            if let Some(problem) = self.secret_in(app, change, [change.old, theirs].map(|old| old.map(|(_, id)| id)))? {
                return Ok(Some(problem));
            }
        }
        Ok(None)
    }

    /// The first secret in a changed file that Git does not have already. It is never quoted.
    fn secret_in(
        &mut self,
        app: &AppName,
        change: &FileChange,
        before: [Option<ObjectId>; 2],
    ) -> Result<Option<String>, Failure> {
        let Some((_, id)) = change.new.filter(|(_, id)| !self.inspections.clean.contains(id)) else { return Ok(None) };
        let bytes = self.repo.blob(id)?;
        let found = secrets::find(&bytes);
        if found.is_empty() {
            if self.inspections.clean.len() >= REMEMBERED {
                self.inspections.clean.clear();
            }
            self.inspections.clean.insert(id);
            return Ok(None);
        }
        let path = format!("{app}/{}", change.path);
        if self.settings.input.allow_secrets.match_file(&path) {
            return Ok(None);
        }
        let before: Vec<Vec<u8>> =
            before.into_iter().flatten().map(|old| self.repo.blob(old)).collect::<Result<_, _>>()?;
        let is_new = |secret: &&Secret| !before.iter().any(|old| secrets::holds(old, secret, &bytes));
        let Some(secret) = found.iter().find(is_new) else { return Ok(None) };
        if self.is_in_git(id)? {
            return Ok(None); // a file or an app that was renamed
        }
        Ok(Some(format!(
            "{:?}, line {}, looks like {}; take it out, or allow it with APPFERRY_ALLOW_SECRETS=\"{}\"",
            change.path,
            secrets::line(&bytes, secret.start),
            secret.what,
            Patterns::exactly(&path),
        )))
    }

    /// Whether any app at the tip has a file with this content. Slow, and asked only of what would be held.
    fn is_in_git(&self, blob: ObjectId) -> Result<bool, Failure> {
        for tree in self.remote.apps.values() {
            let files = changed_files(&*self.repo, None, Some(*tree))?;
            if files.iter().any(|file| file.new.is_some_and(|(_, id)| id == blob)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
