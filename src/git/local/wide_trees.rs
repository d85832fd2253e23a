//! Wide trees that were read last, as they are stored. A folder of 10,000 apps takes a millisecond to unpack, and whoever saves, or
//! looks back through history, reads the same one several times.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ObjectId;

/// Smaller trees are read as fast from the disk.
const WIDE: usize = 16 << 10;
/// Larger ones are not kept.
const WIDEST: usize = 8 << 20;
const KEPT: usize = 4;

/// The last few. What an object holds never changes, but whether it is here may: see [`clear`](Self::clear).
#[derive(Default)]
pub(super) struct WideTrees(Mutex<VecDeque<(ObjectId, Arc<Vec<u8>>)>>);

impl WideTrees {
    /// Objects may have gone: what was read of them must not pass for what is here.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The tree, if it was read of late; else what `read` says, which is kept if it is wide.
    pub(super) fn get_or<E>(&self, id: ObjectId, read: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Arc<Vec<u8>>, E> {
        let find = |trees: &VecDeque<(ObjectId, Arc<Vec<u8>>)>| {
            trees.iter().find(|(known, _)| *known == id).map(|(_, bytes)| Arc::clone(bytes))
        };
        if let Some(bytes) = find(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(bytes);
        }
        let bytes = Arc::new(read()?);
        if (WIDE..=WIDEST).contains(&bytes.len()) {
            let mut trees = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            trees.truncate(KEPT - 1);
            trees.push_front((id, Arc::clone(&bytes)));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{EntryKind, TreeEntry};
    use crate::git::local::LocalRepo;
    use crate::ports::LocalRepository as _;

    #[test]
    fn a_tree_that_went_with_its_repository_is_not_here_because_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let repo = LocalRepo::open_or_create(&folder.path().join("git")).unwrap();
        let file = TreeEntry { name: Vec::new(), kind: EntryKind::File, id: repo.write_blob(b"text").unwrap() };
        let entries: Vec<TreeEntry> =
            (0..1_000).map(|n| TreeEntry { name: format!("{n:04}").into(), ..file.clone() }).collect();
        let tree = repo.write_tree(&entries).unwrap();
        repo.flush().unwrap();
        assert_eq!(repo.tree(tree), Ok(entries.clone()));
        repo.set_aside("20260101T000000Z").unwrap();
        assert_eq!(repo.tree(tree), Ok(entries), "what is set aside can be read until all is brought over");
        repo.end_mending().unwrap();
        assert!(repo.tree(tree).is_err());
    }

    #[test]
    fn the_last_wide_ones_are_read_once_and_small_ones_each_time() {
        let trees = WideTrees::default();
        let id = |number: u8| ObjectId::from_bytes([number; 20]);
        let read = |number: u8, length: usize| {
            let mut was_read = false;
            let bytes = trees.get_or(id(number), || {
                was_read = true;
                Ok::<_, ()>(vec![number; length])
            });
            assert_eq!(bytes, Ok(Arc::new(vec![number; length])));
            was_read
        };
        assert!(read(1, WIDE) && !read(1, WIDE));
        assert!(read(2, WIDE - 1) && read(2, WIDE - 1));
        assert!(read(3, WIDEST + 1) && read(3, WIDEST + 1));
        for number in 4..=7 {
            assert!(read(number, WIDE));
        }
        assert!(read(1, WIDE), "four others came after it");
        assert_eq!(trees.get_or(id(9), || Err("gone")), Err("gone"));
    }
}
