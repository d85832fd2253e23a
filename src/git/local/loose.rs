//! Loose objects, which we never write but a person's `git` may.
//!
//! They are read here and not by libgit2, which does not come back from some damaged ones (1.9.7: it waits for ever
//! for the rest of a zlib stream that ended early).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::ZlibDecoder;
use git2::{ObjectType, Oid};

use super::{durable, objects, packs};
use crate::domain::{Failure, ObjectId};

/// `blob 1234` and its NUL: nothing longer is a header.
const MAX_HEADER: u64 = 32;

/// A loose object, if there is one of this name.
pub(super) fn read(folder: &Path, id: ObjectId) -> Result<Option<(ObjectType, Vec<u8>)>, Failure> {
    let hex = id.to_string();
    let (first, rest) = hex.split_at(2);
    let path = folder.join(first).join(rest);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| durable::disk("cannot read", &path, &e))?,
    };
    let (kind, bytes) = inflate(file).map_err(|e| objects::damaged(id, e))?;
    match Oid::hash_object(kind, &bytes) {
        Ok(name) if name.as_bytes() == id.as_bytes() => Ok(Some((kind, bytes))),
        _ => Err(objects::damaged(id, "its content does not match its name")),
    }
}

fn inflate(file: File) -> io::Result<(ObjectType, Vec<u8>)> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut inflated = BufReader::new(ZlibDecoder::new(BufReader::new(file)));
    let mut header = Vec::new();
    inflated.by_ref().take(MAX_HEADER).read_until(0, &mut header)?;
    let header = header.strip_suffix(b"\0").and_then(|header| std::str::from_utf8(header).ok());
    let (kind, length) = header.and_then(|h| h.split_once(' ')).ok_or_else(|| bad("it has no header"))?;
    let kind = ObjectType::from_str(kind).ok_or_else(|| bad("its kind is unknown"))?;
    let length: u64 = length.parse().map_err(|_| bad("its length is not a number"))?;
    let mut bytes = Vec::new();
    let read = inflated.take(length.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 == length { Ok((kind, bytes)) } else { Err(bad("it is cut short or too long")) }
}

/// Moves damaged loose objects out of the way, so that nothing that reads through libgit2 stumbles over them. They are
/// then missing, which is an error with a name, and a fetch brings them again.
pub(super) fn set_damaged_aside(folder: &Path) -> Result<(), Failure> {
    for found in packs::loose(folder)? {
        if read(folder, found.id).is_err() {
            let aside: PathBuf = folder.join("damaged");
            std::fs::create_dir_all(&aside).map_err(|e| durable::disk("cannot make", &aside, &e))?;
            durable::rename(&found.path, &aside.join(found.id.to_string()))?;
        }
    }
    Ok(())
}
