//! What has come for a client that has not read it yet: some of it in memory, the rest on disk, none without a limit.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::room::Room;
use super::spill::Spill;

/// So many pieces, 32 KiB each at most, are written at once.
const PIECES_AT_ONCE: usize = 8;
/// As much waits in memory.
const MEMORY_BYTES: usize = 1 << 20;

/// Pieces that wait for one client, in order.
pub(super) struct Backlog {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    spill: Option<Spill>,
    room: Arc<Room>,
    /// The disk has refused: until what waits has gone, no more than the memory's part is taken.
    memory_only: bool,
    /// That was said.
    told: bool,
}

impl Backlog {
    /// Nothing yet; files are made in `room` when they are needed.
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self { pieces: VecDeque::new(), bytes: 0, spill: None, room, memory_only: false, told: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether one more piece can be taken.
    pub(super) fn has_room(&self) -> bool {
        match &self.spill {
            Some(spill) => !self.memory_only && spill.has_room(),
            None => !self.memory_only || self.bytes < MEMORY_BYTES,
        }
    }

    /// Whether there is enough for one write. What is on disk is: taking more before the client had its turn would only grow it.
    pub(super) fn is_a_full_write(&self) -> bool {
        self.spill.is_some() || self.pieces.len() >= PIECES_AT_ONCE
    }

    /// What is to be written next, in one system call, and how many pieces that are.
    pub(super) fn front(&self) -> ([IoSlice<'_>; PIECES_AT_ONCE], usize) {
        let mut front = [IoSlice::new(&[]); PIECES_AT_ONCE];
        for (slot, piece) in front.iter_mut().zip(&self.pieces) {
            *slot = IoSlice::new(piece);
        }
        (front, self.pieces.len().min(PIECES_AT_ONCE))
    }

    /// So many bytes of [`front`](Self::front) are written.
    pub(super) fn consume(&mut self, mut bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        while let Some(front) = self.pieces.front_mut().filter(|_| bytes > 0) {
            let written = bytes.min(front.len());
            front.advance(written);
            bytes -= written;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    /// Takes a piece.
    pub(super) async fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.spill.is_none() && self.bytes >= MEMORY_BYTES && !self.memory_only {
            match Spill::create(&self.room).await {
                Ok(spill) => self.spill = Some(spill),
                Err(error) => self.disk_failed(&error),
            }
        }
        let Some(spill) = &mut self.spill else { return self.keep(piece) };
        if let Err(error) = spill.push(&piece).await {
            self.disk_failed(&error);
        }
    }

    /// Brings back what is on disk once the memory is free for it. To be called before [`front`](Self::front).
    ///
    /// # Errors
    /// The disk's; what was there is lost.
    pub(super) async fn refill(&mut self) -> io::Result<()> {
        if !self.pieces.is_empty() {
            return Ok(());
        }
        let Some(spill) = self.spill.as_mut() else {
            self.memory_only = false; // there may be room again the next time
            return Ok(());
        };
        let piece = spill.pop().await?;
        if spill.is_empty() {
            self.spill = None;
        }
        if let Some(piece) = piece {
            self.keep(piece);
        }
        Ok(())
    }

    fn keep(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    fn disk_failed(&mut self, error: &io::Error) {
        self.memory_only = true;
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%error, "what a client does not read cannot be kept on disk: it holds up the other clients of its connection");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_put_in_comes_out_in_order_and_the_memory_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::new(Room::new(folder.path().to_owned()));
        let piece = |n: u32| Bytes::from(n.to_be_bytes().repeat(8 << 10));
        let (mut next_out, mut most) = (0, 0);
        for n in 0..500 {
            assert!(backlog.has_room());
            backlog.push(piece(n)).await;
            most = most.max(backlog.bytes);
            if n % 3 == 0 {
                backlog.refill().await.unwrap();
            }
        }
        assert!(most <= MEMORY_BYTES + (32 << 10), "{most}");
        let mut out = Vec::new();
        loop {
            backlog.refill().await.unwrap();
            let (front, pieces) = backlog.front();
            let front: Vec<u8> = front[..pieces].iter().flat_map(|piece| piece.iter().copied()).collect();
            let written = front.len().min(50_000);
            if written == 0 {
                break;
            }
            out.extend_from_slice(&front[..written]);
            backlog.consume(written);
        }
        for word in out.chunks_exact(32 << 10) {
            assert_eq!(word, &piece(next_out)[..]);
            next_out += 1;
        }
        assert_eq!((next_out, backlog.spill.is_none(), backlog.bytes), (500, true, 0));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    /// Takes what fits.
    async fn fill(backlog: &mut Backlog) -> usize {
        let mut taken = 0;
        while backlog.has_room() {
            backlog.push(Bytes::from(vec![7; 32 << 10])).await;
            taken += 32 << 10;
        }
        taken
    }

    async fn empty(backlog: &mut Backlog) -> usize {
        let mut out = 0;
        loop {
            backlog.refill().await.unwrap();
            if backlog.is_empty() {
                return out;
            }
            let (front, pieces) = backlog.front();
            let bytes: usize = front[..pieces].iter().map(|piece| piece.len()).sum();
            backlog.consume(bytes);
            out += bytes;
        }
    }

    #[tokio::test]
    async fn all_clients_together_have_a_limit_on_disk_and_what_one_gives_back_another_can_have() {
        const MOST: u64 = 8 << 20;
        let folder = tempfile::tempdir().unwrap();
        let room = Room::of_size(folder.path().to_owned(), MOST, 0);
        let [mut first, mut second] = [Arc::clone(&room), Arc::clone(&room)].map(Backlog::new);
        let (of_first, of_second) = (fill(&mut first).await, fill(&mut second).await);
        assert!(room.taken() <= MOST && of_second > 2 * MEMORY_BYTES && of_first > of_second, "{of_first} {of_second}");
        assert!(!first.has_room() && !second.has_room());
        assert_eq!(empty(&mut second).await, of_second, "nothing of what was taken is lost");
        drop(first);
        assert_eq!(room.taken(), 0);
        assert_eq!(fill(&mut second).await, of_first, "there is room again");
        assert_eq!(empty(&mut second).await, of_first);
        assert_eq!(room.taken(), 0);
    }

    #[tokio::test]
    async fn without_a_disk_the_memory_is_the_limit() {
        let mut backlog = Backlog::new(Room::new("/nowhere/at/all".into()));
        let mut taken = 0;
        while backlog.has_room() {
            backlog.push(Bytes::from(vec![0; 32 << 10])).await;
            taken += 1;
            assert!(taken < 100);
        }
        assert!(taken > 30);
    }
}
