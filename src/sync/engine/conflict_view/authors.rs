//! Who changed what in Git, since the two sides had the app in common.

use std::collections::BTreeMap;

use crate::domain::conflict_view::ChangedBy;
use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::Commit;

use super::super::Engine;
use crate::sync::kinship::own_file;
use crate::sync::state::ConflictNote;
use crate::sync::trees::{changed_files, find_tree, join};

/// Commits that are looked at, at most.
const MOST_COMMITS: usize = 2000;

/// The newest changes.
pub(super) struct Authors {
    pub(super) app: Option<ChangedBy>,
    pub(super) files: BTreeMap<String, ChangedBy>,
}

impl Engine {
    /// Who changed the app last, and each of these files.
    pub(super) fn authors<'a>(
        &self,
        app: &AppName,
        note: &ConflictNote,
        files: impl Iterator<Item = &'a str>,
    ) -> Result<Authors, Failure> {
        let mut authors = Authors { app: None, files: BTreeMap::new() };
        let mut open: Vec<&str> = files.collect();
        let new_name = note.renamed_here.as_ref().or(note.renamed_there.as_ref());
        let mut next = self.state.notes.tip;
        for _ in 0..MOST_COMMITS {
            let Some(id) = next else { break };
            let commit = self.repo.commit(id)?;
            next = commit.parents.first().copied();
            let tree = self.app_at(&commit, app, note)?;
            if tree == note.base {
                break;
            }
            let before = next.map(|parent| self.repo.commit(parent)).transpose()?;
            let before = before.map_or(Ok(None), |before| self.app_at(&before, app, note))?;
            if tree == before {
                continue;
            }
            let change = changed_by(id, &commit);
            authors.app.get_or_insert_with(|| change.clone());
            for changed in changed_files(&*self.repo, before, tree)? {
                let is_own = changed.path == own_file(app);
                let path = new_name.filter(|_| is_own).map_or(changed.path, own_file);
                open.retain(|wanted| {
                    let is_it = *wanted == path;
                    if is_it {
                        authors.files.insert(path.clone(), change.clone());
                    }
                    !is_it
                });
            }
            if open.is_empty() {
                break;
            }
        }
        Ok(authors)
    }

    fn app_at(&self, commit: &Commit, app: &AppName, note: &ConflictNote) -> Result<Option<ObjectId>, Failure> {
        let at = |app: &AppName| find_tree(&*self.repo, Some(commit.tree), &join(&self.settings.prefix, app.as_str()));
        let renamed = note.renamed_there.as_ref().map_or(Ok(None), at)?;
        if renamed.is_some() { Ok(renamed) } else { at(app) }
    }
}

fn changed_by(id: ObjectId, commit: &Commit) -> ChangedBy {
    ChangedBy {
        commit: id.to_string(),
        author: commit.author.name.clone(),
        email: commit.author.email.clone(),
        time: jiff::Timestamp::from_second(commit.author.seconds).unwrap_or_default().to_string(),
        subject: commit.message.lines().next().unwrap_or_default().to_owned(),
    }
}
