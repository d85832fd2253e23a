//! Writing new content to the staging folder, whole and durable, before anything visible happens.

use std::collections::BTreeMap;
use std::io::Write;

use crate::domain::{EntryKind, Failure};

use super::changes::{Change, Content};
use super::dir::{adopt_file, stat_fd};
use super::install::{FEW, Run, Site};
use super::leftovers;
use super::renames::{At, rename};
use super::stamp::{Stamp, Stat};

impl Run<'_> {
    pub(super) fn stage_all(&mut self, due: &BTreeMap<usize, Option<Stat>>) -> Result<(), Failure> {
        let writes = |index: &usize| self.changes.get(*index).is_some_and(|change| change.new.is_some());
        let count = due.keys().filter(|index| writes(index)).count();
        for (index, live) in due {
            if let Some(Change { path, new: Some(new), .. }) = self.changes.get(*index) {
                let stamp = self
                    .stage(*index, path, *new, live.as_ref(), count <= FEW)?
                    .map_err(|error| self.failed("staging", path, &error))?;
                self.staged.insert(*index, stamp);
            }
        }
        // The staged names need not survive: what is missing is staged again.
        let synced = if count > FEW { self.site.staging.sync_file_system() } else { Ok(()) };
        synced.map_err(|errno| self.failed("flushing", "", &errno.into()))
    }

    fn stage(
        &self,
        index: usize,
        path: &str,
        new: Content,
        live: Option<&Stat>,
        sync: bool,
    ) -> Result<std::io::Result<Stamp>, Failure> {
        let bytes = self.site.repo.blob(new.id)?;
        Ok(self.write_staged(index, path, new, live, sync, &bytes))
    }

    /// The name without `.part` exists only with the whole content in it.
    fn write_staged(
        &self,
        index: usize,
        path: &str,
        new: Content,
        live: Option<&Stat>,
        sync: bool,
        bytes: &[u8],
    ) -> std::io::Result<Stamp> {
        let Site { staging, file_mode, .. } = self.site;
        let part = leftovers::part_name(&self.key, index);
        let mut file = staging.create(&part)?;
        file.write_all(bytes)?;
        let mode = live.map_or(*file_mode, |stat| stat.stamp.mode & 0o777);
        let owner = match live {
            Some(stat) => stat.owner,
            None => self.heir_of(path)?,
        };
        adopt_file(&file, with_execution(mode, new.kind), owner)?;
        if sync {
            file.sync_all()?;
        }
        rename(At(staging, &part), At(staging, &leftovers::name(&self.key, index)))?;
        Ok(stat_fd(&file)?.stamp)
    }

    /// The owner of the nearest folder that is there: what is new belongs to whom the folder belongs.
    fn heir_of(&self, path: &str) -> rustix::io::Result<(u32, u32)> {
        let mut path = path;
        while let Some((outer, _)) = path.rsplit_once('/') {
            if let Ok(dir) = self.folder(outer) {
                return Ok(dir.stat()?.owner);
            }
            path = outer;
        }
        let dir = self.folder("").or_else(|_| self.site.root.child("."))?;
        Ok(dir.stat()?.owner)
    }
}

/// The execution bits follow Git's kind: where reading is allowed, or nowhere.
fn with_execution(mode: u32, kind: EntryKind) -> u32 {
    if kind == EntryKind::Executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_is_allowed_where_reading_is() {
        assert_eq!(with_execution(0o640, EntryKind::Executable), 0o750);
        assert_eq!(with_execution(0o755, EntryKind::File), 0o644);
        assert_eq!(with_execution(0o600, EntryKind::File), 0o600);
    }
}
