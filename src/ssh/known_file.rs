//! The `known_hosts` file that a person keeps: looked at before each connection, and read again when it changed.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::known_hosts::{Line, Marker, parse};
use crate::domain::Failure;

/// The largest file that is read, in bytes; a line is about 500.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// The file.
#[derive(Debug)]
pub(super) struct KnownFile {
    pub(super) path: PathBuf,
    loaded: Arc<Mutex<Loaded>>,
}

/// What it held when it was read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    stamp: Option<Stamp>,
    pub(super) lines: Arc<Vec<Line>>,
    /// Why it could not be read.
    pub(super) problem: Option<String>,
}

/// Changes when the file is written or replaced: device, inode, size, and the times in nanoseconds.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl KnownFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, loaded: Arc::default() }
    }

    /// What it holds now.
    pub(super) async fn load(&self) -> Result<Loaded, Failure> {
        refresh(self.path.clone(), Arc::clone(&self.loaded)).await
    }
}

async fn refresh(path: PathBuf, loaded: Arc<Mutex<Loaded>>) -> Result<Loaded, Failure> {
    let look = move || {
        let before = loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = match stamp(&path) {
            Ok(stamp) if before.stamp == Some(stamp) => return before,
            Ok(stamp) => load(&path, stamp),
            Err(error) => Err(error),
        };
        let now = now.unwrap_or_else(|error| unreadable(&path, &error, &before));
        if let Some(problem) = now.problem.as_ref().filter(|_| now.problem != before.problem) {
            tracing::warn!("{problem}; only the other host keys are trusted");
        }
        loaded.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&now);
        now
    };
    tokio::task::spawn_blocking(look).await.map_err(Failure::internal)
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let meta = std::fs::metadata(path)?;
    Ok((meta.dev(), meta.ino(), meta.size(), (meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec())))
}

fn load(path: &Path, stamp: Stamp) -> std::io::Result<Loaded> {
    let mut bytes = Vec::new();
    let length = std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if length as u64 > MAX_FILE_BYTES {
        let message = format!("it is larger than {} MiB; take out what is not needed", MAX_FILE_BYTES >> 20);
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
    }
    let (lines, damaged) = parse(&String::from_utf8_lossy(&bytes));
    for (number, problem) in damaged {
        tracing::warn!("line {number} of {} is left out: {problem}; correct or remove it", path.display());
    }
    Ok(Loaded { stamp: Some(stamp), lines: Arc::new(lines), problem: None })
}

/// Nothing of the file is trusted then, but what it revoked before stays revoked.
fn unreadable(path: &Path, error: &std::io::Error, before: &Loaded) -> Loaded {
    let problem = format!("the file of APPFERRY_KNOWN_HOSTS, {}, cannot be read: {error}", path.display());
    let revoked = before.lines.iter().filter(|line| line.marker == Marker::Revoked).cloned().collect();
    Loaded { stamp: None, lines: Arc::new(revoked), problem: Some(problem) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[tokio::test]
    async fn a_file_that_cannot_be_read_any_more_trusts_nothing_but_what_it_revoked_stays_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let file = KnownFile::new(folder.path().join("known_hosts"));
        std::fs::write(&file.path, format!("a {KEY}\n@revoked * {KEY}\n")).unwrap();
        assert_eq!(file.load().await.unwrap().lines.len(), 2);
        std::fs::remove_file(&file.path).unwrap();
        for _ in 0..2 {
            let loaded = file.load().await.unwrap();
            assert!(loaded.problem.is_some());
            assert!(matches!(loaded.lines.as_slice(), [line] if line.marker == Marker::Revoked));
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_is_said_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let file = KnownFile::new(folder.path().join("known_hosts"));
        std::fs::File::create(&file.path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(file.load().await.unwrap().problem.is_some_and(|problem| problem.contains("larger than 8 MiB")));
    }
}
