//! The bare repository in the data folder.
//!
//! What is written waits in memory (`buffer`) and goes to disk as one pack (`pack`): a pack of ten objects costs
//! three fsyncs, ten loose objects cost twenty. [`maintain`](LocalRepository::maintain) melts small packs together.

mod buffer;
mod commits;
mod durable;
mod graph;
mod index;
mod leftovers;
mod loose;
mod maintain;
mod mend;
mod objects;
mod open;
mod pack;
mod packs;
mod refs;
mod refs_packed;
mod trees;
mod wide_trees;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ObjectType, Repository};

use self::buffer::{Buffer, Kind};
use self::refs::Refs;
use self::wide_trees::WideTrees;
use crate::domain::{Failure, ObjectId, TreeEntry};
use crate::ports::{Commit, LocalRepository, RefEdit, Tag};

/// A bare repository of our own. Share it between threads with an `Arc`; no other program writes to it.
pub struct LocalRepo {
    path: PathBuf,
    state: Mutex<State>,
    wide_trees: WideTrees,
    refs: Refs,
    /// Held while one thread maintains; the others do not wait for it.
    maintenance: Mutex<()>,
}

/// What a thread needs alone.
struct State {
    /// Opened again when packs were deleted, so that no deleted file is kept open.
    git: Repository,
    buffer: Buffer,
    /// Objects that this process wrote or asked for. Somebody may refer to them soon, so maintenance keeps them.
    in_use: HashSet<ObjectId>,
    /// Packs known to be on disk for good. A fetch adds packs that are not.
    durable: HashSet<PathBuf>,
    /// This process wrote the tree without entries.
    wrote_empty_tree: bool,
}

impl LocalRepo {
    /// Opens the repository at `path`, which is made if there is none, and clears away what a killed process left.
    ///
    /// The caller holds the lock on the data folder: nobody else writes here.
    ///
    /// # Errors
    /// Disk; internal when something else than a repository is there.
    pub fn open_or_create(path: &Path) -> Result<Self, Failure> {
        open::create_if_absent(path)?;
        leftovers::clear(path);
        open::mend_head(path)?;
        open::handle_or_replace(path)?;
        loose::set_damaged_aside(&path.join("objects"))?;
        Self::open(path)
    }

    /// Opens a repository that is there, and leaves everything as it is: for a process without the lock.
    ///
    /// # Errors
    /// Disk; internal when no repository is there.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let state = State {
            git: open::handle(path)?,
            buffer: Buffer::default(),
            in_use: HashSet::new(),
            durable: HashSet::new(),
            wrote_empty_tree: false,
        };
        let refs = Refs::new(path);
        let wide_trees = WideTrees::default();
        Ok(Self { path: path.to_owned(), state: Mutex::new(state), wide_trees, refs, maintenance: Mutex::new(()) })
    }

    /// The folder of the repository. Whoever opens it with libgit2 (a fetch) opens it anew each time: a handle kept
    /// over a maintenance keeps deleted packs on the disk.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No state is left half-changed by a panic: every change is one insertion or one swap.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree_bytes(&self, id: ObjectId) -> Result<Arc<Vec<u8>>, Failure> {
        let read = || self.lock().read(id, Kind::Tree);
        // What comes from a repository that was set aside is not here.
        if self.is_mending() { read().map(Arc::new) } else { self.wide_trees.get_or(id, read) }
    }

    fn packs_folder(&self) -> PathBuf {
        self.path.join("objects/pack")
    }
}

impl LocalRepository for LocalRepo {
    fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure> {
        let bytes = self.tree_bytes(id)?;
        trees::decode(&bytes).ok_or_else(|| objects::damaged(id, "it is not a well-formed tree"))
    }

    fn subtree(&self, tree: ObjectId, name: &[u8]) -> Result<Option<ObjectId>, Failure> {
        let bytes = self.tree_bytes(tree)?;
        trees::find_folder(&bytes, name).map_err(|_| objects::damaged(tree, "it is not a well-formed tree"))
    }

