//! Bringing an app's folder from one tree to another, so that readers see whole files, a save in between is never lost, and
//! a crash at any moment leaves something that can be rolled forward.
//!
//! Everything new is staged and made durable first; then the journal says so; then the files are swapped one by one, what
//! comes out is compared with what the plan was made from, and is swapped back if it is something else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use rustix::io::Errno;

use crate::domain::{AppName, EntryKind, Failure, ObjectId};
use crate::ports::LocalRepository;

use super::changes::{self, Change, Content};
use super::content::{self, Reading};
use super::dir::{Dir, adopt_file, stat_fd};
use super::journal::{Journals, Pending};
use super::leftovers;
use super::renames::{At, Renames, Swapped, rename};
use super::scan::Own;
use super::stamp::{Stamp, Stat};

/// Above this many files one flush of the file system is cheaper than a flush of each.
const FEW: usize = 16;

/// Where and how files are installed.
pub(super) struct Site<'a> {
    pub(super) repo: &'a dyn LocalRepository,
    /// The apps folder.
    pub(super) root: &'a Dir,
    /// Ours, on the same file system.
    pub(super) staging: Dir,
    pub(super) renames: Renames,
    pub(super) trusts_mode: bool,
    pub(super) file_mode: u32,
    pub(super) dir_mode: u32,
}

/// What to do about a file that is neither what the plan was made from nor what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Stop: somebody saved, and the plan must be made again.
    Install,
    /// Leave it and finish the rest: a crash interrupted us, and somebody saved since.
    RollForward,
}

/// What an install did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Somebody else's save was met, and left.
    pub(super) disturbed: bool,
    /// What was written.
    pub(super) own: Own,
}

/// Installs, or rolls forward what is pending. With an error the journal stays if anything visible was done.
///
/// # Errors
/// Disk; protocol for a hostile tree; what the repository says.
pub(super) fn run(
    site: &Site<'_>,
    journals: &mut Journals,
    pending: &Pending,
    manner: Manner,
) -> Result<Outcome, Failure> {
    let changes = changes::between(site.repo, pending.from, pending.to)?;
    let mut run = Run::new(site, &pending.app, changes, manner);
    let result = run.stage_and_apply(journals, pending);
    let settled = run.settle(); // also after an error: what was staged must not stay
    match result.and(settled).and_then(|()| run.sync_folders()) {
        Ok(()) => {
            journals.end(&pending.app)?;
            Ok(run.outcome)
        }
        Err(failure) if run.touched.is_empty() && manner == Manner::Install => {
            journals.end(&pending.app)?;
            Err(failure)
        }
        Err(failure) => Err(failure),
    }
}

pub(super) struct Run<'a> {
    pub(super) site: &'a Site<'a>,
    app: &'a AppName,
    pub(super) key: String,
    pub(super) changes: Vec<Change>,
    manner: Manner,
    staged: BTreeMap<usize, Stamp>,
    /// What was swapped out and found to be what was expected, at this state.
    pub(super) out: BTreeMap<usize, Stamp>,
    /// Folders in which names changed, relative to the app.
    touched: BTreeSet<String>,
    pub(super) outcome: Outcome,
}

/// What has to happen with one change.
enum Step {
    /// It is as wanted.
    Done,
    /// It is as the plan was made from; the live file, if there is one.
    Due(Option<Stat>),
    /// It is something else.
    Foreign,
}

impl<'a> Run<'a> {
    fn new(site: &'a Site<'a>, app: &'a AppName, changes: Vec<Change>, manner: Manner) -> Self {
        Self {
            site,
            app,
            key: super::journal::key(app),
            changes,
            manner,
            staged: BTreeMap::new(),
            out: BTreeMap::new(),
            touched: BTreeSet::new(),
            outcome: Outcome::default(),
        }
    }

    fn stage_and_apply(&mut self, journals: &mut Journals, pending: &Pending) -> Result<(), Failure> {
        self.settle()?; // what a crash left may hold somebody's save
        let blocking = changes::blocking(&self.changes);
        let mut due = BTreeMap::new();
        for index in 0..self.changes.len() {
            match self.inspect(index, &blocking)? {
                Step::Done => {}
                Step::Due(live) => {
                    due.insert(index, live);
                }
                Step::Foreign => {
                    self.outcome.disturbed = true;
                    if self.manner == Manner::Install {
                        return Ok(());
                    }
                }
            }
        }
        self.stage_all(&due)?;
        if self.manner == Manner::Install {
            self.site.repo.flush()?;
            journals.begin(pending.clone())?;
        }
        self.apply_all(&due, &blocking)?;
        self.prune(pending.to.is_none())
    }

    // ------------------------------------------------------------ looking

