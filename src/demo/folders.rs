//! Where the demo lives: a new folder, removed at the end unless a person named it.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The folders of the demo.
pub(super) struct Folders {
    root: PathBuf,
    keep: bool,
}

impl Folders {
    /// Makes them in `chosen`, which must be empty or not there, and stays; or in a new temporary folder.
    pub(super) fn create(chosen: Option<&Path>) -> anyhow::Result<Self> {
        let (root, keep) = match chosen {
            Some(folder) => (std::path::absolute(folder).context("finding the folder")?, true),
            None => (std::env::temp_dir().join(format!("appferry-demo-{}", std::process::id())), false),
        };
        if chosen.is_some() {
            std::fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
            let occupied = std::fs::read_dir(&root).with_context(|| format!("cannot read {}", root.display()))?.next();
            anyhow::ensure!(occupied.is_none(), "{} is not empty; choose an empty or a new folder", root.display());
        } else {
            // Fails if it exists: nobody can have prepared it with links to elsewhere.
            std::fs::create_dir(&root).with_context(|| format!("cannot make {}; give --folder DIR", root.display()))?;
        }
        let folders = Self { root, keep };
        for folder in [folders.git(), folders.apps("development"), folders.apps("production")] {
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        for instance in ["development", "production"] {
            private_dir(&folders.data(instance)).context("making a data folder")?;
        }
        Ok(folders)
    }

    /// The folder of the bare repositories.
    pub(super) fn git(&self) -> PathBuf {
        self.root.join("git")
    }

    /// The one bare repository.
    pub(super) fn repository(&self) -> PathBuf {
        self.git().join("apps.git")
    }

    /// An instance's apps folder.
    pub(super) fn apps(&self, instance: &str) -> PathBuf {
        self.root.join(instance).join("apps")
    }

    /// An instance's data folder.
    pub(super) fn data(&self, instance: &str) -> PathBuf {
        self.root.join(instance).join("data")
    }

    /// The `known_hosts` file that both instances read.
    pub(super) fn known_hosts(&self) -> PathBuf {
        self.root.join("known_hosts")
    }

    /// Removes them, unless they are to stay; says what became of them.
    pub(super) fn clean_up(mut self) -> String {
        let root = self.root.display().to_string();
        if std::mem::replace(&mut self.keep, true) {
            return format!("The folders stay in {root}");
        }
        match std::fs::remove_dir_all(&self.root) {
            Ok(()) => format!("Removed {root}"),
            Err(error) => format!("Could not remove {root}: {error}; remove it by hand"),
        }
    }
}

impl Drop for Folders {
    /// For the ways out that do not come by [`clean_up`](Self::clean_up).
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

fn private_dir(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine"), "x").unwrap();
        assert!(Folders::create(Some(folder.path())).is_err());
        assert!(folder.path().join("mine").exists());
    }

    #[test]
    fn a_temporary_folder_goes_and_a_chosen_one_stays() {
        let temporary = Folders::create(None).unwrap();
        let root = temporary.root.clone();
        assert!(temporary.clean_up().starts_with("Removed") && !root.exists());
        let parent = tempfile::tempdir().unwrap();
        let chosen = Folders::create(Some(&parent.path().join("demo"))).unwrap();
        let apps = chosen.apps("production");
        drop(chosen);
        assert!(apps.is_dir());
    }
}
