//! Stores a pack that arrives in pieces: checked, indexed and synced to the disk, or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::error::ours;
use crate::domain::{Failure, FailureClass};

/// Pieces under way between the network and the disk, at most 64 KiB each.
const QUEUE: usize = 16;

/// The async end of an indexer that runs on a blocking thread. Dropping it before the end discards the pack.
#[derive(Debug)]
pub(crate) struct PackIntake {
    pieces: mpsc::Sender<Bytes>,
    indexer: JoinHandle<Result<(), Failure>>,
}

impl PackIntake {
    /// Starts an indexer on the repository at `path`.
    pub(crate) fn start(path: &Path) -> Self {
        let (pieces, arriving) = mpsc::channel(QUEUE);
        let path = path.to_owned();
        Self { pieces, indexer: tokio::task::spawn_blocking(move || index(&path, arriving)) }
    }

    /// Hands a piece over; waits while the disk is behind.
    ///
    /// # Errors
    /// What the indexer found wrong: disk or protocol.
    pub(crate) async fn take(&mut self, piece: Bytes) -> Result<(), Failure> {
        if self.pieces.send(piece).await.is_ok() {
            return Ok(());
        }
        let ended = join(&mut self.indexer).await;
        Err(ended.err().unwrap_or_else(|| broken_pack("data after its end")))
    }

    /// Waits until all is stored.
    ///
    /// # Errors
    /// Disk or protocol: nothing was stored.
    pub(crate) async fn finish(self) -> Result<(), Failure> {
        let Self { pieces, mut indexer } = self;
        drop(pieces);
        join(&mut indexer).await
    }
}

async fn join(indexer: &mut JoinHandle<Result<(), Failure>>) -> Result<(), Failure> {
    indexer.await.unwrap_or_else(|error| Err(Failure::internal(format!("the indexer of a pack broke: {error}"))))
}

fn index(path: &Path, mut arriving: mpsc::Receiver<Bytes>) -> Result<(), Failure> {
    let mut store = PackStore::new(path)?;
    while let Some(piece) = arriving.blocking_recv() {
        store.add(&piece)?;
    }
    store.commit()
}

/// Where packs of a repository are stored. Blocks.
pub(crate) struct PackStore {
    // The indexer keeps a bare pointer to the object database that it looks delta bases up in, so it is declared, and
    // dropped, before it.
    indexer: git2::Indexer<'static>,
    _bases: git2::Odb<'static>,
    folder: PathBuf,
    header: Vec<u8>,
}

impl PackStore {
    /// Opens the repository at `path` for one pack.
    ///
    /// # Errors
    /// Disk or internal.
    pub(crate) fn new(path: &Path) -> Result<Self, Failure> {
        let opened = || -> Result<Self, git2::Error> {
            let repository = git2::Repository::open(path)?;
            let folder = repository.commondir().join("objects/pack");
            let bases = git2::Odb::new()?;
            bases.add_disk_alternate(&repository.commondir().join("objects").to_string_lossy())?;
            let _ = fs::create_dir_all(&folder);
            Ok(Self {
                indexer: git2::Indexer::new(Some(&bases), &folder, 0o444, false)?,
                _bases: bases,
                folder,
                header: Vec::new(),
            })
        };
        opened().map_err(|error| ours("preparing to store a pack", &error))
    }

    /// Adds a piece of the pack.
    ///
    /// # Errors
    /// Disk, or protocol when it is no pack.
    pub(crate) fn add(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.header.extend(piece.iter().take(12_usize.saturating_sub(self.header.len())));
        self.indexer.write_all(piece).map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<git2::Error>());
            match inner {
                Some(inner) if inner.class() == git2::ErrorClass::Os => ours("storing a pack", inner),
                _ => broken_pack(error),
            }
        })
    }

    /// Checks the whole pack, writes its index and makes both durable.
    ///
    /// # Errors
    /// Disk, or protocol when the pack is cut or damaged: nothing was stored.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        // libgit2 refuses a pack of no objects; it is what a server sends to somebody who has all.
        if self.header.get(8..12) == Some(&[0; 4]) {
            return Ok(());
        }
        let name = self.indexer.commit().map_err(|error| match error.class() {
            git2::ErrorClass::Os => ours("storing a pack", &error),
            _ => broken_pack(error.message()),
        })?;
        let synced = ["pack", "idx"].iter().try_for_each(|kind| {
            File::open(self.folder.join(format!("pack-{name}.{kind}"))).and_then(|file| file.sync_all())
        });
        synced
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|error| Failure::disk("storing a pack", &error))
    }
}

fn broken_pack(what: impl std::fmt::Display) -> Failure {
    let remedy = "it is tried again by itself; if it stays, run `git fsck` on the server's repository";
    Failure::new(FailureClass::Protocol, format!("the pack from the remote is damaged: {what}"), remedy)
}

/// For code that writes packs to anything.
impl Write for PackStore {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.add(bytes).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
