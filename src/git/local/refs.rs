//! Refs: one file each below `refs/`, as Git's own `files` backend keeps them, but secured in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{durable, objects, packs, refs_packed};
use crate::domain::{Failure, FailureClass, ObjectId};
use crate::ports::RefEdit;

/// Refs written and secured together; each holds a file open.
const BATCH: usize = 64;
/// Git follows no longer chains of symbolic refs either.
const MAX_LINKS: usize = 5;

/// The refs of one repository.
pub(super) struct Refs {
    repository: PathBuf,
}

impl Refs {
    pub(super) fn new(repository: &Path) -> Self {
        Self { repository: repository.to_owned() }
    }

    /// Where a ref points.
    pub(super) fn find(&self, name: &str) -> Result<Option<ObjectId>, Failure> {
        let mut name = name.to_owned();
        for _ in 0..MAX_LINKS {
            match self.read_loose(&name)? {
                Some(Target::Object(id)) => return Ok(Some(id)),
                Some(Target::Ref(other)) => name = other,
                None => return Ok(refs_packed::read(&self.repository)?.get(&name).copied()),
            }
        }
        Err(Failure::internal(format!("the ref {name} is a link to a link to a link, more than {MAX_LINKS} times")))
    }

    /// All refs below `prefix`, sorted by name.
    pub(super) fn list(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Failure> {
        let mut found: BTreeMap<String, ObjectId> = refs_packed::read(&self.repository)?;
        found.retain(|name, _| name.starts_with(prefix));
        for name in self.loose_names(prefix)? {
            if let Some(id) = self.find(&name)? {
                found.insert(name, id);
            }
        }
        Ok(found.into_iter().collect())
    }

    /// All refs that can be read.
    pub(super) fn readable(&self) -> Vec<(String, ObjectId)> {
        let mut found: BTreeMap<String, ObjectId> = refs_packed::read(&self.repository).unwrap_or_default();
        for name in self.loose_names("refs/").unwrap_or_default() {
            if let Ok(Some(id)) = self.find(&name) {
                found.insert(name, id);
            } else {
                tracing::warn!(name, "a ref cannot be read any more");
            }
        }
        found.into_iter().collect()
    }

    /// Makes the edits in their order, and returns when they are on the disk for good.
    pub(super) fn edit(&self, edits: &[RefEdit]) -> Result<(), Failure> {
        let mut names = BTreeSet::new();
        for edit in edits {
            self.file(&edit.name)?;
            if !edit.name.starts_with("refs/") || !names.insert(&edit.name) {
                return Err(Failure::internal(format!("{} cannot be edited, or not twice at once", edit.name)));
            }
        }
        let mut touched = BTreeSet::new();
        for batch in edits.chunks(BATCH) {
            self.edit_batch(batch, &mut touched)?;
        }
        touched.iter().filter(|folder| folder.exists()).try_for_each(|folder| durable::sync(folder))
    }

    fn edit_batch(&self, batch: &[RefEdit], touched: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
        let mut prepared = Vec::with_capacity(batch.len());
        for edit in batch {
            let path = self.file(&edit.name)?;
            prepared.push(match edit.to {
                Some(id) => Prepared::Move(NewValue::write(&path, id, touched)?),
                None => Prepared::Delete(path),
            });
        }
        for step in &prepared {
            if let Prepared::Move(value) = step {
                value.file.sync_all().map_err(|e| durable::disk("cannot secure", &value.lock, &e))?;
            }
        }
        for (step, edit) in prepared.into_iter().zip(batch) {
            match step {
                Prepared::Move(value) => value.put_in_place()?,
                Prepared::Delete(path) => self.delete(&edit.name, &path, touched)?,
            }
        }
        Ok(())
    }

    /// The packed value goes first, or it would show through.
    fn delete(&self, name: &str, path: &Path, touched: &mut BTreeSet<PathBuf>) -> Result<(), Failure> {
        refs_packed::remove(&self.repository, name)?;
        durable::remove(path)?;
        let top = self.repository.join("refs");
        for folder in path.ancestors().skip(1).take_while(|folder| folder.parent() != Some(&top) && **folder != top) {
            touched.insert(folder.to_owned());
            if std::fs::remove_dir(folder).is_err() {
                return Ok(()); // other refs are in it
            }
        }
        touched.extend(path.ancestors().find(|folder| folder.exists()).map(Path::to_owned));
        Ok(())
    }

    fn read_loose(&self, name: &str) -> Result<Option<Target>, Failure> {
        let path = self.file(name)?;
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if is_absence(error.kind()) => return Ok(None),
            Err(error) => return Err(durable::disk("cannot read", &path, &error)),
        };
        let text = String::from_utf8_lossy(&text);
        let text = text.trim_end();
        if let Some(other) = text.strip_prefix("ref:") {
            return Ok(Some(Target::Ref(other.trim_start().to_owned())));
        }
        let id = ObjectId::from_hex(text).ok_or_else(|| damaged(name, &path, text))?;
        Ok(Some(Target::Object(id)))
    }

