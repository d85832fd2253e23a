//! Reading files: their content's Git name, and proof that they held still meanwhile.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::sync::Arc;

use rustix::fs::FileType;
use sha1::{Digest, Sha1};

use crate::domain::{Failure, ObjectId};
use crate::ports::LocalRepository;

use super::dir::{Dir, stat_fd};
use super::stamp::{Stamp, Stat};

/// Larger files are refused: the repository takes a blob as a whole, and Git hosts refuse less than this (GitHub: 100 MiB).
pub(super) const LARGEST_FILE: u64 = 256 * 1024 * 1024;

/// Above this a file is first hashed piece by piece, to read it whole only when the repository lacks it.
const LARGE_FILE: u64 = 8 * 1024 * 1024;

/// What reading a file came to.
#[derive(Clone, Debug)]
pub(super) enum Reading {
    /// This content, at this state of the file.
    Read(ObjectId, Stat),
    /// There is nothing of that name.
    Absent,
    /// There is something else than a file: a folder, a link, …
    NotAFile,
    /// It changed while it was read.
    Moved,
}

/// Reads files and stores them.
pub(super) struct Reader {
    repo: Arc<dyn LocalRepository>,
    buffer: Vec<u8>,
}

impl Reader {
    pub(super) fn new(repo: Arc<dyn LocalRepository>) -> Self {
        Self { repo, buffer: Vec::new() }
    }

    pub(super) fn repo(&self) -> &dyn LocalRepository {
        self.repo.as_ref()
    }

    /// Stores the file as a blob, if it is still in the state `expected`.
    ///
    /// # Errors
    /// The outer one is the repository's, the inner one the file's.
    pub(super) fn store(
        &mut self,
        dir: &Dir,
        name: &str,
        expected: &Stamp,
    ) -> Result<std::io::Result<Reading>, Failure> {
        let mut file = match open(dir, name) {
            Ok(Ok(opened)) => opened,
            Ok(Err(reading)) => return Ok(Ok(reading)),
            Err(error) => return Ok(Err(error)),
        };
        match stat_fd(&file) {
            Ok(before) if before.stamp == *expected => {}
            Ok(_) => return Ok(Ok(Reading::Moved)),
            Err(error) => return Ok(Err(error.into())),
        }
        if expected.size > LARGE_FILE {
            match hash(&mut file, expected.size) {
                Ok(Some(id)) if self.repo.contains(id)? => return Ok(still(&file, id, expected)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Ok(Reading::Moved)),
                Err(error) => return Ok(Err(error)),
            }
            if let Err(error) = file.rewind() {
                return Ok(Err(error));
            }
        }
        self.buffer.clear();
        match read_whole(&mut file, expected.size, &mut self.buffer) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(Reading::Moved)),
            Err(error) => return Ok(Err(error)),
        }
        let id = self.repo.write_blob(&self.buffer)?;
        if expected.size > LARGE_FILE {
            self.buffer = Vec::new(); // one large file must not cost its memory for ever
        }
        Ok(still(&file, id, expected))
    }
}

/// Hashes a file without storing it.
pub(super) fn read(dir: &Dir, name: &str) -> std::io::Result<Reading> {
    let mut file = match open(dir, name)? {
        Ok(file) => file,
        Err(reading) => return Ok(reading),
    };
    let before = stat_fd(&file)?;
    match hash(&mut file, before.stamp.size)? {
        Some(id) => still(&file, id, &before.stamp),
        None => Ok(Reading::Moved),
    }
}

fn open(dir: &Dir, name: &str) -> std::io::Result<Result<File, Reading>> {
    use rustix::io::Errno;
    match dir.file(name) {
        Ok(file) if stat_fd(&file)?.file_type() == FileType::RegularFile => Ok(Ok(file)),
        Ok(_) | Err(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::NODEV | Errno::MLINK) => {
            Ok(Err(Reading::NotAFile))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(Err(Reading::Absent)),
        Err(Errno::AGAIN | Errno::STALE) => Ok(Err(Reading::Moved)),
        Err(error) => Err(error.into()),
    }
}

fn still(file: &File, id: ObjectId, expected: &Stamp) -> std::io::Result<Reading> {
    let after = stat_fd(file)?;
    Ok(if after.stamp == *expected { Reading::Read(id, after) } else { Reading::Moved })
}

/// Reads exactly `size` bytes; `false` if there are fewer or more.
fn read_whole(file: &mut File, size: u64, into: &mut Vec<u8>) -> std::io::Result<bool> {
    into.reserve(usize::try_from(size).unwrap_or_default().saturating_add(1));
    let read = file.take(size.saturating_add(1)).read_to_end(into)?;
    Ok(u64::try_from(read).is_ok_and(|read| read == size))
}

/// The name that Git gives to the content: SHA-1 of `blob <size>\0` and the bytes (gitformat-loose(5)).
fn hash(file: &mut File, size: u64) -> std::io::Result<Option<ObjectId>> {
    let mut sha = Sha1::new();
    sha.update(format!("blob {size}\0"));
    let mut left = size;
    let mut piece = [0_u8; 16 * 1024];
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let Some(rest) = u64::try_from(read).ok().and_then(|read| left.checked_sub(read)) else { return Ok(None) };
        left = rest;
        sha.update(piece.get(..read).unwrap_or_default());
    }
    Ok((left == 0).then(|| ObjectId::from_bytes(sha.finalize().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_git_does_and_takes_no_link_or_pipe_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("hello"), "hello\n").unwrap();
        std::os::unix::fs::symlink("hello", folder.path().join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, folder.path().join("pipe"), FileType::Fifo, rustix::fs::Mode::RUSR, 0)
            .unwrap();
        let dir = Dir::open(folder.path()).unwrap();
        let Reading::Read(id, _) = read(&dir, "hello").unwrap() else { panic!("it is a file") };
        assert_eq!(id.to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert!(matches!(read(&dir, "link").unwrap(), Reading::NotAFile));
        assert!(matches!(read(&dir, "pipe").unwrap(), Reading::NotAFile));
        assert!(matches!(read(&dir, "gone").unwrap(), Reading::Absent));
    }
}
