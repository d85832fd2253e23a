//! Reading and writing single objects, through the buffer.

use std::path::Path;

use git2::{ErrorClass, ErrorCode, ObjectType, Odb, OdbLookupFlags, Oid};

use super::State;
use super::buffer::{Kind, MAX_BYTES};
use super::{durable, loose, mend, pack, packs};
use crate::domain::{Failure, FailureClass, ObjectId};

/// The name of a tree without entries.
const EMPTY_TREE: ObjectId = ObjectId::from_bytes([
    0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49,
    0x04,
]);

impl State {
    /// The content of an object that must be a `kind`.
    pub(super) fn read(&self, id: ObjectId, kind: Kind) -> Result<Vec<u8>, Failure> {
        if let Some(pending) = self.buffer.find(id) {
            return if pending.kind == kind { Ok(pending.bytes.to_vec()) } else { Err(wrong_kind(id, kind)) };
        }
        let odb = self.git.odb().map_err(|e| failure("the object store cannot be opened", &e))?;
        let stored = read_stored(&odb, &self.git.path().join("objects"), id);
        let (found, bytes) = match stored {
            Err(failure) if mend::is_under_way(self.git.path()) => mend::read(self.git.path(), id).ok_or(failure)?,
            stored => stored?,
        };
        if found == kind.git() { Ok(bytes) } else { Err(wrong_kind(id, kind)) }
    }

    /// How many bytes an object has.
    pub(super) fn size(&self, id: ObjectId) -> Result<u64, Failure> {
        let length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
        if let Some(pending) = self.buffer.find(id) {
            return Ok(length(pending.bytes.len()));
        }
        if let Some((_, bytes)) = loose::read(&self.git.path().join("objects"), id)? {
            return Ok(length(bytes.len()));
        }
        let odb = self.git.odb().map_err(|e| failure("the object store cannot be opened", &e))?;
        let (size, _) = odb.read_header(oid(id)?).map_err(|e| unreadable(id, &e))?;
        Ok(length(size))
    }

    /// Whether the object is here; it is counted as in use.
    pub(super) fn contains(&mut self, id: ObjectId) -> Result<bool, Failure> {
        let here = self.buffer.find(id).is_some() || self.stored(id, OdbLookupFlags::empty())?;
        if here {
            self.in_use.insert(id);
        }
        Ok(here)
    }

    fn stored(&self, id: ObjectId, how: OdbLookupFlags) -> Result<bool, Failure> {
        // libgit2 makes the empty tree up when it is read, and from then on takes it to be stored. For fsck it is missing.
        if id == EMPTY_TREE {
            return Ok(self.wrote_empty_tree);
        }
        let odb = self.git.odb().map_err(|e| failure("the object store cannot be opened", &e))?;
        Ok(odb.exists_ext(oid(id)?, how))
    }

    /// Puts an object into the buffer, unless it is here already.
    pub(super) fn write(&mut self, kind: Kind, bytes: &[u8], folder: &Path) -> Result<ObjectId, Failure> {
        let id = Oid::hash_object(kind.git(), bytes).map_err(|e| failure("an object cannot be hashed", &e))?;
        let id = object_id(id)?;
        // Without a look for new packs at each miss, which would list the folder for every new object. The worst that
        // can happen is that an object is stored twice.
        if self.buffer.find(id).is_none() && !self.stored(id, OdbLookupFlags::NO_REFRESH)? {
            if bytes.len() > MAX_BYTES {
                self.write_pack(&[(id, kind, bytes)], folder)?;
            } else {
                if !self.buffer.has_room_for(bytes.len()) {
                    self.flush(folder)?;
                }
                self.buffer.insert(id, kind, bytes);
            }
        }
        self.wrote_empty_tree |= id == EMPTY_TREE;
        self.in_use.insert(id);
        Ok(id)
    }

