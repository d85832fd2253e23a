//! The master key in the data folder, for those who bring none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::envelope::fill_random;
use super::error::MasterKeyError;
use super::master::{MasterKey, hex};
use super::sources;

/// Its file in the data folder.
pub const FILE_NAME: &str = "master.key";

/// The master key of the data folder, if it is there, and a notice if others can read it. Blocks.
///
/// # Errors
/// [`MasterKeyError::File`] or [`MasterKeyError::Format`].
pub fn load(data_dir: &Path) -> Result<Option<(MasterKey, Option<String>)>, MasterKeyError> {
    let path = data_dir.join(FILE_NAME);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(&path, "cannot be read", error)),
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o777;
            let notice = (mode & 0o077 != 0).then(|| {
                format!("{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}", path = path.display())
            });
            Ok(Some((sources::read(&path)?, notice)))
        }
    }
}

/// Makes a master key in the data folder, durable before this returns, unless another process has just done so.
/// Answers the one that is there now, and a notice if it is new. Blocks.
///
/// # Errors
/// [`MasterKeyError::File`], [`MasterKeyError::Random`] or, for what another process left there, [`MasterKeyError::Format`].
pub fn create(data_dir: &Path) -> Result<(MasterKey, Option<String>), MasterKeyError> {
    let path = data_dir.join(FILE_NAME);
    // The embedded store has made it; a store elsewhere has not.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.map_err(|error| failure(&path, "cannot be made", error))?;
    let key = MasterKey::generate().map_err(MasterKeyError::Random)?;
    let mut suffix = [0; 8];
    fill_random(&mut suffix).map_err(MasterKeyError::Random)?;
    let draft = data_dir.join(format!(".{FILE_NAME}.{}", hex(&suffix)));
    let placed = write_new(&draft, &key).and_then(|()| place(&draft, &path));
    let _ = fs::remove_file(&draft); // gone already where it was renamed
    match placed {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok((sources::read(&path)?, None)),
        Err(error) => return Err(failure(&path, "cannot be made", error)),
    }
    File::open(data_dir).and_then(|dir| dir.sync_all()).map_err(|e| failure(&path, "cannot be made durable", e))?;
    let notice = format!(
        "a master key was made: {} (id {}); back it up, apart from the rest of the data folder: without it no stored key \
         can ever be read again",
        path.display(),
        key.id()
    );
    Ok((key, Some(notice)))
}

fn write_new(draft: &Path, key: &MasterKey) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(key.to_hex().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Gives the whole file its name, unless the name is taken. Some mounts know no hard links.
fn place(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE).map_err(io::Error::from)
        }
        linked => linked,
    }
}

fn failure(path: &Path, what: &'static str, error: io::Error) -> MasterKeyError {
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on that disk",
        io::ErrorKind::PermissionDenied => "give the data folder to the user that appferry runs as",
        io::ErrorKind::ReadOnlyFilesystem => "mount the data folder writable, or set APPFERRY_MASTER_KEY_FILE",
        _ => "check the data folder's file system",
    };
    MasterKeyError::File { path: PathBuf::from(path), what, error, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_none());
        let (made, notice) = create(dir.path()).unwrap();
        assert!(notice.unwrap().contains("back it up"));

        let (again, notice) = create(dir.path()).unwrap();
        assert_eq!((again.id(), notice), (made.id(), None));
        let (loaded, notice) = load(dir.path()).unwrap().unwrap();
        assert_eq!((loaded.id(), notice), (made.id(), None));

        let path = dir.path().join(FILE_NAME);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_key_that_others_can_read_is_worth_a_notice() {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path()).unwrap();
        let path = dir.path().join(FILE_NAME);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let (_, notice) = load(dir.path()).unwrap().unwrap();
        assert!(notice.unwrap().contains("chmod 600"));
    }
}
