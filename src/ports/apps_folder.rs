//! The folder that the builder and this service share.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::{AppName, Failure, ObjectId};

/// What a look at one app's folder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppOnDisk {
    /// No such folder.
    Absent,
    /// A folder without a single file.
    Empty,
    /// Something was written within the debounce time; look again after this long.
    Busy(Duration),
    /// Quiet, and stored in the local repository as this tree.
    Settled(ObjectId),
    /// It cannot be read as an app: the path inside the app, and why (a link, a name that is not UTF-8, …).
    Unreadable {
        /// Relative to the app's folder.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// What a look at the whole apps folder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderOnDisk {
    /// The folder is there; these are its apps.
    Apps {
        /// Every folder with a valid name, sorted by name.
        apps: Vec<(AppName, AppOnDisk)>,
        /// Names that cannot be apps, each with what is wrong.
        refused: Vec<(String, String)>,
    },
    /// The folder is missing, or another file system than before is (or was) mounted there: what is gone is not deleted.
    NotMounted(String),
}

/// What may have changed in the apps folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// These apps.
    Apps(BTreeSet<AppName>),
    /// Anything.
    Everything,
}

/// Tells of changes in the apps folder. A hint may be missing: a rescan finds what it did not tell of.
#[async_trait]
pub trait ChangeHints: Send {
    /// The next hint; waits for it. Safe to be dropped while it waits.
    async fn next(&mut self) -> Hint;

    /// How often the whole folder is to be looked at beside the hints.
    fn rescan_every(&self) -> Duration;

    /// Why changes are found by scanning alone, if they are.
    fn notice(&self) -> Option<String>;
}

/// How an install ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The app's folder is wholly at the wanted tree.
    Done,
    /// Somebody saved in between; what they saved is untouched. Look and plan again.
    Disturbed,
}

/// A state of the branch that came to the disk, wholly or but for some files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The app.
    pub app: AppName,
    /// Of the install: the same however often it is told. Empty where an older version began it.
    pub id: String,
    /// The tree that was brought; `None`: the app was deleted.
    pub tree: Option<ObjectId>,
    /// Files that were not brought to that tree, relative to the app's folder: somebody saved them in between, or the install
    /// stopped before.
    pub left: BTreeSet<String>,
}

/// The folder that the builder and this service share. All calls block.
pub trait Workspace: Send {
    /// Looks at every app.
    ///
    /// # Errors
    /// [`FailureClass::Disk`](crate::domain::FailureClass::Disk).
    fn look_at_all(&mut self) -> Result<FolderOnDisk, Failure>;

    /// Looks at one app.
    ///
    /// # Errors
    /// [`FailureClass::Disk`](crate::domain::FailureClass::Disk).
    fn look_at(&mut self, app: &AppName) -> Result<AppOnDisk, Failure>;

    /// Tells which trees Git has of an app, before it is looked at: what they hold is not ignored, whatever the patterns say.
    ///
    /// # Errors
    /// As the repository.
    fn follow(&mut self, app: &AppName, trees: &[ObjectId]) -> Result<(), Failure>;

    /// Whether a file at this path inside the app's folder is not looked at: patterns mean it, and Git does not have it.
    fn ignores(&self, app: &AppName, path: &str) -> bool;

    /// Brings the app's folder from tree `from` (what the plan was made from; `None`: no folder) to tree `to` (`None`: delete it).
    ///
    /// # Errors
    /// [`FailureClass::Disk`](crate::domain::FailureClass::Disk): the journal keeps the rest for [`recover`](Self::recover) or the next call.
    fn install(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure>;

    /// As [`install`](Self::install), for a state of the branch. How far it came is told by [`take_arrived`](Self::take_arrived), also
    /// after a crash: what is planned next must not take it for an edit.
    ///
    /// # Errors
    /// As [`install`](Self::install).
    fn bring(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        self.install(app, from, to)
    }

    /// What was [brought](Self::bring) since the last call. What is not [noted](Self::note_arrived) is told again after a
    /// restart.
    fn take_arrived(&mut self) -> Vec<Arrived> {
        Vec::new()
    }

    /// What [`take_arrived`](Self::take_arrived) told is durable elsewhere.
    ///
    /// # Errors
    /// [`FailureClass::Disk`](crate::domain::FailureClass::Disk): it is told again after the next start.
    fn note_arrived(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// Rolls forward the installs that a crash interrupted. Answers the apps that were touched.
    ///
    /// # Errors
    /// [`FailureClass::Disk`](crate::domain::FailureClass::Disk).
    fn recover(&mut self) -> Result<Vec<AppName>, Failure>;

    /// Writes the stat cache, if it changed.
    ///
    /// # Errors
    /// [`FailureClass::Disk`](crate::domain::FailureClass::Disk): only time is lost.
    fn save_cache(&mut self) -> Result<(), Failure>;

    /// Forgets what it remembers of the files: the repository does not hold their content any more. Answers the tree that each
    /// app was last seen at.
    fn forget(&mut self) -> Vec<(AppName, ObjectId)> {
        Vec::new()
    }
}
