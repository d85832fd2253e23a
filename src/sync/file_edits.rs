//! Single files of a tree, by their paths.

use std::collections::BTreeMap;

use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

use super::trees::{changed_files, entries};

/// What shall be at some paths; `None`: nothing.
pub type NewFiles = BTreeMap<String, Option<(EntryKind, ObjectId)>>;

/// The kind of every file of a tree, by its path.
///
/// # Errors
/// As the repository.
pub fn files_of(repo: &dyn LocalRepository, tree: Option<ObjectId>) -> Result<BTreeMap<String, EntryKind>, Failure> {
    let files = changed_files(repo, None, tree)?;
    Ok(files.into_iter().filter_map(|file| Some((file.path, file.new?.0))).collect())
}

/// The tree with these files set or taken out. A tree without files does not exist: `None`.
///
/// # Errors
/// As the repository.
pub fn with_files(
    repo: &dyn LocalRepository,
    tree: Option<ObjectId>,
    files: &NewFiles,
) -> Result<Option<ObjectId>, Failure> {
    let mut kept = entries(repo, tree)?;
    let mut below: BTreeMap<&str, NewFiles> = BTreeMap::new();
    for (path, content) in files {
        if let Some((folder, rest)) = path.split_once('/') {
            below.entry(folder).or_default().insert(rest.to_owned(), *content);
        } else {
            kept.retain(|entry| entry.name != path.as_bytes());
            kept.extend(content.map(|(kind, id)| TreeEntry { name: path.as_bytes().to_vec(), kind, id }));
        }
    }
    for (folder, files) in below {
        let name = folder.as_bytes();
        let inner = kept.iter().find(|entry| entry.name == name && entry.kind == EntryKind::Tree).map(|entry| entry.id);
        let changed = with_files(repo, inner, &files)?;
        if inner.is_some() || changed.is_some() {
            kept.retain(|entry| entry.name != name);
            kept.extend(changed.map(|id| TreeEntry { name: name.to_vec(), kind: EntryKind::Tree, id }));
        }
    }
    if kept.is_empty() { Ok(None) } else { repo.write_tree(&kept).map(Some) }
}
