//! The bare repository in the data folder.

use crate::domain::{Failure, ObjectId, TreeEntry};

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
/// Errors are of class [`FailureClass::Disk`](crate::domain::FailureClass::Disk) (full, read-only, not readable) or [`FailureClass::Internal`](crate::domain::FailureClass::Internal) (an object is
/// missing or damaged).
pub trait LocalRepository: Send + Sync {
    /// The entries of a tree, in Git's order.
    ///
    /// # Errors
    /// Disk or internal.
    fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure>;

    /// The bytes of a blob.
    ///
    /// # Errors
    /// Disk or internal.
    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Failure>;

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
}
