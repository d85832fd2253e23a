//! The tree from the remote is not trusted (promise 8): what must never be written is found before anything is. Names that
//! collide and Git LFS pointers are refused on both sides.

use std::collections::HashSet;

use crate::domain::app_name::broken_component_rule;
use crate::domain::input::{collisions, lfs};
use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

use super::trees::join;

/// Deeper folders than this are not app content, but an attack on whoever walks them.
const MAX_DEPTH: usize = 64;

/// The version, a hash and a size take more than this.
const LEAST_POINTER: u64 = 100;

/// Finds what may not be written, and remembers the trees that it found harmless.
#[derive(Debug, Default)]
pub struct Inspector {
    harmless: HashSet<ObjectId>,
    /// A file could not be read: what it lies in is asked about again.
    unsure: bool,
}

impl Inspector {
    /// What is wrong with the tree of an app, if anything is: path and rule in one sentence.
    ///
    /// # Errors
    /// As the repository.
    pub fn problem(&mut self, repo: &dyn LocalRepository, app_tree: ObjectId) -> Result<Option<String>, Failure> {
        self.unsure = false;
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
        let entries = repo.tree(tree)?;
        if let Some(problem) = colliding(&entries, folder) {
            return Ok(Some(problem));
        }
        for entry in entries {
            let Ok(name) = std::str::from_utf8(&entry.name) else {
                let shown = join(folder, &String::from_utf8_lossy(&entry.name));
                return Ok(Some(format!("the name of {shown:?} is not UTF-8")));
            };
            let path = join(folder, name);
            if let Some(rule) = broken_component_rule(name) {
                return Ok(Some(format!("{path:?}: {rule}")));
            }
            let problem = match entry.kind {
                EntryKind::File | EntryKind::Executable => self.is_pointer(repo, entry.id).then(|| {
                    format!("{path:?} is a Git LFS pointer in the place of its content, and Git LFS is not spoken here")
                }),
                EntryKind::Symlink => Some(format!("{path:?} is a symbolic link")),
                EntryKind::Submodule => Some(format!("{path:?} is a submodule")),
                EntryKind::Tree => self.problem_below(repo, entry.id, &path, depth + 1)?,
            };
            if problem.is_some() {
                return Ok(problem);
            }
        }
        if !self.unsure {
            self.harmless.insert(tree);
        }
        Ok(None)
    }

    /// Most files are told from pointers by their size alone. One that is damaged here must not stop the others: whoever
    /// needs its content says so.
    fn is_pointer(&mut self, repo: &dyn LocalRepository, blob: ObjectId) -> bool {
        let read = || -> Result<bool, Failure> {
            Ok((LEAST_POINTER..lfs::LARGEST).contains(&repo.blob_size(blob)?) && lfs::is_pointer(&repo.blob(blob)?))
        };
        let answer = read();
        self.unsure |= answer.is_err();
        answer.unwrap_or(false)
    }
}

fn colliding(entries: &[TreeEntry], folder: &str) -> Option<String> {
    let names = entries.iter().filter_map(|entry| std::str::from_utf8(&entry.name).ok());
    let (one, other) = collisions::collision(names)?;
    Some(collision(&join(folder, one), &join(folder, other)))
}

/// What is said of two names that collide.
#[must_use]
pub fn collision(one: &str, other: &str) -> String {
    let difference = collisions::difference(one, other);
    format!(
        "{one:?} and {other:?} differ only {difference}, and many file systems cannot keep both; rename one of them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::local::LocalRepo;

    const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    fn repository() -> (tempfile::TempDir, LocalRepo) {
        let folder = tempfile::tempdir().unwrap();
        let repo = LocalRepo::open_or_create(&folder.path().join("repo.git")).unwrap();
        (folder, repo)
    }

    #[test]
    fn a_file_that_cannot_be_read_stops_nothing_and_is_asked_about_again() {
        let ((_here, repo), (_elsewhere, other)) = (repository(), repository());
        let blob = other.write_blob(POINTER).unwrap();
        let entry = |name: &[u8], kind, id| TreeEntry { name: name.to_vec(), kind, id };
        let inner = repo.write_tree(&[entry(b"a.bin", EntryKind::File, blob)]).unwrap();
        let app = repo.write_tree(&[entry(b"inner", EntryKind::Tree, inner)]).unwrap();
        let mut inspector = Inspector::default();
        assert_eq!(inspector.problem(&repo, app).unwrap(), None);
        repo.write_blob(POINTER).unwrap();
        assert!(inspector.problem(&repo, app).unwrap().unwrap().contains("inner/a.bin"));
    }
}
