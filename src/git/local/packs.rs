//! The files below `objects/`: packs and loose objects.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{durable, index};
use crate::domain::{Failure, ObjectId};

/// One pack that may be melted into another.
pub(super) struct Pack {
    /// `…/pack-<sha>.pack`.
    pub(super) path: PathBuf,
    /// Roughly what it costs to write it again: its bytes, and as much for each object as a small one has.
    pub(super) weight: u64,
    /// When it was written.
    pub(super) modified: SystemTime,
}

/// One object in a file of its own.
pub(super) struct Loose {
    pub(super) id: ObjectId,
    pub(super) path: PathBuf,
}

/// The paths of all packs that have an index.
pub(super) fn names(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut packs = list(folder)?;
    packs.retain(|path| path.extension() == Some(OsStr::new("idx")));
    let packs = packs.into_iter().map(|path| path.with_extension("pack"));
    Ok(packs.filter(|path| path.exists()).collect())
}

/// All packs, but for those that a person marked with `.keep`.
pub(super) fn melting(folder: &Path) -> Result<Vec<Pack>, Failure> {
    let names = names(folder)?.into_iter().filter(|path| !path.with_extension("keep").exists());
    names.map(weigh).collect()
}

fn weigh(path: PathBuf) -> Result<Pack, Failure> {
    const SMALL_OBJECT_BYTES: u64 = 256;
    let found = path.metadata().and_then(|found| Ok((found.len(), found.modified()?)));
    let (bytes, modified) = found.map_err(|e| durable::disk("cannot read", &path, &e))?;
    let objects = u64::from(index::count(&path.with_extension("idx"))?);
    Ok(Pack { path, weight: bytes + objects * SMALL_OBJECT_BYTES, modified })
}

/// Deletes a pack and what belongs to it; the index first, which takes the pack out of sight.
pub(super) fn delete(pack: &Path) -> Result<(), Failure> {
    ["idx", "rev", "bitmap", "mtimes", "pack"].iter().try_for_each(|kind| durable::remove(&pack.with_extension(kind)))
}

/// All loose objects.
pub(super) fn loose(objects: &Path) -> Result<Vec<Loose>, Failure> {
    let mut found = Vec::new();
    for first in 0..=u8::MAX {
        let first = format!("{first:02x}");
        for path in list(&objects.join(&first))? {
            let rest = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            if let Some(id) = ObjectId::from_hex(&format!("{first}{rest}")) {
                found.push(Loose { id, path });
            }
        }
    }
    Ok(found)
}

/// Whether it was written within the last `limit`; what cannot be told counts as new.
pub(super) fn is_young(modified: io::Result<SystemTime>, limit: Duration) -> bool {
    modified.ok().and_then(|time| time.elapsed().ok()).is_none_or(|age| age < limit)
}

/// What is in a folder; nothing, if there is no such folder.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<io::Result<Vec<_>>>),
    };
    let entries = entries.map_err(|e| durable::disk("cannot list", folder, &e))?;
    Ok(entries.into_iter().map(|entry| entry.path()).collect())
}
