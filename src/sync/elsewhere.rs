//! Where a repository keeps apps, when none is in the folder that the prefix names: a hint for who meets appferry for the first time.

use std::collections::VecDeque;

use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

use super::trees::join;

/// How many folders are opened at most: a hint is not worth a walk through a repository of another kind.
const MOST_FOLDERS: usize = 500;
/// How deep the folder of the apps may lie: `a/b/App`.
const DEEPEST: usize = 3;

/// Where apps are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// The repository is itself an app.
    OneApp,
    /// In this folder, in the form of `APPFERRY_PREFIX`: `.` for the root.
    Folder(String),
}

/// The shallowest place of apps in a repository.
///
/// # Errors
/// As the repository.
pub fn apps_elsewhere(repo: &dyn LocalRepository, root: ObjectId) -> Result<Option<Elsewhere>, Failure> {
    let entries = repo.tree(root)?;
    if entries.iter().any(is_export_meta) {
        return Ok(Some(Elsewhere::OneApp));
    }
    let mut opened = 0;
    let mut waiting = VecDeque::from([(String::new(), 0, entries)]);
    while let Some((path, depth, entries)) = waiting.pop_front() {
        for folder in entries.into_iter().filter(|entry| entry.kind == EntryKind::Tree && !is_hidden(entry)) {
            let Ok(name) = String::from_utf8(folder.name) else { continue };
            opened += 1;
            if opened > MOST_FOLDERS {
                return Ok(None);
            }
            let inside = repo.tree(folder.id)?;
            if looks_like_an_app(&inside, &name) {
                return Ok(Some(Elsewhere::Folder(if path.is_empty() { ".".to_owned() } else { path })));
            }
            if depth < DEEPEST {
                waiting.push_back((join(&path, &name), depth + 1, inside));
            }
        }
    }
    Ok(None)
}

fn is_hidden(entry: &TreeEntry) -> bool {
    entry.name.starts_with(b".")
}

/// A builder's export has `__export_meta.json`; an older one is a single file, called as its folder.
fn looks_like_an_app(entries: &[TreeEntry], folder: &str) -> bool {
    let is_old = |entry: &TreeEntry| {
        entry.kind == EntryKind::File && entry.name.strip_suffix(b".json") == Some(folder.as_bytes())
    };
    entries.iter().any(is_export_meta) || matches!(entries, [only] if is_old(only))
}

fn is_export_meta(entry: &TreeEntry) -> bool {
    entry.kind == EntryKind::File && entry.name == b"__export_meta.json"
}
