//! The stat cache as one file: what is known of every app, so that a restart reads nothing twice.
//!
//! Layout, all numbers little-endian: `appferry-stat 1\n`, then for each app its name and folder, then the SHA-256 of all
//! before. A folder is its stamp, tree, files (name, stamp, blob, racy) and folders (name, folder), each list with its
//! length before it. Whatever is not exactly that is ignored: the cache only saves time.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::domain::{AppName, Failure, ObjectId};

use super::record::{DirRecord, FileRecord};
use super::stamp::Stamp;

const HEADER: &[u8] = b"appferry-stat 1\n";
const DIGEST_BYTES: usize = 32;
const DEEPEST: usize = 80;

/// All apps by name.
pub(super) type Apps = BTreeMap<AppName, DirRecord>;

/// Reads the cache; a missing, damaged or foreign one is an empty one.
pub(super) fn load(path: &Path) -> Apps {
    std::fs::read(path).ok().and_then(|bytes| decode(&bytes)).unwrap_or_default()
}

/// Writes the cache, whole or not at all.
///
/// # Errors
/// [`crate::domain::FailureClass::Disk`].
pub(super) fn save(path: &Path, apps: &Apps) -> Result<(), Failure> {
    write_whole(path, &encode(apps)).map_err(|error| Failure::disk(format!("writing {}", path.display()), &error))
}

/// Writes a file that is there as a whole or not at all, whatever happens meanwhile.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    replace(path, bytes, true)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file whole or not at all; a power failure may take it back, or spoil it unless it is to be `durable`.
pub(super) fn replace(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = std::fs::File::create(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| if durable { file.sync_all() } else { Ok(()) });
    let replaced = written.and_then(|()| std::fs::rename(&temporary, path));
    if replaced.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    replaced
}

fn encode(apps: &Apps) -> Vec<u8> {
    let mut out = HEADER.to_vec();
    for (name, root) in apps {
        put_name(&mut out, name.as_str());
        put_dir(&mut out, root);
    }
    let digest = Sha256::digest(&out);
    out.extend_from_slice(&digest);
    out
}

fn put_dir(out: &mut Vec<u8>, dir: &DirRecord) {
    put_stamp(out, &dir.stamp);
    out.extend_from_slice(dir.tree.as_bytes());
    put_length(out, dir.files.len());
    for file in &dir.files {
        put_name(out, &file.name);
        put_stamp(out, &file.stamp);
        out.extend_from_slice(file.id.as_bytes());
        out.push(u8::from(file.racy));
    }
    put_length(out, dir.dirs.len());
    for (name, inner) in &dir.dirs {
        put_name(out, name);
        put_dir(out, inner);
    }
}

fn put_stamp(out: &mut Vec<u8>, stamp: &Stamp) {
    out.extend_from_slice(&stamp.size.to_le_bytes());
    out.extend_from_slice(&stamp.mtime_ns.to_le_bytes());
    out.extend_from_slice(&stamp.ctime_ns.to_le_bytes());
    out.extend_from_slice(&stamp.inode.to_le_bytes());
    out.extend_from_slice(&stamp.mode.to_le_bytes());
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    put_length(out, name.len());
    out.extend_from_slice(name.as_bytes());
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
}

fn decode(bytes: &[u8]) -> Option<Apps> {
    let (body, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST_BYTES)?)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let mut input = Input(body.strip_prefix(HEADER)?);
    let mut apps = Apps::new();
    while !input.0.is_empty() {
        let name = AppName::new(input.name()?).ok()?;
        apps.insert(name, input.dir(0)?);
    }
    Some(apps)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A length; never more than there are bytes left, so that a wrong one costs no memory.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        (length <= self.0.len()).then_some(length)
    }

    fn name(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    fn stamp(&mut self) -> Option<Stamp> {
        Some(Stamp {
            size: u64::from_le_bytes(self.array()?),
            mtime_ns: i64::from_le_bytes(self.array()?),
            ctime_ns: i64::from_le_bytes(self.array()?),
            inode: u64::from_le_bytes(self.array()?),
            mode: u32::from_le_bytes(self.array()?),
        })
    }

    fn dir(&mut self, depth: usize) -> Option<DirRecord> {
        if depth > DEEPEST {
            return None;
        }
        let stamp = self.stamp()?;
        let tree = ObjectId::from_bytes(self.array()?);
        let files = (0..self.length()?).map(|_| self.file()).collect::<Option<Vec<_>>>()?;
        let dirs = (0..self.length()?)
            .map(|_| Some((self.name()?.into(), self.dir(depth + 1)?)))
            .collect::<Option<Vec<_>>>()?;
        Some(DirRecord { stamp, tree, files, dirs })
    }

    fn file(&mut self) -> Option<FileRecord> {
        Some(FileRecord {
            name: self.name()?.into(),
            stamp: self.stamp()?,
            id: ObjectId::from_bytes(self.array()?),
            racy: self.array::<1>()? != [0],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Apps {
        let file = |name: &str| FileRecord {
            name: name.into(),
            stamp: Stamp { size: 3, mtime_ns: -1, ctime_ns: i64::MAX, inode: 7, mode: 0o100_644 },
            id: ObjectId::from_bytes([9; 20]),
            racy: name == "b",
        };
        let inner = DirRecord { files: vec![file("ü \"q\"")], ..DirRecord::default() };
        let root =
            DirRecord { files: vec![file("a"), file("b")], dirs: vec![("in".into(), inner)], ..DirRecord::default() };
        Apps::from([(AppName::new("PO App").unwrap(), root), (AppName::new("x").unwrap(), DirRecord::default())])
    }

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stat-cache");
        assert!(load(&path).is_empty());
        save(&path, &sample()).unwrap();
        assert_eq!(load(&path), sample());
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_none(), "byte {at}");
            assert!(decode(&good[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_well_signed_lie_about_lengths_costs_no_memory() {
        let mut lie = HEADER.to_vec();
        put_length(&mut lie, 4_000_000_000);
        let digest = Sha256::digest(&lie);
        lie.extend_from_slice(&digest);
        assert!(decode(&lie).is_none());
    }
}
