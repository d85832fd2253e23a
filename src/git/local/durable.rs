//! Files that outlive a power cut.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::domain::Failure;

/// Waits until the file or folder is on the disk.
pub(super) fn sync(path: &Path) -> Result<(), Failure> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|e| disk("cannot secure", path, &e))
}

/// Gives the file its final name. Secure the folder afterwards.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::rename(from, to).map_err(|e| disk("cannot write", to, &e))
}

/// Deletes a file; that it is gone already is fine.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("cannot delete", path, &error)),
        _ => Ok(()),
    }
}

/// A failure of the disk that names the file.
pub(super) fn disk(doing: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::disk(format!("{doing} {}", path.display()), error)
}