    fn inspect(&self, index: usize, blocking: &BTreeSet<usize>) -> Result<Step, Failure> {
        let Some(change) = self.changes.get(index) else { return Ok(Step::Done) };
        Ok(match self.read_live(change)? {
            Reading::Read(id, stat) if self.is(change.new, id, &stat) => Step::Done,
            Reading::Read(id, stat) if self.is(change.old, id, &stat) => Step::Due(Some(stat)),
            Reading::Absent if change.new.is_none() => Step::Done,
            Reading::Absent if change.old.is_none() => Step::Due(None),
            // A file became a folder, and the folder is there already.
            Reading::NotAFile if change.new.is_none() && blocking.contains(&index) => Step::Done,
            // A folder becomes a file, and the folder is still there.
            Reading::NotAFile if change.old.is_none() && self.clears(change, blocking) => Step::Due(None),
            _ => Step::Foreign,
        })
    }

    /// Whether deletions of this install empty the folder that is where the file shall be.
    fn clears(&self, change: &Change, blocking: &BTreeSet<usize>) -> bool {
        let inside = format!("{}/", change.path);
        blocking.iter().filter_map(|index| self.changes.get(*index)).any(|deleted| deleted.path.starts_with(&inside))
    }

    pub(super) fn read_live(&self, change: &Change) -> Result<Reading, Failure> {
        let (folder, name) = change.place();
        match self.folder(folder) {
            Ok(dir) => content::read(&dir, name).map_err(|error| self.failed("reading", &change.path, &error)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Reading::Absent),
            Err(Errno::LOOP) => Ok(Reading::NotAFile),
            Err(errno) => Err(self.failed("opening", folder, &errno.into())),
        }
    }

    /// Whether what was read is this content.
    pub(super) fn is(&self, content: Option<Content>, id: ObjectId, stat: &Stat) -> bool {
        content.is_some_and(|content| {
            let executable = content.kind == EntryKind::Executable;
            content.id == id && (!self.site.trusts_mode || executable == stat.stamp.is_executable())
        })
    }

    /// A folder of the app; the empty path is the app's own.
    pub(super) fn folder(&self, path: &str) -> rustix::io::Result<Dir> {
        self.site.root.child(self.app.as_str())?.descend(path)
    }

    // ------------------------------------------------------------ staging

    fn stage_all(&mut self, due: &BTreeMap<usize, Option<Stat>>) -> Result<(), Failure> {
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
        let synced = match count {
            0 => Ok(()),
            1..=FEW => self.site.staging.sync(),
            _ => self.site.staging.sync_file_system(),
        };
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

    // ------------------------------------------------------------ applying

    fn apply_all(&mut self, due: &BTreeMap<usize, Option<Stat>>, blocking: &BTreeSet<usize>) -> Result<(), Failure> {
        let writes = |index: &usize| self.changes.get(*index).is_some_and(|change| change.new.is_some());
        let (writes, deletions): (Vec<usize>, Vec<usize>) = due.keys().copied().partition(writes);
        let (first, last): (Vec<usize>, Vec<usize>) = deletions.into_iter().partition(|index| blocking.contains(index));
        for index in first.into_iter().chain(writes).chain(last) {
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
                if self.manner == Manner::Install {
                    return Ok(());
                }
            }
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

    // ------------------------------------------------------------ folders

    /// Opens a folder of the app, making what is missing on the way.
    fn make_folder(&mut self, path: &str) -> rustix::io::Result<Dir> {
        let mut dir = match self.site.root.child(self.app.as_str()) {
            Err(Errno::NOENT) => self.make_in(self.site.root, self.app.as_str())?,
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
    fn prune(&mut self, whole_app: bool) -> Result<(), Failure> {
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

    fn sync_folders(&self) -> Result<(), Failure> {
        let synced = if self.touched.is_empty() {
            Ok(())
        } else if self.touched.len() > FEW {
            self.site.root.sync_file_system()
        } else {
            let mut folders = self.touched.iter().filter_map(|path| self.folder(path).ok());
            folders.try_for_each(|dir| dir.sync()).and_then(|()| self.site.root.sync())
        };
        synced.map_err(|errno| self.failed("flushing", "", &errno.into()))
    }

    pub(super) fn failed(&self, doing: &str, path: &str, error: &std::io::Error) -> Failure {
        Failure::disk(format!("{doing} {path:?} of the app {:?}", self.app.as_str()), error)
    }
}

/// All folders that a path lies in, without the app's own.
fn ancestors(path: &str) -> impl Iterator<Item = String> + '_ {
    path.match_indices('/').filter_map(|(at, _)| path.get(..at).map(str::to_owned))
}

/// Removes a folder that holds nothing but empty folders; one that holds a file keeps it.
fn remove_empty(outer: &Dir, name: &str) {
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

    #[test]
    fn the_ancestors_of_a_path_are_its_folders() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(ancestors("a").count(), 0);
    }
}
