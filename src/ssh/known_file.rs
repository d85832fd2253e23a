//! The `known_hosts` file that a person keeps: looked at before each connection, and read again when it changed.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::known_hosts::{Line, parse};
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
            Err(error) => unreadable(&path, &error),
        };
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

fn load(path: &Path, stamp: Stamp) -> Loaded {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    if let Err(error) = read {
        return unreadable(path, &error);
    }
    let (lines, damaged) = parse(&String::from_utf8_lossy(&bytes));
    for (number, problem) in damaged {
        tracing::warn!("line {number} of {} is left out: {problem}; correct or remove it", path.display());
    }
    Loaded { stamp: Some(stamp), lines: Arc::new(lines), problem: None }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Loaded {
    let problem = format!("the file of APPFERRY_KNOWN_HOSTS, {}, cannot be read: {error}", path.display());
    Loaded { stamp: None, lines: Arc::default(), problem: Some(problem) }
}
