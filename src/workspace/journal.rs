//! Which installs have begun: one small file an app in the data folder, written before anything visible happens. That of a
//! state of the branch stays until it is known elsewhere that it came.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::domain::{AppName, Failure, ObjectId};

use super::cache;

/// An install that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) app: AppName,
    pub(super) from: Option<ObjectId>,
    pub(super) to: Option<ObjectId>,
    /// Tells it from other installs of the app.
    #[serde(default)]
    pub(super) id: String,
    /// It is a state of the branch that comes.
    #[serde(default)]
    pub(super) arrives: bool,
    /// Files that are not brought to `to`: somebody saved them.
    #[serde(default)]
    pub(super) left: BTreeSet<String>,
    /// Nothing more is to be done on the disk.
    #[serde(default)]
    pub(super) over: bool,
}

impl Pending {
    pub(super) fn new(app: AppName, from: Option<ObjectId>, to: Option<ObjectId>, arrives: bool) -> Self {
        let id = format!("{:016x}", rand::random::<u64>());
        Self { app, from, to, id, arrives, left: BTreeSet::new(), over: false }
    }
}

/// The journals in the data folder.
pub(super) struct Journals {
    folder: PathBuf,
    pending: BTreeMap<AppName, Pending>,
}

impl Journals {
    /// Reads the journals that a crash left. One that cannot be read is as good as none: each is written whole or not at all.
    ///
    /// # Errors
    /// [`crate::domain::FailureClass::Disk`].
    pub(super) fn open(data: &Path) -> Result<Self, Failure> {
        let folder = data.join("installs");
        let failed = |error: std::io::Error| Failure::disk(format!("opening {}", folder.display()), &error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let mut pending = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let found = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Pending>(&text).ok());
            match found {
                Some(found) if path.file_name().is_some_and(|name| *name == *file_name(&found.app)) => {
                    pending.insert(found.app.clone(), found);
                }
                _ => {
                    tracing::warn!(path = %path.display(), "not an install journal; removed");
                    let _ = std::fs::remove_file(&path);
                }
            }
        }
        Ok(Self { folder, pending })
    }

    /// The unfinished install of an app.
    pub(super) fn of(&self, app: &AppName) -> Option<&Pending> {
        self.pending.get(app)
    }

    /// The apps with unfinished installs.
    pub(super) fn apps(&self) -> Vec<AppName> {
        self.pending.keys().cloned().collect()
    }

    /// Notes, durably, that an install begins, or how far it is.
    ///
    /// # Errors
    /// [`crate::domain::FailureClass::Disk`].
    pub(super) fn note(&mut self, pending: Pending) -> Result<(), Failure> {
        let text = serde_json::to_vec(&pending).map_err(Failure::internal)?;
        cache::write_whole(&self.path(&pending.app), &text)
            .map_err(|error| Failure::disk("writing the install journal", &error))?;
        self.pending.insert(pending.app.clone(), pending);
        Ok(())
    }

    /// Notes that all of a state of the branch is on the disk. A power failure may take the note back: then it is looked through once more.
    ///
    /// # Errors
    /// [`crate::domain::FailureClass::Disk`].
    pub(super) fn note_over(&mut self, app: &AppName) -> Result<(), Failure> {
        let Some(pending) = self.pending.get_mut(app).filter(|pending| pending.arrives) else { return Ok(()) };
        pending.over = true;
        let text = serde_json::to_vec(pending).map_err(Failure::internal)?;
        let durable = !pending.left.is_empty();
        cache::replace(&self.path(app), &text, durable)
            .map_err(|error| Failure::disk("writing the install journal", &error))
    }

    /// Notes, durably, that files are left to whom they were saved by.
    ///
    /// # Errors
    /// [`crate::domain::FailureClass::Disk`].
    pub(super) fn leave(&mut self, app: &AppName, paths: Vec<String>) -> Result<(), Failure> {
        let Some(mut pending) = self.pending.get(app).filter(|pending| pending.arrives).cloned() else { return Ok(()) };
        let known = pending.left.len();
        pending.left.extend(paths);
        if pending.left.len() == known { Ok(()) } else { self.note(pending) }
    }

    /// Notes that it ended. If the note is lost in a crash the install is rolled forward once more, which changes nothing.
    ///
    /// # Errors
    /// [`crate::domain::FailureClass::Disk`].
    pub(super) fn end(&mut self, app: &AppName) -> Result<(), Failure> {
        if !self.pending.contains_key(app) {
            return Ok(());
        }
        if let Err(error) = std::fs::remove_file(self.path(app))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Failure::disk("removing the install journal", &error)); // it is still pending, and tried again
        }
        self.pending.remove(app);
        Ok(())
    }

    fn path(&self, app: &AppName) -> PathBuf {
        self.folder.join(file_name(app))
    }
}

fn file_name(app: &AppName) -> String {
    format!("{}.json", key(app))
}

/// A short text for an app: its own name may be too long, or mean something to a file system.
pub(super) fn key(app: &AppName) -> String {
    let digest: [u8; 20] = Sha1::digest(app.as_str()).into();
    ObjectId::from_bytes(digest).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_survives_a_restart_and_rubbish_does_not() {
        let data = tempfile::tempdir().unwrap();
        let app = AppName::new("it's \"ü\"").unwrap();
        let pending = Pending::new(app.clone(), None, Some(ObjectId::from_bytes([7; 20])), true);
        let mut journals = Journals::open(data.path()).unwrap();
        journals.note(pending.clone()).unwrap();
        std::fs::write(data.path().join("installs/rubbish.json"), "{").unwrap();
        let mut again = Journals::open(data.path()).unwrap();
        assert_eq!(again.of(&app), Some(&pending));
        again.end(&app).unwrap();
        assert!(Journals::open(data.path()).unwrap().apps().is_empty());
        assert!(!data.path().join("installs/rubbish.json").exists());
    }
    #[test]
    fn a_journal_that_cannot_be_removed_is_still_pending() {
        let data = tempfile::tempdir().unwrap();
        let app = AppName::new("A").unwrap();
        let mut journals = Journals::open(data.path()).unwrap();
        journals.note(Pending::new(app.clone(), None, None, true)).unwrap();
        let (path, aside) = (journals.path(&app), data.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(journals.end(&app).is_err());
        assert!(journals.of(&app).is_some());
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        journals.end(&app).unwrap();
        assert!(journals.of(&app).is_none() && !path.exists());
    }
}
