//! A queue of bytes in a file without a name: it is gone with the process, however that ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

/// As much of one channel is kept on disk; then its connection is not read on until the client has taken it.
const MOST_BYTES: u64 = 1 << 30;

/// Moved at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The queue.
pub(super) struct Spill {
    file: Arc<File>,
    written: u64,
    read: u64,
    /// What comes after the file's content.
    tail: BytesMut,
}

impl Spill {
    /// An empty queue in `folder`.
    pub(super) async fn create(folder: PathBuf) -> io::Result<Self> {
        let file = blocking(move || {
            let path = folder.join(format!("tunnel-{:016x}.waiting", rand::random::<u64>()));
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        });
        Ok(Self { file: Arc::new(file.await?), written: 0, read: 0, tail: BytesMut::with_capacity(CHUNK_BYTES) })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read == self.written && self.tail.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.written < MOST_BYTES
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// The disk's. What was given is kept in memory all the same.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() < CHUNK_BYTES {
            return Ok(());
        }
        let (file, at, chunk) = (Arc::clone(&self.file), self.written, self.tail.split().freeze());
        let kept = chunk.clone();
        match blocking(move || file.write_all_at(&chunk, at)).await {
            Ok(()) => {
                self.written += kept.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.tail.extend_from_slice(&kept);
                Err(error)
            }
        }
    }

    /// The next bytes; `None` when there are none.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn pop(&mut self) -> io::Result<Option<Bytes>> {
        if self.read == self.written {
            return Ok((!self.tail.is_empty()).then(|| self.tail.split().freeze()));
        }
        let length = usize::try_from(self.written - self.read).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let (file, at) = (Arc::clone(&self.file), self.read);
        let chunk = blocking(move || {
            let mut chunk = vec![0; length];
            file.read_exact_at(&mut chunk, at).map(|()| chunk)
        });
        let chunk = chunk.await?;
        self.read += chunk.len() as u64;
        Ok(Some(chunk.into()))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
