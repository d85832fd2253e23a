//! Files for what comes and goes, which nobody else sees and no crash leaves behind.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::archive::Limits;
use crate::domain::Failure;

const FOLDER: &str = "uploads";

/// The folder for such files, and what may come at most.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: PathBuf,
    limits: Limits,
}

impl Uploads {
    /// Makes the folder (0700) in the data folder, and empties it: a crash may have left a file that had a name just then.
    ///
    /// # Errors
    /// Class disk.
    pub fn open(data_dir: &Path, limits: Limits) -> Result<Self, Failure> {
        let folder = data_dir.join(FOLDER);
        let opened = DirBuilder::new().recursive(true).mode(0o700).create(&folder).and_then(|()| empty(&folder));
        opened.map_err(|error| Failure::disk(format!("cannot use the folder {}", folder.display()), &error))?;
        Ok(Self { folder, limits })
    }

    /// What an app may be at most.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A new file (0600) that has no name any more: it is gone when it is closed, however the process ends.
    ///
    /// # Errors
    /// Class disk.
    pub fn file(&self) -> Result<File, Failure> {
        let path = self.folder.join(format!("{:032x}", rand::random::<u128>()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|file| std::fs::remove_file(&path).map(|()| file)).map_err(|error| unkept(&error))
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let _somebody_elses = std::fs::remove_file(entry?.path()); // a folder, say: it does no harm
    }
    Ok(())
}

/// What came, or shall go, cannot be kept for the moment.
pub(super) fn unkept(error: &io::Error) -> Failure {
    Failure::disk("keeping an app in a temporary file in the data folder", error)
}
