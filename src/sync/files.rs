//! An app as a list of its files, and as a tree.

use std::collections::BTreeMap;

use super::trees::join;
use crate::domain::{AppFile, EntryKind, Failure, FailureClass, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

/// A folder, while its tree is put together.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, (EntryKind, ObjectId)>,
    folders: BTreeMap<String, Folder>,
}

/// Stores the tree that holds these files. No path may be there twice, nor as a file and a folder.
///
/// # Errors
/// As the repository.
pub fn tree_of(repo: &dyn LocalRepository, files: &[AppFile]) -> Result<ObjectId, Failure> {
    let mut root = Folder::default();
    for file in files {
        let (above, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let mut folder = &mut root;
        for part in above.split('/').filter(|part| !part.is_empty()) {
            folder = folder.folders.entry(part.to_owned()).or_default();
        }
        folder.files.insert(name.to_owned(), (file.kind, file.id));
    }
    write(repo, &root)
}

fn write(repo: &dyn LocalRepository, folder: &Folder) -> Result<ObjectId, Failure> {
    let entry = |name: &str, kind, id| TreeEntry { name: name.as_bytes().to_vec(), kind, id };
    let mut entries: Vec<TreeEntry> = folder.files.iter().map(|(name, (kind, id))| entry(name, *kind, *id)).collect();
    for (name, inner) in &folder.folders {
        entries.push(entry(name, EntryKind::Tree, write(repo, inner)?));
    }
    repo.write_tree(&entries)
}

/// The files of the tree of an app, sorted by path.
///
/// # Errors
/// As the repository; refused for what is neither a file nor a folder, or not named in UTF-8.
pub fn files_of(repo: &dyn LocalRepository, tree: ObjectId) -> Result<Vec<AppFile>, Failure> {
    let mut files = Vec::new();
    let mut open = vec![(String::new(), tree)];
    while let Some((folder, tree)) = open.pop() {
        for entry in repo.tree(tree)? {
            let path = join(&folder, &String::from_utf8_lossy(&entry.name));
            match entry.kind {
                EntryKind::Tree => open.push((path, entry.id)),
                kind if kind.is_file() && std::str::from_utf8(&entry.name).is_ok() => {
                    files.push(AppFile { path, kind, id: entry.id });
                }
                _ => {
                    let message = format!("{path:?} in Git is no file that an app may have");
                    return Err(Failure::new(FailureClass::Refused, message, "remove it there"));
                }
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
