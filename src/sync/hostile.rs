//! The tree from the remote is not trusted (promise 8): what must never be written is found before anything is.

use std::collections::HashSet;

use crate::domain::app_name::broken_component_rule;
use crate::domain::{EntryKind, Failure, ObjectId};
use crate::ports::LocalRepository;

use super::trees::join;

/// Deeper folders than this are not app content, but an attack on whoever walks them.
const MAX_DEPTH: usize = 64;

/// Finds what may not be written, and remembers the trees that it found harmless.
#[derive(Debug, Default)]
pub struct Inspector {
    harmless: HashSet<ObjectId>,
}

impl Inspector {
    /// What is wrong with the tree of an app, if anything is: path and rule in one sentence.
    ///
    /// # Errors
    /// As the repository.
    pub fn problem(&mut self, repo: &dyn LocalRepository, app_tree: ObjectId) -> Result<Option<String>, Failure> {
        self.problem_below(repo, app_tree, "", 0)
    }

    fn problem_below(
        &mut self,
        repo: &dyn LocalRepository,
        tree: ObjectId,
        folder: &str,
        depth: usize,
    ) -> Result<Option<String>, Failure> {
        if self.harmless.contains(&tree) {
            return Ok(None);
        }
        if depth > MAX_DEPTH {
            return Ok(Some(format!("{folder:?} is nested deeper than {MAX_DEPTH} folders")));
        }
        for entry in repo.tree(tree)? {
            let Ok(name) = std::str::from_utf8(&entry.name) else {
                let shown = join(folder, &String::from_utf8_lossy(&entry.name));
                return Ok(Some(format!("the name of {shown:?} is not UTF-8")));
            };
            let path = join(folder, name);
            if let Some(rule) = broken_component_rule(name) {
                return Ok(Some(format!("{path:?}: {rule}")));
            }
            let problem = match entry.kind {
                EntryKind::File | EntryKind::Executable => None,
                EntryKind::Symlink => Some(format!("{path:?} is a symbolic link")),
                EntryKind::Submodule => Some(format!("{path:?} is a submodule")),
                EntryKind::Tree => self.problem_below(repo, entry.id, &path, depth + 1)?,
            };
            if problem.is_some() {
                return Ok(problem);
            }
        }
        self.harmless.insert(tree);
        Ok(None)
    }
}