    /// Writes the buffer out as one pack, and makes sure of packs that others (a fetch) added.
    pub(super) fn flush(&mut self, folder: &Path) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            let objects = self.buffer.in_pack_order();
            let written = pack::write(folder, &objects)?;
            self.durable.insert(written);
            self.buffer.clear();
            self.refresh()?;
        }
        self.secure_new_packs(folder)
    }

    fn write_pack(&mut self, objects: &[(ObjectId, Kind, &[u8])], folder: &Path) -> Result<(), Failure> {
        let written = pack::write(folder, objects)?;
        self.durable.insert(written);
        self.refresh()
    }

    /// libgit2 does not fsync what it fetches.
    fn secure_new_packs(&mut self, folder: &Path) -> Result<(), Failure> {
        let new: Vec<_> = packs::names(folder)?.into_iter().filter(|path| !self.durable.contains(path)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for path in &new {
            durable::sync(path)?;
            durable::sync(&path.with_extension("idx"))?;
        }
        durable::sync(folder)?;
        self.durable.extend(new);
        Ok(())
    }

    /// The repository is another one now.
    pub(super) fn forget(&mut self) {
        self.buffer.clear();
        self.in_use.clear();
        self.durable.clear();
        self.wrote_empty_tree = false;
    }

    fn refresh(&self) -> Result<(), Failure> {
        let odb = self.git.odb().map_err(|e| failure("the object store cannot be opened", &e))?;
        odb.refresh().map_err(|e| failure("the object store cannot be read again", &e))
    }
}

/// Kind and content of an object on disk.
pub(super) fn read_stored(odb: &Odb<'_>, folder: &Path, id: ObjectId) -> Result<(ObjectType, Vec<u8>), Failure> {
    if let Some(object) = loose::read(folder, id)? {
        return Ok(object);
    }
    let object = odb.read(oid(id)?).map_err(|e| unreadable(id, &e))?;
    Ok((object.kind(), object.data().to_vec()))
}

/// The same name in libgit2's type.
pub(super) fn oid(id: ObjectId) -> Result<Oid, Failure> {
    Oid::from_bytes(id.as_bytes()).map_err(|e| failure("an object name is not accepted", &e))
}

/// The same name in our type.
pub(super) fn object_id(id: Oid) -> Result<ObjectId, Failure> {
    let bytes = id.as_bytes().try_into().map_err(|_| Failure::internal(format!("{id} is not a SHA-1 name")))?;
    Ok(ObjectId::from_bytes(bytes))
}

/// What happens, and what a person should do beside that.
pub(super) const REMEDY: &str = "it is built anew from the remote by itself; check the disk";

/// An object that is not what it should be.
pub(super) fn damaged(id: ObjectId, how: impl std::fmt::Display) -> Failure {
    Failure::new(FailureClass::Damaged, format!("object {id} in the local repository is damaged: {how}"), REMEDY)
}

/// What libgit2 says about an object that it cannot read.
pub(super) fn unreadable(id: ObjectId, error: &git2::Error) -> Failure {
    match (error.code(), error.class()) {
        (ErrorCode::NotFound, _) => {
            Failure::new(FailureClass::Damaged, format!("object {id} is missing in the local repository"), REMEDY)
        }
        (_, ErrorClass::Os) => failure(&format!("object {id} cannot be read"), error),
        _ => damaged(id, error.message()),
    }
}

/// A failure of libgit2 while doing something: of the disk where the system said so, else internal.
pub(super) fn failure(doing: &str, error: &git2::Error) -> Failure {
    if error.class() != ErrorClass::Os {
        return Failure::internal(format!("{doing}: {}", error.message()));
    }
    // libgit2 keeps the system's words, but not its number.
    let kind = if error.message().contains("No space left") {
        std::io::ErrorKind::StorageFull
    } else {
        std::io::ErrorKind::Other
    };
    Failure::disk(doing, &std::io::Error::new(kind, error.message().to_owned()))
}

fn wrong_kind(id: ObjectId, wanted: Kind) -> Failure {
    let wanted: ObjectType = wanted.git();
    damaged(id, format!("it is not a {wanted}"))
}
