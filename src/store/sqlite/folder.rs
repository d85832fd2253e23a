//! The data folder, and the file modes in it.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::domain::{Failure, FailureClass};

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// Makes `data_dir` and the empty `file_name` in it where they are missing, readable for their owner only. `SQLite` gives
/// its own files beside it the same mode. Blocks.
pub(super) fn prepare(data_dir: &Path, file_name: &str) -> Result<PathBuf, Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(data_dir)
        .map_err(|e| failure(format!("the data folder {} cannot be made", data_dir.display()), &e))?;
    let path = data_dir.join(file_name);
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(&path)
        .map_err(|e| failure(format!("{} cannot be opened for writing", path.display()), &e))?;
    let mode = file.metadata().map_err(|e| failure(format!("{} cannot be read", path.display()), &e))?.permissions();
    if mode.mode() & 0o077 != 0 {
        // A copy or a restored backup: tightened where it is ours; what is secret in it is sealed anyway.
        let _ = fs::set_permissions(&path, Permissions::from_mode(PRIVATE_FILE));
    }
    Ok(path)
}

fn failure(what: String, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Failure::new(
            FailureClass::Disk,
            format!("{what}: {error}"),
            "set APPFERRY_DATA_DIR to a folder that belongs to appferry alone",
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Failure::new(
            FailureClass::Disk,
            format!("{what}: {error}"),
            "mount it writable and give it to the user that appferry runs as, or set APPFERRY_DATA_DIR to another folder",
        ),
        _ => Failure::disk(what, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_and_file_are_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        let file = prepare(&dir, "x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&file)), (PRIVATE_DIR, PRIVATE_FILE));

        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        prepare(&dir, "x").unwrap();
        assert_eq!(mode(&file), PRIVATE_FILE);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_named_with_a_remedy() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let failure = prepare(root.path(), "x").unwrap_err();
        assert_eq!(failure.class, FailureClass::Disk);
        assert!(failure.message.contains(root.path().to_str().unwrap()), "{failure}");
        assert!(failure.remedy.contains("APPFERRY_DATA_DIR"), "{failure}");
    }
}
