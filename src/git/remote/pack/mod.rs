//! Packs for pushing: which objects, and how they are written.
//!
//! Reading and deflating block, so a pack is made on a blocking thread and arrives in pieces through a bounded channel;
//! memory stays flat whatever its size.

mod collect;
mod packed;
mod write;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::ours;
use crate::domain::{Failure, ObjectId};

/// The size of a piece, in bytes: one SSH packet's worth (RFC 4253 section 6.1) costs the least copying.
const PIECE: usize = 32 * 1024;
/// Pieces under way.
const QUEUE: usize = 16;

/// Which objects a pack shall hold: those that `new` reaches and `there` does not.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The repository, bare or not.
    pub(crate) repository: PathBuf,
    /// Commits or tags to send.
    pub(crate) new: Vec<ObjectId>,
    /// Commits that the other side has; those that are not here are ignored.
    pub(crate) there: Vec<ObjectId>,
    /// Whether deltas may be searched when there are many objects, which sets a key in the repository's configuration.
    pub(crate) deltas: bool,
}

/// A pack in pieces; after an error nothing more comes.
pub(crate) type Pieces = mpsc::Receiver<Result<Bytes, Failure>>;

/// Starts making the pack on a blocking thread, which ends early when the pieces are dropped.
pub(crate) fn stream(plan: Plan) -> Pieces {
    let (sender, pieces) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut sink = PieceSink { sender: sender.clone(), buffer: Vec::with_capacity(PIECE) };
        let made = write_to(&plan, &mut sink).and_then(|()| sink.flush().map_err(|_| abandoned()));
        if let Err(failure) = made {
            // Nobody listens any more: then nobody wants to know either.
            let _ = sender.blocking_send(Err(failure));
        }
    });
    pieces
}

/// Writes the pack to `sink`. Blocks.
///
/// # Errors
/// The repository cannot be read, or `sink` takes no more.
pub(crate) fn write_to(plan: &Plan, sink: &mut dyn Write) -> Result<(), Failure> {
    let repository = open(&plan.repository)?;
    let objects = collect::objects(&repository, &plan.new, &plan.there)
        .map_err(|error| ours("looking for the objects to push", &error))?;
    write::pack(&repository, &objects, plan.deltas, sink)
}

fn open(path: &Path) -> Result<git2::Repository, Failure> {
    git2::Repository::open(path).map_err(|error| ours("opening the local repository", &error))
}

fn abandoned() -> Failure {
    Failure::internal("a pack was given up while it was made")
}

/// Cuts what is written into pieces.
struct PieceSink {
    sender: mpsc::Sender<Result<Bytes, Failure>>,
    buffer: Vec<u8>,
}

impl Write for PieceSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
