//! What has come for a client that has not read it yet: some of it in memory, the rest on disk, none without a limit.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};

use super::room::Room;
use super::spill::Spill;

/// So many pieces, 32 KiB each at most, are written at once.
const PIECES_AT_ONCE: usize = 8;
/// As much waits in memory.
const MEMORY_BYTES: usize = 1 << 20;
/// And so much while all clients together have much there.
const LITTLE_MEMORY_BYTES: usize = 64 << 10;

/// Smaller pieces are put together: each for itself has 32 bytes in the queue and an allocation, more than what it brings.
const SMALL_BYTES: usize = 4 << 10;
/// Pieces that are put together become no larger than one that came whole.
const JOINED_BYTES: usize = 32 << 10;

/// Pieces that wait for one client, in order.
pub(super) struct Backlog {
    pieces: VecDeque<Bytes>,
    /// Small ones that came after them.
    joined: BytesMut,
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
        Self {
            pieces: VecDeque::new(),
            joined: BytesMut::new(),
            bytes: 0,
            spill: None,
            room,
            memory_only: false,
            told: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether one more piece can be taken.
    pub(super) fn has_room(&self) -> bool {
        match &self.spill {
            Some(spill) => !self.memory_only && spill.has_room(),
            None => !self.memory_only || self.bytes < self.most_in_memory(),
        }
    }

    /// Whether there is enough for one write. What is on disk is: taking more before the client had its turn would only grow it.
    pub(super) fn is_a_full_write(&self) -> bool {
        self.spill.is_some() || self.bytes >= PIECES_AT_ONCE * JOINED_BYTES || self.pieces.len() >= PIECES_AT_ONCE
    }

    /// What is to be written next, in one system call, and how many pieces that are.
    pub(super) fn front(&self) -> ([IoSlice<'_>; PIECES_AT_ONCE], usize) {
        let mut front = [IoSlice::new(&[]); PIECES_AT_ONCE];
        let joined = (!self.joined.is_empty()).then_some(&*self.joined);
        let mut pieces = 0;
        for (slot, piece) in front.iter_mut().zip(self.pieces.iter().map(|piece| &**piece).chain(joined)) {
            *slot = IoSlice::new(piece);
            pieces += 1;
        }
        (front, pieces)
    }

    /// So many bytes of [`front`](Self::front) are written.
    pub(super) fn consume(&mut self, mut bytes: usize) {
        bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.room.gives_up(bytes);
        while let Some(front) = self.pieces.front_mut().filter(|_| bytes > 0) {
            let written = bytes.min(front.len());
            front.advance(written);
            bytes -= written;
            if front.is_empty() {
                self.pieces.pop_front();
            }
        }
        self.joined.advance(bytes);
    }

    /// Takes a piece.
    pub(super) async fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.spill.is_none() && self.bytes >= self.most_in_memory() && !self.memory_only {
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
        if !self.is_empty() {
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
        self.room.keeps(piece.len());
        let is_small = piece.len() < SMALL_BYTES;
        if !self.joined.is_empty() && (!is_small || self.joined.len() + piece.len() > JOINED_BYTES) {
            self.pieces.push_back(self.joined.split().freeze());
        }
        if is_small {
            self.joined.extend_from_slice(&piece);
        } else {
            self.pieces.push_back(piece);
        }
    }

    fn most_in_memory(&self) -> usize {
        if self.room.is_short_of_memory() { LITTLE_MEMORY_BYTES } else { MEMORY_BYTES }
    }

    fn disk_failed(&mut self, error: &io::Error) {
        self.memory_only = true;
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%error, "what a client does not read cannot be kept on disk: it holds up the other clients of its connection");
        }
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.room.gives_up(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_pieces_are_put_together_and_stay_in_order_between_large_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut backlog = Backlog::new(Room::new(folder.path().to_owned()));
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        for n in 0_u32..60_000 {
            let length = if n % 1_000 == 0 { SMALL_BYTES } else { 3 };
            let piece = vec![u8::try_from(n % 251).unwrap(); length];
            sent.extend_from_slice(&piece);
            backlog.push(piece.into()).await;
        }
        assert!(backlog.spill.is_none() && backlog.pieces.len() <= 120, "{}", backlog.pieces.len());
        while !backlog.is_empty() {
            let (front, pieces) = backlog.front();
            let front: Vec<u8> = front[..pieces].iter().flat_map(|piece| piece.iter().copied()).collect();
            let written = front.len().min(10_007);
            got.extend_from_slice(&front[..written]);
            backlog.consume(written);
        }
        assert!(got == sent && backlog.bytes == 0);
    }

    #[tokio::test]
    async fn where_all_have_much_in_memory_each_goes_to_disk_early() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(folder.path().to_owned());
        let mut clients: Vec<Backlog> = (0..150).map(|_| Backlog::new(Arc::clone(&room))).collect();
        let piece = Bytes::from(vec![7; 32 << 10]);
        for backlog in &mut clients {
            while backlog.spill.is_none() {
                backlog.push(piece.clone()).await;
            }
        }
        let all: usize = clients.iter().map(|backlog| backlog.bytes).sum();
        assert!(room.is_short_of_memory() && all < 75 << 20, "{all}");
        clients.truncate(40);
        assert!(!room.is_short_of_memory(), "what is dropped counts no more");
    }

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
