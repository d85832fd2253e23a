//! Swapping what is staged into the app's folder, file by file.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use crate::domain::Failure;

use super::changes::Change;
use super::content::{self, Reading};
use super::install::{Manner, Run};
use super::leftovers;
use super::renames::{At, Swapped, rename};
use super::shape::remove_empty;
use super::stamp::Stat;

impl Run<'_> {
    pub(super) fn apply_all(
        &mut self,
        due: &BTreeMap<usize, Option<Stat>>,
        blocking: &BTreeSet<usize>,
    ) -> Result<(), Failure> {
        let writes = |index: &usize| self.changes.get(*index).is_some_and(|change| change.new.is_some());
        let (writes, deletions): (Vec<usize>, Vec<usize>) = due.keys().copied().partition(writes);
        let (first, last): (Vec<usize>, Vec<usize>) = deletions.into_iter().partition(|index| blocking.contains(index));
        let mut rest = first.into_iter().chain(writes).chain(last);
        let mut has_begun = false;
        while let Some(index) = rest.next() {
            let Some(change) = self.changes.get(index).cloned() else { continue };
            let undisturbed = match (change.new, due.get(&index)) {
                (None, _) => self.delete(index, &change)?,
                (Some(_), Some(Some(live))) => self.replace(index, &change, live)?,
                (Some(_), _) => self.add(index, &change)?,
            };
            if let (true, Some(new), Some(stamp)) = (undisturbed, change.new, self.staged.get(&index)) {
                self.outcome.own.insert(change.path, (*stamp, new.id));
            }
            if !undisturbed {
                self.outcome.disturbed = true;
                self.leave(&[index])?;
                if self.manner == Manner::Install && !has_begun {
                    return self.leave(&rest.collect::<Vec<_>>()); // nothing is changed yet: it is planned again
                }
            }
            has_begun |= undisturbed; // from here on it is finished all the same: half an app would be left
        }
        Ok(())
    }

    fn replace(&mut self, index: usize, change: &Change, live: &Stat) -> Result<bool, Failure> {
        let (folder, name) = change.place();
        let dir = match self.folder(folder) {
            Ok(dir) => dir,
            Err(errno) => return self.moved("replacing", change, errno),
        };
        let staged = leftovers::name(&self.key, index);
        self.touched.insert(folder.to_owned());
        match self.site.renames.exchange(At(&self.site.staging, &staged), At(&dir, name), &live.stamp) {
            Ok(Swapped::Overwritten) => Ok(true),
            Ok(Swapped::Moved) => Ok(false),
            Ok(Swapped::Exchanged) => self.check_out(index),
            Err(errno) => self.moved("replacing", change, errno),
        }
    }

    fn add(&mut self, index: usize, change: &Change) -> Result<bool, Failure> {
        let (folder, name) = change.place();
        let dir = match self.make_folder(folder) {
            Ok(dir) => dir,
            Err(errno) => return self.moved("making the folder of", change, errno),
        };
        if matches!(dir.stat_of(name), Ok(stat) if stat.file_type() == rustix::fs::FileType::Directory) {
            remove_empty(&dir, name); // a folder becomes a file; its files are deleted already
        }
        let staged = leftovers::name(&self.key, index);
        self.touched.insert(folder.to_owned());
        match self.site.renames.place(At(&self.site.staging, &staged), At(&dir, name)) {
            Ok(placed) => Ok(placed),
            Err(errno) => self.moved("adding", change, errno),
        }
    }

    fn delete(&mut self, index: usize, change: &Change) -> Result<bool, Failure> {
        let (folder, name) = change.place();
        let dir = match self.folder(folder) {
            Ok(dir) => dir,
            Err(errno) => return self.moved("deleting", change, errno),
        };
        self.touched.insert(folder.to_owned());
        match rename(At(&dir, name), At(&self.site.staging, &leftovers::name(&self.key, index))) {
            Ok(()) => self.check_out(index),
            Err(errno) => self.moved("deleting", change, errno),
        }
    }

    /// Compares what came out with what the plan was made from, and puts it back if it is something else.
    fn check_out(&mut self, index: usize) -> Result<bool, Failure> {
        let staged = leftovers::name(&self.key, index);
        let old = self.changes.get(index).and_then(|change| change.old);
        let reading = content::read(&self.site.staging, &staged)
            .map_err(|error| self.failed("reading what was replaced at", &staged, &error))?;
        if let Reading::Read(id, stat) = &reading
            && self.is(old, *id, stat)
        {
            self.out.insert(index, stat.stamp);
            return Ok(true);
        }
        self.put_back(index)?;
        Ok(false)
    }

    /// Somebody else changed what leads to the file, or the disk failed.
    fn moved(&self, doing: &str, change: &Change, errno: Errno) -> Result<bool, Failure> {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => Ok(false),
            _ => Err(self.failed(doing, &change.path, &errno.into())),
        }
    }
}
