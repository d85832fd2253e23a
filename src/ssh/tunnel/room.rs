//! What the clients of all tunnels together may have on disk, and how much of the memory they have.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// As much for all of them.
const MOST_BYTES: u64 = 4 << 30;
/// As much of the disk stays free: the store is there, too.
const SPARED_BYTES: u64 = 256 << 20;

/// As much may wait in memory for all of them before each goes to disk early.
const MUCH_MEMORY: usize = 64 << 20;

/// A folder, and how much of it is taken.
pub(super) struct Room {
    pub(super) folder: PathBuf,
    most: u64,
    spared: u64,
    taken: AtomicU64,
    in_memory: AtomicUsize,
}

/// What one client has of it; given back when it is dropped.
pub(super) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Room {
    pub(super) fn new(folder: PathBuf) -> Arc<Self> {
        Self::of_size(folder, MOST_BYTES, SPARED_BYTES)
    }

    pub(super) fn of_size(folder: PathBuf, most: u64, spared: u64) -> Arc<Self> {
        Arc::new(Self { folder, most, spared, taken: AtomicU64::new(0), in_memory: AtomicUsize::new(0) })
    }

    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { room: Arc::clone(self), bytes: 0 }
    }

    /// So many bytes more wait in memory.
    pub(super) fn keeps(&self, bytes: usize) {
        self.in_memory.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes have gone from it.
    pub(super) fn gives_up(&self, bytes: usize) {
        self.in_memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether so much waits in memory that each client is to have little there.
    pub(super) fn is_short_of_memory(&self) -> bool {
        self.in_memory.load(Ordering::Relaxed) >= MUCH_MEMORY
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Bytes that may still be written to the disk. Blocks.
    fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(self.spared))
    }
}

impl Share {
    /// Makes it so large. Nobody gets more than what then is left for others: so however many wait, there is some for the next.
    /// Blocks.
    ///
    /// # Errors
    /// That there is no room, or the disk's.
    pub(super) fn grow(&mut self, bytes: u64) -> io::Result<()> {
        let more = bytes.saturating_sub(self.bytes);
        if more == 0 {
            return Ok(());
        }
        let free = self.room.free()?;
        let take = |taken: u64| {
            let left = self.room.most.saturating_sub(taken).min(free).checked_sub(more)?;
            (bytes <= left).then_some(taken + more)
        };
        if self.room.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            let why = "what clients do not read has taken its part of the disk";
            return Err(io::Error::new(io::ErrorKind::StorageFull, why));
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 256 << 10;

    fn grow_to_the_end(share: &mut Share) -> u64 {
        while share.grow(share.bytes + PIECE).is_ok() {}
        share.bytes
    }

    #[test]
    fn a_thousand_clients_share_the_room_and_each_gets_some() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of_size(folder.path().to_owned(), MOST_BYTES, 0);
        let mut shares: Vec<Share> = (0..1_000).map(|_| room.share()).collect();
        // One after the other: those that come late find what the early ones left.
        let first = grow_to_the_end(&mut shares[0]);
        assert!(first >= MOST_BYTES / 2 - 2 * PIECE, "alone it has half of it: {first}");
        shares[0] = room.share();
        // Side by side, piece by piece.
        while shares.iter_mut().filter_map(|share| share.grow(share.bytes + PIECE).ok()).count() > 0 {}
        assert!(shares.iter().all(|share| share.bytes >= 3 << 20), "none is left with nothing");
        assert!(room.taken() <= MOST_BYTES);
        drop(shares);
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn a_part_of_the_disk_stays_free() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of_size(folder.path().to_owned(), MOST_BYTES, u64::MAX);
        assert_eq!(room.share().grow(1).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(room.taken(), 0);
    }
}