    fn loose_names(&self, prefix: &str) -> Result<Vec<String>, Failure> {
        let folder = prefix.rsplit_once('/').map_or("refs", |(folder, _)| folder);
        let mut folders = vec![self.file(folder)?];
        let mut names = Vec::new();
        while let Some(folder) = folders.pop() {
            for path in packs::list(&folder)? {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|extension| extension != "lock") {
                    let name = path.strip_prefix(&self.repository).ok().and_then(Path::to_str);
                    names.extend(name.filter(|name| name.starts_with(prefix)).map(str::to_owned));
                }
            }
        }
        Ok(names)
    }

    /// The file of a ref; a name that leads anywhere else is refused.
    fn file(&self, name: &str) -> Result<PathBuf, Failure> {
        if git2::Reference::is_valid_name(name) || name == "refs" {
            Ok(self.repository.join(name))
        } else {
            Err(Failure::internal(format!("{name:?} is not a valid name of a ref")))
        }
    }
}

enum Target {
    Object(ObjectId),
    Ref(String),
}

enum Prepared {
    Move(NewValue),
    Delete(PathBuf),
}

/// The new content of a ref, in its lock file; gone again unless put in place.
struct NewValue {
    path: PathBuf,
    lock: PathBuf,
    file: std::fs::File,
    placed: bool,
}

impl NewValue {
    fn write(path: &Path, id: ObjectId, touched: &mut BTreeSet<PathBuf>) -> Result<Self, Failure> {
        let folder = path.parent().unwrap_or(path);
        // A new folder is on the disk for good only when the folder that holds it is.
        let missing = folder.ancestors().take_while(|folder| !folder.exists());
        touched.extend(missing.filter_map(Path::parent).chain([folder]).map(Path::to_owned));
        std::fs::create_dir_all(folder).map_err(|e| durable::disk("cannot make", folder, &e))?;
        let lock = path.with_added_extension("lock");
        let file = OpenOptions::new().write(true).create_new(true).open(&lock).map_err(|e| locked(&lock, &e))?;
        let mut value = Self { path: path.to_owned(), lock, file, placed: false };
        let written = value.file.write_all(format!("{id}\n").as_bytes());
        written.map_err(|e| durable::disk("cannot write", &value.lock, &e))?;
        Ok(value)
    }

    fn put_in_place(mut self) -> Result<(), Failure> {
        if self.path.is_dir() {
            remove_empty_folders(&self.path);
        }
        durable::rename(&self.lock, &self.path)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for NewValue {
    fn drop(&mut self) {
        if !self.placed {
            let _ = durable::remove(&self.lock);
        }
    }
}

/// Deleted refs may have left folders where a ref shall be now. Folders with refs stay, and the rename fails on them.
fn remove_empty_folders(folder: &Path) {
    for path in packs::list(folder).unwrap_or_default() {
        remove_empty_folders(&path);
    }
    let _ = std::fs::remove_dir(folder);
}

fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory)
}

fn damaged(name: &str, path: &Path, text: &str) -> Failure {
    let what = if text.is_empty() { "its file is empty" } else { "its file holds no object name" };
    Failure::new(
        FailureClass::Damaged,
        format!("the ref {name} is damaged: {what} ({})", path.display()),
        objects::REMEDY,
    )
}

fn locked(lock: &Path, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::AlreadyExists {
        return durable::disk("cannot write", lock, error);
    }
    Failure::new(
        FailureClass::Disk,
        format!("another program holds {}", lock.display()),
        "let that program end; if there is none, restart appferry, which clears old locks away",
    )
}
