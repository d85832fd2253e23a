//! A repository that is one app: the older style, with the app's files at its root (or in the folder that the prefix names).
//!
//! The engine knows only folders of apps. Here such a folder is made up: it holds the app alone, and the app's tree is the
//! repository's own, without what is the repository's. Below, `SinglePrefix` does that for trees, and [`OneApp`] for the disk.

use std::collections::BTreeMap;

use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::{AppOnDisk, Arrived, FolderOnDisk, Installed, LocalRepository, Workspace};

/// No folder of a repository is called so: what stands before it is the real prefix, what follows is the app.
const MARK: &str = "//";

/// The prefix of a repository that is the app `app`, whose files lie in `folder` (empty: at the root).
#[must_use]
pub fn single_prefix(folder: &str, app: &AppName) -> String {
    format!("{folder}{MARK}{app}")
}

/// The two parts of such a prefix, and what follows the app.
pub(super) struct SinglePrefix<'a> {
    pub(super) folder: &'a str,
    pub(super) app: &'a str,
    pub(super) below: &'a str,
}

impl<'a> SinglePrefix<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (folder, rest) = path.split_once(MARK)?;
        let (app, below) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { folder, app, below })
    }

    /// The folder that is made up: the app alone.
    pub(super) fn folder_of(
        &self,
        repo: &dyn LocalRepository,
        there: Option<ObjectId>,
    ) -> Result<Option<ObjectId>, Failure> {
        let Some(there) = there else { return Ok(None) };
        let entries = repo.tree(there)?;
        let of_app: Vec<TreeEntry> =
            entries.iter().filter(|entry| !is_of_the_repository(&entry.name)).cloned().collect();
        if of_app.is_empty() {
            return Ok(None);
        }
        let id = if of_app.len() == entries.len() { there } else { repo.write_tree(&of_app)? };
        let entry = TreeEntry { name: self.app.as_bytes().to_vec(), kind: EntryKind::Tree, id };
        repo.write_tree(&[entry]).map(Some)
    }

    /// What the repository's folder holds once the app is as `edits` say.
    pub(super) fn with_app(
        &self,
        repo: &dyn LocalRepository,
        before: Vec<TreeEntry>,
        edits: &BTreeMap<AppName, Option<ObjectId>>,
    ) -> Result<Vec<TreeEntry>, Failure> {
        let Some((_, edit)) = edits.iter().find(|(app, _)| app.as_str() == self.app) else { return Ok(before) };
        let app = edit.map_or(Ok(Vec::new()), |tree| repo.tree(tree))?;
        let is_kept =
            |entry: &TreeEntry| is_of_the_repository(&entry.name) && app.iter().all(|other| other.name != entry.name);
        let mut kept: Vec<TreeEntry> = before.into_iter().filter(is_kept).collect();
        kept.extend(app);
        Ok(kept)
    }
}

/// What lies beside an app's files and is the repository's: never installed, never changed.
fn is_of_the_repository(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with(b".") || name.starts_with(b"readme") || name.starts_with(b"license")
}

/// One app of the folder; the others are somebody else's.
pub struct OneApp {
    folder: Box<dyn Workspace>,
    repo: std::sync::Arc<dyn LocalRepository>,
    app: AppName,
}

impl OneApp {
    /// The app `app` of `folder`.
    #[must_use]
    pub fn new(folder: Box<dyn Workspace>, repo: std::sync::Arc<dyn LocalRepository>, app: AppName) -> Self {
        Self { folder, repo, app }
    }

    /// The app as it was found, unless it holds what would be taken for the repository's.
    fn told_apart(&self, found: AppOnDisk) -> Result<AppOnDisk, Failure> {
        let AppOnDisk::Settled(tree) = found else { return Ok(found) };
        let entries = self.repo.tree(tree)?;
        let Some(entry) = entries.iter().find(|entry| is_of_the_repository(&entry.name)) else { return Ok(found) };
        Ok(AppOnDisk::Unreadable {
            path: String::from_utf8_lossy(&entry.name).into_owned(),
            reason: "with `layout = \"single\"` a file of this name is the repository's and not the app's; move it elsewhere".to_owned(),
        })
    }
}

impl Workspace for OneApp {
    fn look_at_all(&mut self) -> Result<FolderOnDisk, Failure> {
        // Not a look at everything: the folder may be large, and others look at the rest.
        match self.folder.look_at(&self.app) {
            Ok(found) => {
                let found = self.told_apart(found)?;
                Ok(FolderOnDisk::Apps { apps: vec![(self.app.clone(), found)], refused: Vec::new() })
            }
            Err(failure) => match self.folder.look_at_all()? {
                FolderOnDisk::NotMounted(reason) => Ok(FolderOnDisk::NotMounted(reason)),
                FolderOnDisk::Apps { .. } => Err(failure),
            },
        }
    }

    fn look_at(&mut self, app: &AppName) -> Result<AppOnDisk, Failure> {
        if *app != self.app {
            return Ok(AppOnDisk::Absent);
        }
        let found = self.folder.look_at(app)?;
        self.told_apart(found)
    }

    fn install(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        self.folder.install(app, from, to)
    }

    fn bring(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        self.folder.bring(app, from, to)
    }

    fn take_arrived(&mut self) -> Vec<Arrived> {
        self.folder.take_arrived()
    }

    fn note_arrived(&mut self) -> Result<(), Failure> {
        self.folder.note_arrived()
    }

    fn follow(&mut self, app: &AppName, trees: &[ObjectId]) -> Result<(), Failure> {
        self.folder.follow(app, trees)
    }

    fn ignores(&self, app: &AppName, path: &str) -> bool {
        self.folder.ignores(app, path)
    }

    fn recover(&mut self) -> Result<Vec<AppName>, Failure> {
        self.folder.recover()
    }

    fn save_cache(&mut self) -> Result<(), Failure> {
        self.folder.save_cache()
    }
}
