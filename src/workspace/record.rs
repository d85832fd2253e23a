//! What is remembered of an app's folder between looks: about 110 bytes a file.

use crate::domain::{EntryKind, ObjectId};

use super::stamp::Stamp;

/// A file whose content is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileRecord {
    pub(super) name: Box<str>,
    pub(super) stamp: Stamp,
    /// [`ObjectId::ZERO`] until it is hashed.
    pub(super) id: ObjectId,
    /// It was so young when it was hashed that a later change may have left the same stamp: hash it again next time.
    pub(super) racy: bool,
}

/// A folder, its files and folders sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirRecord {
    pub(super) stamp: Stamp,
    /// [`ObjectId::ZERO`] until it is written, and for a folder without a file, which Git does not know.
    pub(super) tree: ObjectId,
    pub(super) files: Vec<FileRecord>,
    pub(super) dirs: Vec<(Box<str>, DirRecord)>,
}

impl Default for DirRecord {
    fn default() -> Self {
        Self { stamp: Stamp::default(), tree: ObjectId::ZERO, files: Vec::new(), dirs: Vec::new() }
    }
}

impl FileRecord {
    pub(super) fn kind(&self, trusts_mode: bool) -> EntryKind {
        if trusts_mode && self.stamp.is_executable() { EntryKind::Executable } else { EntryKind::File }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.racy || self.id == ObjectId::ZERO
    }
}

impl DirRecord {
    /// Whether there is not a single file.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.dirs.iter().all(|(_, dir)| dir.is_empty())
    }

    pub(super) fn file(&self, name: &str) -> Option<&FileRecord> {
        let found = self.files.binary_search_by(|file| file.name.as_ref().cmp(name)).ok()?;
        self.files.get(found)
    }

    pub(super) fn dir(&self, name: &str) -> Option<&Self> {
        let found = self.dirs.binary_search_by(|(dir, _)| dir.as_ref().cmp(name)).ok()?;
        self.dirs.get(found).map(|(_, dir)| dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_files_are_remembered_in_a_few_megabytes() {
        assert!(size_of::<FileRecord>() <= 80, "{}", size_of::<FileRecord>());
        assert!(size_of::<DirRecord>() <= 112, "{}", size_of::<DirRecord>());
    }
}
