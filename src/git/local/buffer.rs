//! Objects that wait in memory for the next flush.

use std::collections::HashMap;

use crate::domain::ObjectId;

/// Above this much content the buffer is written out.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Above this many objects the buffer is written out.
pub(super) const MAX_OBJECTS: usize = 20_000;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// One object that waits.
pub(super) struct Pending {
    pub(super) kind: Kind,
    pub(super) bytes: Box<[u8]>,
}

/// The objects that wait, by name.
#[derive(Default)]
pub(super) struct Buffer {
    objects: HashMap<ObjectId, Pending>,
    bytes: usize,
}

impl Buffer {
    pub(super) fn find(&self, id: ObjectId) -> Option<&Pending> {
        self.objects.get(&id)
    }

    /// Whether `more` bytes still fit.
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.objects.len() < MAX_OBJECTS && self.bytes + more <= MAX_BYTES
    }

    pub(super) fn insert(&mut self, id: ObjectId, kind: Kind, bytes: &[u8]) {
        if self.objects.insert(id, Pending { kind, bytes: bytes.into() }).is_none() {
            self.bytes += bytes.len();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// All objects; commits first, then trees, then blobs, as packs are read fastest.
    pub(super) fn in_pack_order(&self) -> Vec<(ObjectId, Kind, &[u8])> {
        let mut all: Vec<_> = self.objects.iter().map(|(id, object)| (*id, object.kind, &*object.bytes)).collect();
        all.sort_unstable_by_key(|(id, kind, _)| (*kind as u8, *id));
        all
    }

    /// Forgets everything, and gives the memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
