//! The bare repository in the data folder.

use std::collections::{BTreeSet, HashSet};

use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};

/// A commit, as far as the services look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The root tree.
    pub tree: ObjectId,
    /// Parents, first parent first.
    pub parents: Vec<ObjectId>,
    /// Who made the change.
    pub author: Signature,
    /// Who recorded it.
    pub committer: Signature,
    /// The whole message.
    pub message: String,
}

/// Name, address and time of an author or committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i32,
}

/// An annotated tag on a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The commit.
    pub target: ObjectId,
    /// The short name.
    pub name: String,
    /// Who made the tag.
    pub tagger: Signature,
    /// The whole message.
    pub message: String,
}

/// One ref to move, all or nothing with the others of the same call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEdit {
    /// The full name, `refs/…`.
    pub name: String,
    /// Where it shall point; `None` deletes it.
    pub to: Option<ObjectId>,
}

/// The bare repository in the data folder. All calls block: use them from a blocking thread.
///
/// What is written becomes durable at the next [`flush`](Self::flush) or [`edit_refs`](Self::edit_refs), and can be read back at once.
/// Errors are of class [`FailureClass::Disk`](crate::domain::FailureClass::Disk) (full, read-only, not readable) or [`FailureClass::Damaged`](crate::domain::FailureClass::Damaged) (an object or a ref is
/// missing or damaged); "internal" below is that, or a defect.
pub trait LocalRepository: Send + Sync {
    /// The entries of a tree, in Git's order.
    ///
    /// # Errors
    /// Disk or internal.
    fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure>;

    /// The folder of this name in a tree, if it has one; cheaper than all entries where the repository can look for it.
    ///
    /// # Errors
    /// Disk or internal.
    fn subtree(&self, tree: ObjectId, name: &[u8]) -> Result<Option<ObjectId>, Failure> {
        let is_it = |entry: &TreeEntry| entry.kind == EntryKind::Tree && entry.name == name;
        Ok(self.tree(tree)?.into_iter().find(is_it).map(|entry| entry.id))
    }

    /// The names of the folders that are not the same in two trees, of which either may be absent.
    ///
    /// # Errors
    /// Disk or internal.
    fn changed_folders(&self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<Vec<Vec<u8>>, Failure> {
        let folders = |tree: Option<ObjectId>| -> Result<HashSet<(Vec<u8>, ObjectId)>, Failure> {
            let mut entries = tree.map_or_else(|| Ok(Vec::new()), |tree| self.tree(tree))?;
            entries.retain(|entry| entry.kind == EntryKind::Tree);
            Ok(entries.into_iter().map(|entry| (entry.name, entry.id)).collect())
        };
        let (old, new) = (folders(old)?, folders(new)?);
        let changed: BTreeSet<Vec<u8>> = old.symmetric_difference(&new).map(|(name, _)| name.clone()).collect();
        Ok(changed.into_iter().collect())
    }

    /// The bytes of a blob.
    ///
    /// # Errors
    /// Disk or internal.
    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Failure>;

    /// How many bytes a blob has; cheaper than its bytes where the repository can tell.
    ///
    /// # Errors
    /// Disk or internal.
    fn blob_size(&self, id: ObjectId) -> Result<u64, Failure> {
        self.blob(id).map(|bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    /// A commit.
    ///
    /// # Errors
    /// Disk or internal.
    fn commit(&self, id: ObjectId) -> Result<Commit, Failure>;

    /// Whether the object is here.
    ///
    /// # Errors
    /// Disk.
    fn contains(&self, id: ObjectId) -> Result<bool, Failure>;

    /// Stores a blob, unless it is here already.
    ///
    /// # Errors
    /// Disk.
    fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, Failure>;

    /// Stores a tree, unless it is here already. The entries may come in any order.
    ///
    /// # Errors
    /// Disk; internal if a name is empty or given twice.
    fn write_tree(&self, entries: &[TreeEntry]) -> Result<ObjectId, Failure>;

    /// Stores a commit.
    ///
    /// # Errors
    /// Disk.
    fn write_commit(&self, commit: &Commit) -> Result<ObjectId, Failure>;

    /// Stores a tag object; no ref is made for it.
    ///
    /// # Errors
    /// Disk.
    fn write_tag(&self, tag: &Tag) -> Result<ObjectId, Failure>;

    /// Makes all that was written durable.
    ///
    /// # Errors
    /// Disk: what was written stays readable and is tried again at the next call.
    fn flush(&self) -> Result<(), Failure>;

    /// Where a ref points.
    ///
    /// # Errors
    /// Disk.
    fn find_ref(&self, name: &str) -> Result<Option<ObjectId>, Failure>;

    /// All refs below `prefix` (which ends with `/`), sorted by name.
    ///
    /// # Errors
    /// Disk.
    fn list_refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Failure>;

    /// Flushes, then moves the refs, in the order given.
    ///
    /// # Errors
    /// Disk: a tail of the edits may not have been made.
    fn edit_refs(&self, edits: &[RefEdit]) -> Result<(), Failure>;

    /// Whether `descendant` is `ancestor` or has it among its ancestors.
    ///
    /// # Errors
    /// Disk or internal.
    fn descends_from(&self, descendant: ObjectId, ancestor: ObjectId) -> Result<bool, Failure>;

    /// Packs what is reachable and deletes what that covers, when there is much of it (above 2,000 loose objects or 20
    /// packs). Answers whether it did.
    ///
    /// # Errors
    /// Disk: the repository stays as it was.
    fn maintain(&self) -> Result<bool, Failure>;

    /// Puts a fresh, empty repository in the place of this damaged one, which is set aside under a name with `time`. From
    /// then to [`end_mending`](Self::end_mending) it [is mending](Self::is_mending): what is not here is read from the one set
    /// aside, as far as that is sound.
    ///
    /// # Errors
    /// Disk: either of the two is in place.
    fn set_aside(&self, _time: &str) -> Result<(), Failure> {
        Err(Failure::internal("this repository cannot be set aside"))
    }

    /// Whether it waits for what the one set aside holds, perhaps since before the start.
    fn is_mending(&self) -> bool {
        false
    }

    /// The refs of the one set aside that can be read.
    fn refs_aside(&self) -> Vec<(String, ObjectId)> {
        Vec::new()
    }

    /// Every commit in the one set aside that can be read.
    fn commits_aside(&self) -> Vec<ObjectId> {
        Vec::new()
    }

    /// Brings objects over from the one set aside, each with all that it refers to. Answers for each whether it is wholly here.
    ///
    /// # Errors
    /// Disk.
    fn bring_over(&self, objects: &[ObjectId]) -> Result<Vec<bool>, Failure> {
        Ok(vec![true; objects.len()])
    }

    /// All that is wanted was brought over. The one set aside stays where it is, older ones are deleted.
    ///
    /// # Errors
    /// Disk.
    fn end_mending(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// Where the newest one that was set aside is, if it is still there.
    fn damaged_one(&self) -> Option<String> {
        None
    }
}
