//! The files of an archive as they come: paths checked, sizes counted, contents stored.

use std::io::Read;

use super::names::{Names, plain};
use super::{ArchiveError, Limits, Store};
use crate::domain::input::size::FileSize;
use crate::domain::{AppFile, EntryKind};

/// What came so far.
pub(super) struct Gather<'a> {
    limits: Limits,
    store: Store<'a>,
    names: Names,
    bytes: u64,
    files: Vec<AppFile>,
}

impl<'a> Gather<'a> {
    pub(super) fn new(limits: Limits, store: Store<'a>) -> Self {
        Self { limits, store, names: Names::default(), bytes: 0, files: Vec::new() }
    }

    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes a folder. Only its path is looked at: a folder without a file does not exist in Git.
    pub(super) fn folder(&mut self, path: &str) -> Result<(), ArchiveError> {
        let path = plain(path);
        if path.is_empty() {
            return Ok(());
        }
        self.names.folder(path).map_err(|rule| refused(path, rule))?;
        self.few_enough()
    }

    /// Takes a file. What an archive says about the size is not believed: what comes is counted.
    pub(super) fn file(
        &mut self,
        (form, path): (&'static str, &str),
        executable: bool,
        content: impl Read,
    ) -> Result<(), ArchiveError> {
        let path = plain(path);
        self.names.file(path).map_err(|rule| refused(path, rule))?;
        self.few_enough()?;
        let room = self.limits.file.min(self.limits.whole - self.bytes);
        let mut bytes = Vec::new();
        let read = content.take(room + 1).read_to_end(&mut bytes);
        read.map_err(|error| ArchiveError::Broken { form, problem: format!("{path:?}: {error}") })?;
        let length = bytes.len() as u64;
        if length > self.limits.file {
            return Err(ArchiveError::TooLarge(format!("{path:?} is larger than {}", FileSize(self.limits.file))));
        }
        if length > room {
            return Err(ArchiveError::TooLarge(format!("the app is larger than {}", FileSize(self.limits.whole))));
        }
        self.bytes += length;
        let kind = if executable { EntryKind::Executable } else { EntryKind::File };
        let id = (self.store)(&bytes)?;
        self.files.push(AppFile { path: path.to_owned(), kind, id });
        Ok(())
    }

    fn few_enough(&self) -> Result<(), ArchiveError> {
        let most = self.limits.entries;
        if self.names.len() > most {
            return Err(ArchiveError::TooLarge(format!("the app has more than {most} files and folders")));
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<AppFile>, ArchiveError> {
        if self.files.is_empty() { Err(ArchiveError::Empty) } else { Ok(self.files) }
    }
}

pub(super) fn refused(path: &str, rule: impl Into<String>) -> ArchiveError {
    ArchiveError::Refused { path: path.to_owned(), rule: rule.into() }
}
