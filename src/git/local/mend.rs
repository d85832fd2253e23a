//! A damaged repository is set aside, and a fresh one takes its place. What can still be read is brought over, and only
//! what is whole: an object comes after all that it refers to, so that what is there is there with everything below it.
//!
//! The fresh repository holds a journal with the names of those that were set aside, from before it takes their place until
//! all is brought over: a kill at any moment leaves either the damaged one, or the fresh one with its journal.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Odb};

use super::buffer::Kind;
use super::refs::Refs;
use super::{LocalRepo, State, durable, graph, index, objects, open, packs};
use crate::domain::{Failure, ObjectId};

/// Names the repositories set aside, one a line, newest first.
const JOURNAL: &str = "appferry-mending";
/// Stands between the name of a repository and when it was set aside.
const DAMAGED: &str = "damaged-";

/// Whether a repository waits for what those set aside hold.
pub(super) fn is_under_way(repository: &Path) -> bool {
    repository.join(JOURNAL).exists()
}

/// Sets the repository aside and opens a fresh one in its place.
pub(super) fn set_aside(repo: &LocalRepo, time: &str) -> Result<(), Failure> {
    let mut state = repo.lock();
    if let Err(failure) = state.flush(&repo.packs_folder()) {
        tracing::warn!(%failure, "what waited in memory could not be written before the repository is set aside");
    }
    replace(&repo.path, time)?;
    state.git = open::handle(&repo.path)?;
    state.forget();
    Ok(())
}

/// Puts a fresh repository in the place of the one at `path`.
pub(super) fn replace(path: &Path, time: &str) -> Result<(), Failure> {
    let aside = free_place(path, time);
    let names = std::iter::once(aside.clone())
        .chain(all_aside(path))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let journal = names.collect::<Vec<_>>().join("\n");
    let new = open::make_beside(path, |new| {
        std::fs::write(new.join(JOURNAL), journal).map_err(|e| durable::disk("cannot write in", new, &e))
    })?;
    durable::rename(path, &aside)?;
    durable::rename(&new, path)?;
    path.parent().map_or(Ok(()), durable::sync)?;
    tracing::warn!(aside = %aside.display(), "the local repository is damaged; it was set aside and is built anew");
    Ok(())
}

/// Finishes what a kill interrupted between the two renames. Answers whether there was anything to finish.
pub(super) fn finish_replacing(path: &Path, new: &Path) -> Result<bool, Failure> {
    if path.exists() || !is_under_way(new) {
        return Ok(false);
    }
    durable::rename(new, path)?;
    path.parent().map_or(Ok(()), durable::sync)?;
    Ok(true)
}

/// All is brought over. Of those set aside the newest stays, for people to look into.
pub(super) fn end(repository: &Path) -> Result<(), Failure> {
    durable::remove(&repository.join(JOURNAL))?;
    durable::sync(repository)?;
    for old in older(repository) {
        if let Err(error) = std::fs::remove_dir_all(&old) {
            tracing::warn!(path = %old.display(), %error, "an older damaged repository cannot be deleted");
        }
    }
    Ok(())
}

/// The newest repository that was set aside, if it is still there.
pub(super) fn newest(repository: &Path) -> Option<PathBuf> {
    beside(repository).pop()
}

fn older(repository: &Path) -> Vec<PathBuf> {
    let mut found = beside(repository);
    found.pop();
    found
}

/// All that were set aside, oldest first.
fn beside(repository: &Path) -> Vec<PathBuf> {
    let prefix = format!("{}.{DAMAGED}", repository.file_name().unwrap_or_default().to_string_lossy());
    let mut found = repository.parent().and_then(|parent| packs::list(parent).ok()).unwrap_or_default();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)));
    found.sort_by_key(|path| (path.metadata().and_then(|found| found.modified()).ok(), path.clone()));
    found
}

fn free_place(path: &Path, time: &str) -> PathBuf {
    let named = |suffix: &str| path.with_added_extension(format!("{DAMAGED}{time}{suffix}"));
    let numbered = (2..100).map(|number| named(&format!("-{number}")));
    std::iter::once(named("")).chain(numbered).find(|place| !place.exists()).unwrap_or_else(|| named("-100"))
}

/// Those whose content is still to be brought over, newest first.
fn all_aside(repository: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_to_string(repository.join(JOURNAL)).unwrap_or_default();
    names.lines().map(|name| repository.with_file_name(name)).filter(|path| path.is_dir()).collect()
}

/// The refs of those set aside that can be read; of two with one name the newer one.
pub(super) fn refs(repository: &Path) -> Vec<(String, ObjectId)> {
    let mut seen = HashSet::new();
    let found = all_aside(repository).into_iter().flat_map(|aside| Refs::new(&aside).readable());
    found.filter(|(name, _)| seen.insert(name.clone())).collect()
}

