//! What lies in the staging folder after a swap, or after a crash: our own content, what was replaced, or somebody's save.

use std::io::Read;

use rustix::io::Errno;

use crate::domain::Failure;
use crate::ports::LocalRepository;

use super::changes::Change;
use super::content::{self, LARGEST_FILE, Reading};
use super::dir::Dir;
use super::install::Run;
use super::renames::{At, Swapped};
use super::stamp::Stamp;

/// How often a file is swapped back and forth with somebody who saves it again and again.
const MOST_TURNS: usize = 16;

/// The name of a staged file: whole content, ours or what was swapped out for it.
pub(super) fn name(key: &str, index: usize) -> String {
    format!("{key}-{index}")
}

/// The name of a staged file that is being written.
pub(super) fn part_name(key: &str, index: usize) -> String {
    format!("{key}-{index}.part")
}

impl Run<'_> {
    /// Empties the staging folder of this app: what was checked and did not change since is deleted, a save goes back.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let entries =
            self.site.staging.list().map_err(|errno| self.failed("listing what is staged for", "", &errno.into()))?;
        for entry in entries {
            let Some(staged) = String::from_utf8(entry.name).ok().filter(|staged| staged.starts_with(&self.key)) else {
                continue;
            };
            match staged.rsplit_once('-').and_then(|(_, index)| index.parse::<usize>().ok()) {
                Some(index) if index < self.changes.len() => self.settle_one(index, &staged)?,
                _ => discard(&self.site.staging, &staged),
            }
        }
        Ok(())
    }

    fn settle_one(&mut self, index: usize, staged: &str) -> Result<(), Failure> {
        let unchanged = |seen: &Stamp| self.site.staging.stat_of(staged).is_ok_and(|stat| stat.stamp == *seen);
        if self.out.get(&index).is_some_and(unchanged) {
            discard(&self.site.staging, staged);
            return Ok(());
        }
        let Some(change) = self.changes.get(index) else { return Ok(()) };
        match content::read(&self.site.staging, staged).map_err(|error| self.failed("reading", staged, &error))? {
            Reading::Absent => Ok(()),
            Reading::Read(id, stat) if self.is(change.new, id, &stat) || self.is(change.old, id, &stat) => {
                discard(&self.site.staging, staged);
                Ok(())
            }
            _ => {
                self.outcome.disturbed = true;
                self.put_back(index)
            }
        }
    }

    /// Puts back a save that was swapped out, unless its author has saved (or deleted) the file again since.
    pub(super) fn put_back(&mut self, index: usize) -> Result<(), Failure> {
        let Some(change) = self.changes.get(index).cloned() else { return Ok(()) };
        self.leave(&[index])?;
        let staged = name(&self.key, index);
        self.outcome.own.remove(&change.path);
        match (change.new, self.read_live(&change)?) {
            (Some(_), Reading::Read(id, stat)) if self.is(change.new, id, &stat) => self.swap_back(&change, &staged),
            (None, Reading::Absent) => self.place_back(&change, &staged),
            _ => keep(self.site.repo, &self.site.staging, &staged),
        }
    }

    /// Live is ours, staged is theirs. If what comes out then is not ours, they saved once more, and the newest stays live.
    fn swap_back(&self, change: &Change, staged: &str) -> Result<(), Failure> {
        let (folder, name) = change.place();
        let failed = |errno: Errno| self.failed("putting back a save at", &change.path, &errno.into());
        let dir = self.folder(folder).map_err(failed)?;
        let read = || match content::read(&self.site.staging, staged) {
            Ok(Reading::Read(id, _)) => Ok(Some(id)),
            Ok(_) => Ok(None),
            Err(error) => Err(self.failed("reading", staged, &error)),
        };
        let ours = change.new.map(|content| content.id);
        let mut live = ours;
        for _ in 0..MOST_TURNS {
            let newest = read()?;
            match self
                .site
                .renames
                .exchange(At(&self.site.staging, staged), At(&dir, name), &Stamp::default())
                .map_err(failed)?
            {
                Swapped::Exchanged => {}
                Swapped::Overwritten | Swapped::Moved => break, // they deleted it meanwhile
            }
            let out = read()?;
            if out == live && out == ours {
                discard(&self.site.staging, staged);
                return Ok(());
            }
            if out == live {
                break; // the newer save is live again, and the older one is here
            }
            live = newest;
        }
        keep(self.site.repo, &self.site.staging, staged)
    }

    fn place_back(&self, change: &Change, staged: &str) -> Result<(), Failure> {
        let (folder, name) = change.place();
        let failed = |errno: Errno| self.failed("putting back a save at", &change.path, &errno.into());
        let dir = match self.folder(folder) {
            Err(Errno::NOENT | Errno::NOTDIR) => return keep(self.site.repo, &self.site.staging, staged),
            other => other.map_err(failed)?,
        };
        if self.site.renames.place(At(&self.site.staging, staged), At(&dir, name)).map_err(failed)? {
            return Ok(());
        }
        keep(self.site.repo, &self.site.staging, staged)
    }
}

/// Cleans what no journal explains: the data folder is new, or an older version wrote it.
///
/// # Errors
/// Disk.
pub(super) fn sweep_out(repo: &dyn LocalRepository, staging: &Dir) -> Result<(), Failure> {
    for entry in staging.list().map_err(|errno| Failure::disk("listing the staging folder", &errno.into()))? {
        let Ok(staged) = String::from_utf8(entry.name) else { continue };
        if staged.contains('.') { discard(staging, &staged) } else { keep(repo, staging, &staged)? } // only a part has a dot
    }
    Ok(())
}

/// Takes a superseded save into the local repository before it goes: nothing that a person wrote is dropped.
fn keep(repo: &dyn LocalRepository, staging: &Dir, staged: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::disk(format!("keeping {staged:?} of the staging folder"), &error);
    let mut bytes = Vec::new();
    match staging.file(staged) {
        Ok(file) => {
            file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(failed)?;
        }
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(failed(errno.into())),
    }
    let id = repo.write_blob(&bytes)?;
    tracing::warn!(blob = %id, "a save was superseded while its app was being installed; its content is kept as this blob");
    discard(staging, staged);
    Ok(())
}

/// A folder that somebody put in the place of a file cannot be deleted so, and stays.
fn discard(staging: &Dir, staged: &str) {
    match staging.remove_file(staged) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => tracing::warn!(staged, %errno, "cannot clean the staging folder; remove it by hand"),
    }
}
