//! What a killed process, or a person's `git`, left behind in the repository: locks, half-written packs and objects.
//!
//! Whoever calls this holds the lock on the data folder, so nobody else can be writing. Nothing here is fatal: what cannot be
//! removed is logged, and whoever needs it gone says so.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::SystemTime;

use super::{durable, open, packs};

/// Files that were there before are not being written by this process.
static PROCESS_START: LazyLock<SystemTime> = LazyLock::new(SystemTime::now);

/// Removes them.
pub(super) fn clear(repository: &Path) {
    let started = *PROCESS_START;
    let staging = open::staging(repository);
    if staging.exists()
        && let Err(error) = std::fs::remove_dir_all(&staging)
    {
        tracing::warn!(path = %staging.display(), %error, "left from an earlier process, and cannot be removed");
    }
    let objects = repository.join("objects");
    let mut leftovers: Vec<PathBuf> = Vec::new();
    leftovers.extend(list(&objects.join("pack")).into_iter().filter(|path| is_half_a_pack(path)));
    leftovers.extend(list(&objects).into_iter().filter(|path| is_temporary(path)));
    for folder in list(&objects).into_iter().filter(|path| path.is_dir()) {
        leftovers.extend(list(&folder).into_iter().filter(|path| is_temporary(path) || is_lock(path)));
    }
    leftovers.extend(list(repository).into_iter().filter(|path| is_lock(path)));
    leftovers.extend(below(&repository.join("refs")).into_iter().filter(|path| is_lock(path)));
    for path in leftovers.into_iter().filter(|path| path.is_file() && is_old(path, started)) {
        match durable::remove(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "removed what an earlier process left"),
            Err(failure) => tracing::warn!(%failure, "left from an earlier process, and cannot be removed"),
        }
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    packs::list(folder).unwrap_or_default()
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in list(&folder) {
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

fn is_half_a_pack(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let without_index =
        path.extension().is_some_and(|extension| extension == "pack") && !path.with_extension("idx").exists();
    name.starts_with("tmp_") || name.starts_with("pack_git2_") || without_index
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("tmp_"))
}

fn is_lock(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lock")
}

/// A file from the future is old, too: the clock was set back since.
fn is_old(path: &Path, started: SystemTime) -> bool {
    let changed = path.metadata().and_then(|found| found.modified());
    changed.is_ok_and(|time| time <= started || time > SystemTime::now())
}
