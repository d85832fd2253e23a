//! The folders of an app: made when a file needs them, removed when the last file is gone.

use std::collections::BTreeSet;

use rustix::io::Errno;

use crate::domain::Failure;

use super::dir::Dir;
use super::install::{FEW, Run};

impl Run<'_> {
    /// Opens a folder of the app, making what is missing on the way.
    pub(super) fn make_folder(&mut self, path: &str) -> rustix::io::Result<Dir> {
        let mut dir = match self.site.root.child(self.app.as_str()) {
            Err(Errno::NOENT) => {
                self.made_app = true;
                self.make_in(self.site.root, self.app.as_str())?
            }
            other => other?,
        };
        let mut walked = String::new();
        for component in path.split('/').filter(|part| !part.is_empty()) {
            dir = match dir.child(component) {
                Err(Errno::NOENT) => {
                    self.touched.insert(walked.clone());
                    self.make_in(&dir, component)?
                }
                other => other?,
            };
            walked = if walked.is_empty() { component.to_owned() } else { format!("{walked}/{component}") };
        }
        Ok(dir)
    }

    /// A new folder has our mode, and owner and set-group-id of the one around it.
    fn make_in(&self, outer: &Dir, name: &str) -> rustix::io::Result<Dir> {
        match outer.make_dir(name, self.site.dir_mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => return outer.child(name),
            Err(errno) => return Err(errno),
        }
        let (dir, around) = (outer.child(name)?, outer.stat()?);
        dir.adopt(self.site.dir_mode | (around.stamp.mode & 0o2000), around.owner)?;
        Ok(dir)
    }

    /// Removes folders that our deletions left empty; all of the app's empty ones if the app itself goes.
    pub(super) fn prune(&mut self, whole_app: bool) -> Result<(), Failure> {
        if whole_app {
            self.touched.insert(String::new());
            remove_empty(self.site.root, self.app.as_str());
            return self.site.root.sync().map_err(|errno| self.failed("flushing", "", &errno.into()));
        }
        let deleted = self.changes.iter().filter(|change| change.new.is_none());
        let folders: BTreeSet<String> = deleted.flat_map(|change| ancestors(&change.path)).collect();
        for folder in folders.iter().rev() {
            let (outer, name) = folder.rsplit_once('/').unwrap_or(("", folder));
            if let Ok(dir) = self.folder(outer)
                && dir.remove_dir(name).is_ok()
            {
                self.touched.insert(outer.to_owned());
            }
        }
        Ok(())
    }

    pub(super) fn sync_folders(&self) -> Result<(), Failure> {
        let synced = if self.touched.is_empty() {
            Ok(())
        } else if self.touched.len() > FEW {
            self.site.root.sync_file_system()
        } else {
            let mut folders = self.touched.iter().filter_map(|path| self.folder(path).ok());
            let synced = folders.try_for_each(|dir| dir.sync());
            if self.made_app { synced.and_then(|()| self.site.root.sync()) } else { synced }
        };
        synced.map_err(|errno| self.failed("flushing", "", &errno.into()))
    }
}

/// All folders that a path lies in, without the app's own.
fn ancestors(path: &str) -> impl Iterator<Item = String> + '_ {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at).map(str::to_owned))
}

/// Removes a folder that holds nothing but empty folders; one that holds a file keeps it.
pub(super) fn remove_empty(outer: &Dir, name: &str) {
    if let Ok(dir) = outer.child(name) {
        for entry in dir.list().unwrap_or_default() {
            match std::str::from_utf8(&entry.name) {
                Ok(inner) if entry.file_type == rustix::fs::FileType::Directory => remove_empty(&dir, inner),
                _ => return,
            }
        }
        let _ = outer.remove_dir(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ancestors_of_a_path_are_its_folders() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(ancestors("a").count(), 0);
    }
}
