//! Bringing an app's folder from one tree to another, so that readers see whole files, a save in between is never lost, and
//! a crash at any moment leaves something that can be rolled forward.
//!
//! Everything new is staged and made durable first; then the journal says so; then the files are swapped one by one, what
//! comes out is compared with what the plan was made from, and is swapped back if it is something else.

use std::collections::{BTreeMap, BTreeSet};

use rustix::io::Errno;

use crate::domain::{AppName, EntryKind, Failure, ObjectId};
use crate::ports::LocalRepository;

use super::changes::{self, Change, Content};
use super::content::{self, Reading};
use super::dir::Dir;
use super::journal::{Journals, Pending};
use super::leftovers;
use super::renames::Renames;
use super::scan::Own;
use super::stamp::{Stamp, Stat};

/// Above this many files one flush of the file system is cheaper than a flush of each.
pub(super) const FEW: usize = 16;

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
    let mut run = Run::new(site, journals, &pending.app, changes, manner);
    let applied = run.stage_and_apply(pending).and_then(|()| run.sync_folders());
    let over = applied.and_then(|()| run.note_over());
    let settled = run.settle(); // also after an error: what was staged must not stay
    match over.and(settled).and_then(|()| run.sync_folders()) {
        Ok(()) if pending.arrives => Ok(run.outcome), // its journal is kept until it is known elsewhere that it came
        Ok(()) => {
            let outcome = run.outcome;
            journals.end(&pending.app)?;
            Ok(outcome)
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
    pub(super) journals: &'a mut Journals,
    pub(super) app: &'a AppName,
    pub(super) key: String,
    pub(super) changes: Vec<Change>,
    pub(super) manner: Manner,
    pub(super) staged: BTreeMap<usize, Stamp>,
    /// What was swapped out and found to be what was expected, at this state.
    pub(super) out: BTreeMap<usize, Stamp>,
    /// Folders in which names changed, relative to the app.
    pub(super) touched: BTreeSet<String>,
    /// The app's own folder is new.
    pub(super) made_app: bool,
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
    fn new(
        site: &'a Site<'a>,
        journals: &'a mut Journals,
        app: &'a AppName,
        changes: Vec<Change>,
        manner: Manner,
    ) -> Self {
        Self {
            site,
            journals,
            app,
            key: super::journal::key(app),
            changes,
            manner,
            staged: BTreeMap::new(),
            out: BTreeMap::new(),
            touched: BTreeSet::new(),
            made_app: false,
            outcome: Outcome::default(),
        }
    }

    fn stage_and_apply(&mut self, pending: &Pending) -> Result<(), Failure> {
        let swapped = self.swapped()?;
        self.settle()?; // what a crash left may hold somebody's save
        let blocking = changes::blocking(&self.changes);
        let mut due = BTreeMap::new();
        for index in 0..self.changes.len() {
            if self.is_left(index) {
                self.outcome.disturbed = true;
                continue;
            }
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
                    if !swapped.contains(&index) {
                        self.leave(&[index])?;
                    }
                }
            }
        }
        if due.is_empty() && pending.to.is_some() && self.manner == Manner::Install && !pending.arrives {
            return Ok(());
        }
        self.stage_all(&due)?;
        if self.manner == Manner::Install {
            self.site.repo.flush()?;
            self.journals.note(pending.clone())?;
        }
        self.apply_all(&due, &blocking)?;
        self.prune(pending.to.is_none())
    }

    // ------------------------------------------------------------ what a crash left

    /// What had been swapped when a crash came, as far as what came out is still there: what is live now was saved on top
    /// of ours. Where that cannot be told, a file counts as saved on top of what was there before.
    fn swapped(&self) -> Result<BTreeSet<usize>, Failure> {
        let mut found = BTreeSet::new();
        if self.manner == Manner::Install {
            return Ok(found);
        }
        for (index, change) in self.changes.iter().enumerate() {
            let staged = leftovers::name(&self.key, index);
            let reading = content::read(&self.site.staging, &staged)
                .map_err(|error| self.failed("reading what was replaced at", &staged, &error))?;
            if let Reading::Read(id, stat) = reading
                && self.is(change.old, id, &stat)
            {
                found.insert(index);
            }
        }
        Ok(found)
    }

    fn is_left(&self, index: usize) -> bool {
        let pending = self.journals.of(self.app).filter(|_| self.manner == Manner::RollForward);
        let change = self.changes.get(index);
        pending.zip(change).is_some_and(|(pending, change)| pending.left.contains(&change.path))
    }

    /// Notes what is not brought to the wanted state, before anything is done that hides it.
    pub(super) fn leave(&mut self, indices: &[usize]) -> Result<(), Failure> {
        let paths = indices.iter().filter_map(|index| Some(self.changes.get(*index)?.path.clone())).collect();
        self.journals.leave(self.app, paths)
    }

    fn note_over(&mut self) -> Result<(), Failure> {
        if self.touched.is_empty() && self.manner == Manner::Install && self.outcome.disturbed {
            return Ok(()); // nothing was begun
        }
        self.journals.note_over(self.app)
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

    pub(super) fn failed(&self, doing: &str, path: &str, error: &std::io::Error) -> Failure {
        Failure::disk(format!("{doing} {path:?} of the app {:?}", self.app.as_str()), error)
    }
}