/// All commits that can still be found there, however they are reached.
pub(super) fn commits(repository: &Path) -> Vec<ObjectId> {
    let aside = Aside::open(repository);
    let is_commit = |id: &ObjectId| aside.read(*id).is_some_and(|(kind, _)| kind == ObjectType::Commit);
    aside.names().into_iter().filter(is_commit).collect()
}

/// The content of an object there, if it is sound.
pub(super) fn read(repository: &Path, id: ObjectId) -> Option<(ObjectType, Vec<u8>)> {
    Aside::open(repository).read(id)
}

/// Brings objects over with all that they refer to. Answers for each whether it is here now.
pub(super) fn bring_over(repo: &LocalRepo, wanted: &[ObjectId]) -> Result<Vec<bool>, Failure> {
    let aside = Aside::open(&repo.path);
    let mut state = repo.lock();
    let mut transfer = Transfer {
        aside,
        state: &mut state,
        packs: repo.packs_folder(),
        whole: HashSet::new(),
        broken: HashSet::new(),
    };
    wanted.iter().map(|id| transfer.bring(*id)).collect()
}

/// The objects of those set aside.
struct Aside {
    stores: Vec<(PathBuf, Odb<'static>)>,
}

impl Aside {
    fn open(repository: &Path) -> Self {
        let open = |aside: PathBuf| {
            let folder = aside.join("objects");
            let odb = Odb::new().ok()?;
            odb.add_disk_alternate(&folder.to_string_lossy()).ok()?;
            Some((folder, odb))
        };
        Self { stores: all_aside(repository).into_iter().filter_map(open).collect() }
    }

    fn read(&self, id: ObjectId) -> Option<(ObjectType, Vec<u8>)> {
        self.stores.iter().find_map(|(folder, odb)| {
            let (kind, bytes) = objects::read_stored(odb, folder, id).ok()?;
            (git2::Oid::hash_object(kind, &bytes).ok()?.as_bytes() == id.as_bytes()).then_some((kind, bytes))
        })
    }

    fn names(&self) -> HashSet<ObjectId> {
        let mut found = HashSet::new();
        for (folder, _) in &self.stores {
            let packed = packs::names(&folder.join("pack")).unwrap_or_default();
            found.extend(packed.iter().flat_map(|pack| index::names(&pack.with_extension("idx")).unwrap_or_default()));
            found.extend(packs::loose(folder).unwrap_or_default().into_iter().map(|loose| loose.id));
        }
        found
    }
}

struct Transfer<'a> {
    aside: Aside,
    state: &'a mut State,
    packs: PathBuf,
    whole: HashSet<ObjectId>,
    broken: HashSet<ObjectId>,
}

enum Step {
    Enter(ObjectId),
    /// All that it refers to was looked at.
    Leave(ObjectId, Vec<ObjectId>),
}

impl Transfer<'_> {
    fn bring(&mut self, root: ObjectId) -> Result<bool, Failure> {
        let mut steps = vec![Step::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(id) if self.is_decided(id)? => {}
                Step::Enter(id) => {
                    match self.aside.read(id).and_then(|(kind, data)| graph::children(id, kind, &data).ok()) {
                        Some(children) => {
                            steps.push(Step::Leave(id, children.clone()));
                            steps.extend(children.into_iter().map(Step::Enter));
                        }
                        None => {
                            self.broken.insert(id);
                        }
                    }
                }
                Step::Leave(id, children) => self.leave(id, &children)?,
            }
        }
        Ok(self.whole.contains(&root))
    }

    fn is_decided(&mut self, id: ObjectId) -> Result<bool, Failure> {
        if self.whole.contains(&id) || self.broken.contains(&id) {
            return Ok(true);
        }
        let here = self.state.contains(id)?;
        if here {
            self.whole.insert(id);
        }
        Ok(here)
    }

    fn leave(&mut self, id: ObjectId, children: &[ObjectId]) -> Result<(), Failure> {
        let content = self.aside.read(id).filter(|_| children.iter().all(|child| self.whole.contains(child)));
        let kind = match &content {
            Some((ObjectType::Commit, _)) => Some(Kind::Commit),
            Some((ObjectType::Tree, _)) => Some(Kind::Tree),
            Some((ObjectType::Blob, _)) => Some(Kind::Blob),
            Some((ObjectType::Tag, _)) => Some(Kind::Tag),
            _ => None,
        };
        match (kind, content) {
            (Some(kind), Some((_, bytes))) => {
                self.state.write(kind, &bytes, &self.packs)?;
                self.whole.insert(id);
            }
            _ => {
                self.broken.insert(id);
            }
        }
        Ok(())
    }
}
