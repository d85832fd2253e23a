//! A queue of bytes in a file without a name: it is gone with the process, however that ends. Where bytes have been taken, later
//! ones are put, so that the file is no larger than what may wait.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::task::spawn_blocking;

use super::room::{Room, Share};

/// As much of one channel waits on disk; then its connection is not read on until the client has taken some of it.
const MOST_BYTES: u64 = 1 << 30;

/// Moved at once.
const CHUNK_BYTES: usize = 256 << 10;
/// And while all clients together have much in memory.
const SMALL_CHUNK_BYTES: usize = 32 << 10;

/// The queue.
pub(super) struct Spill {
    file: Arc<File>,
    room: Arc<Room>,
    /// As large as the file; away while it is written.
    share: Option<Share>,
    size: u64,
    /// Bytes that were put in and taken out so far; each lies at its number modulo `size`.
    written: u64,
    read: u64,
    /// What comes after the file's content.
    tail: BytesMut,
}

impl Spill {
    /// An empty queue that takes of `room` what it needs.
    pub(super) async fn create(room: &Arc<Room>) -> io::Result<Self> {
        Self::of_size(room, MOST_BYTES).await
    }

    async fn of_size(room: &Arc<Room>, size: u64) -> io::Result<Self> {
        let (share, folder) = (Some(room.share()), room.folder.clone());
        let file = blocking(move || {
            let path = folder.join(format!("tunnel-{:016x}.waiting", rand::random::<u64>()));
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            std::fs::remove_file(&path)?;
            Ok(file)
        });
        let (file, tail, room) = (Arc::new(file.await?), BytesMut::new(), Arc::clone(room));
        Ok(Self { file, room, share, size, written: 0, read: 0, tail })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.read == self.written && self.tail.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.free() >= 2 * CHUNK_BYTES as u64 // a chunk, and the piece that completes it
    }

    fn chunk(&self) -> usize {
        if self.room.is_short_of_memory() { SMALL_CHUNK_BYTES } else { CHUNK_BYTES }
    }

    fn free(&self) -> u64 {
        self.size.saturating_sub(self.written - self.read)
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// The disk's, or that there is no room. What was given is kept in memory all the same.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(bytes);
        if self.tail.len() < self.chunk() {
            return Ok(());
        }
        if self.free() < self.tail.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let (file, at, mut chunk) = (Arc::clone(&self.file), self.written % self.size, self.tail.split().freeze());
        let kept = chunk.clone();
        let until_end = usize::try_from(self.size - at).unwrap_or(usize::MAX).min(chunk.len());
        let largest = (self.written + kept.len() as u64).min(self.size);
        let mut share = self.share.take();
        let writing = move || {
            let room = share.as_mut().map_or(Ok(()), |share| share.grow(largest));
            let written = room.and_then(|()| {
                let first = chunk.split_to(until_end);
                file.write_all_at(&first, at).and_then(|()| file.write_all_at(&chunk, 0))
            });
            Ok((share, written))
        };
        let (share, written) = blocking(writing).await.unwrap_or_else(|error| (None, Err(error)));
        self.share = share;
        match written {
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
        let at = self.read % self.size;
        let waiting = (self.written - self.read).min(self.size - at);
        let length = usize::try_from(waiting).unwrap_or(CHUNK_BYTES).min(self.chunk());
        let file = Arc::clone(&self.file);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Much more than the file may hold goes through it, as long as not too much waits.
    #[tokio::test]
    async fn what_was_taken_makes_room_for_what_comes() {
        let folder = tempfile::tempdir().unwrap();
        let size = 5 * CHUNK_BYTES as u64 + 77; // so that chunks lie across the end
        let room = Room::new(folder.path().to_owned());
        let mut spill = Spill::of_size(&room, size).await.unwrap();
        let byte = |n: usize| u8::try_from(n % 251).unwrap();
        let (mut put, mut taken) = (0, 0);
        while put < 40 * CHUNK_BYTES {
            while spill.has_room() {
                let piece: Vec<u8> = (put..put + 30_011).map(byte).collect();
                spill.push(&piece).await.unwrap();
                put += piece.len();
            }
            let piece = spill.pop().await.unwrap().unwrap();
            assert!(piece.iter().zip(taken..).all(|(found, n)| *found == byte(n)), "after {taken} bytes");
            taken += piece.len();
        }
        while let Some(piece) = spill.pop().await.unwrap() {
            assert!(piece.iter().zip(taken..).all(|(found, n)| *found == byte(n)), "after {taken} bytes");
            taken += piece.len();
        }
        assert!(taken == put && spill.is_empty() && spill.file.metadata().unwrap().len() <= size);
        assert!(room.taken() <= size);
        drop(spill);
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn what_waits_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path().to_owned());
        let mut spill = Spill::of_size(&room, 2 * CHUNK_BYTES as u64).await.unwrap();
        spill.push(&vec![1; 2 * CHUNK_BYTES]).await.unwrap();
        assert!(!spill.has_room());
        assert_eq!(spill.push(&vec![2; CHUNK_BYTES]).await.unwrap_err().kind(), io::ErrorKind::StorageFull);
        for expected in [1, 1, 2] {
            let piece = spill.pop().await.unwrap().unwrap();
            assert!(piece.len() == CHUNK_BYTES && piece.iter().all(|byte| *byte == expected));
        }
    }
}