    fn changed_folders(&self, old: Option<ObjectId>, new: Option<ObjectId>) -> Result<Vec<Vec<u8>>, Failure> {
        if old == new {
            return Ok(Vec::new());
        }
        let bytes = |tree: Option<ObjectId>| tree.map_or_else(|| Ok(Arc::default()), |tree| self.tree_bytes(tree));
        trees::changed_folders(&bytes(old)?, &bytes(new)?).map_err(|_| match (old, new) {
            (Some(tree), None) | (_, Some(tree)) => {
                objects::damaged(tree, "it, or what it is compared with, is not a well-formed tree")
            }
            (None, None) => Failure::internal("nothing was compared with nothing"),
        })
    }

    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Failure> {
        self.lock().read(id, Kind::Blob)
    }

    fn blob_size(&self, id: ObjectId) -> Result<u64, Failure> {
        self.lock().size(id)
    }

    fn commit(&self, id: ObjectId) -> Result<Commit, Failure> {
        let bytes = self.lock().read(id, Kind::Commit)?;
        commits::decode(&bytes).ok_or_else(|| objects::damaged(id, "it is not a well-formed commit"))
    }

    fn contains(&self, id: ObjectId) -> Result<bool, Failure> {
        self.lock().contains(id)
    }

    fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, Failure> {
        self.lock().write(Kind::Blob, bytes, &self.packs_folder())
    }

    fn write_tree(&self, entries: &[TreeEntry]) -> Result<ObjectId, Failure> {
        let bytes = trees::encode(entries)?;
        let mut state = self.lock();
        state.in_use.extend(entries.iter().map(|entry| entry.id));
        state.write(Kind::Tree, &bytes, &self.packs_folder())
    }

    fn write_commit(&self, commit: &Commit) -> Result<ObjectId, Failure> {
        let bytes = commits::encode(commit);
        let mut state = self.lock();
        state.in_use.extend(commit.parents.iter().chain([&commit.tree]));
        state.write(Kind::Commit, &bytes, &self.packs_folder())
    }

    fn write_tag(&self, tag: &Tag) -> Result<ObjectId, Failure> {
        let bytes = commits::encode_tag(tag);
        let mut state = self.lock();
        state.in_use.insert(tag.target);
        state.write(Kind::Tag, &bytes, &self.packs_folder())
    }

    fn flush(&self) -> Result<(), Failure> {
        self.lock().flush(&self.packs_folder())
    }

    fn find_ref(&self, name: &str) -> Result<Option<ObjectId>, Failure> {
        self.refs.find(name)
    }

    fn list_refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Failure> {
        self.refs.list(prefix)
    }

    fn edit_refs(&self, edits: &[RefEdit]) -> Result<(), Failure> {
        let mut state = self.lock(); // held to the end: maintenance must see either no edit or the ref
        state.flush(&self.packs_folder())?;
        for edit in edits {
            if let Some(to) = edit.to
                && !state.contains(to)?
            {
                return Err(Failure::internal(format!("{} was to point at {to}, which is missing", edit.name)));
            }
        }
        self.refs.edit(edits)
    }

    fn descends_from(&self, descendant: ObjectId, ancestor: ObjectId) -> Result<bool, Failure> {
        graph::descends_from(&self.lock(), descendant, ancestor)
    }

    fn maintain(&self) -> Result<bool, Failure> {
        let Ok(_alone) = self.maintenance.try_lock() else { return Ok(false) };
        let done = maintain::run(self);
        self.wide_trees.clear();
        done
    }

    fn set_aside(&self, time: &str) -> Result<(), Failure> {
        let _alone = self.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
        let done = mend::set_aside(self, time);
        self.wide_trees.clear();
        done
    }

    fn is_mending(&self) -> bool {
        mend::is_under_way(&self.path)
    }

    fn refs_aside(&self) -> Vec<(String, ObjectId)> {
        mend::refs(&self.path)
    }

    fn commits_aside(&self) -> Vec<ObjectId> {
        mend::commits(&self.path)
    }

    fn bring_over(&self, objects: &[ObjectId]) -> Result<Vec<bool>, Failure> {
        mend::bring_over(self, objects)
    }

    fn end_mending(&self) -> Result<(), Failure> {
        mend::end(&self.path)
    }

    fn damaged_one(&self) -> Option<String> {
        mend::newest(&self.path).map(|path| path.display().to_string())
    }
}

impl Kind {
    const fn git(self) -> ObjectType {
        match self {
            Self::Blob => ObjectType::Blob,
            Self::Tag => ObjectType::Tag,
            Self::Tree => ObjectType::Tree,
            Self::Commit => ObjectType::Commit,
        }
    }
}
