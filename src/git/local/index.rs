//! Reads which objects a pack holds, from its index; see `gitformat-pack(5)`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::{durable, objects};
use crate::domain::{Failure, FailureClass, ObjectId};

const HEADER: u64 = 8;
const FAN_OUT: u64 = 256 * 4;

/// How many objects the pack of this index holds, without reading them.
pub(super) fn count(path: &Path) -> Result<u32, Failure> {
    let mut file = File::open(path).map_err(|e| durable::disk("cannot read", path, &e))?;
    read_count(&mut file).map_err(|e| unreadable(path, &e))
}

/// All objects of the pack of this index.
pub(super) fn names(path: &Path) -> Result<Vec<ObjectId>, Failure> {
    let mut file = File::open(path).map_err(|e| durable::disk("cannot read", path, &e))?;
    let bytes = read_names(&mut file).map_err(|e| unreadable(path, &e))?;
    let (names, _) = bytes.as_chunks::<20>();
    Ok(names.iter().map(|name| ObjectId::from_bytes(*name)).collect())
}

fn read_count(file: &mut File) -> io::Result<u32> {
    let mut header = [0; 8];
    file.read_exact(&mut header)?;
    if header != *b"\xfftOc\0\0\0\x02" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not an index of version 2"));
    }
    let mut last = [0; 4];
    file.seek(SeekFrom::Start(HEADER + FAN_OUT - 4))?;
    file.read_exact(&mut last)?;
    Ok(u32::from_be_bytes(last))
}

fn read_names(file: &mut File) -> io::Result<Vec<u8>> {
    let length = u64::from(read_count(file)?) * 20;
    let mut bytes = Vec::new();
    // Not allocated ahead: a damaged count must not ask for 80 GiB.
    if file.take(length).read_to_end(&mut bytes)? as u64 == length {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) {
        return durable::disk("cannot read", path, error);
    }
    Failure::new(FailureClass::Damaged, format!("{} is damaged: {error}", path.display()), objects::REMEDY)
}
