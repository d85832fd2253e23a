//! What changed of an object, as a pack says it: pieces of an older one, and what is new between them. Source:
//! `gitformat-pack(5)`, "Deltified representation".
//!
//! Nothing is searched. The older object is the one of the same name in the parent commit: a folder of 10,000 apps in which one
//! has changed is 100 bytes instead of 270 kB that do not compress.

use std::collections::HashMap;

/// The most that one instruction copies, in bytes: what every reader takes.
const COPIED_AT_ONCE: usize = 0xffff;
/// The most that one instruction inserts, in bytes.
const INSERTED_AT_ONCE: usize = 0x7f;
/// The id of an object, in bytes.
const ID: usize = 20;

/// How `new` comes from `old`, both the content of trees; `None` if it is not worth it, or one of them is no tree.
pub(super) fn of_trees(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut at = HashMap::new();
    let mut offset = 0;
    for entry in entries(old) {
        let entry = entry?;
        at.insert(entry, offset);
        offset += entry.len();
    }
    let mut delta = Delta::new(old, new);
    for entry in entries(new) {
        let entry = entry?;
        match at.get(entry) {
            Some(offset) => delta.copy(*offset, entry.len()),
            None => delta.insert(entry),
        }
    }
    delta.if_worth_it()
}

/// The same for any content: what both begin with, and what both end with.
pub(super) fn of_contents(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let begin = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (old.get(begin..)?, new.get(begin..)?);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let mut delta = Delta::new(old, new);
    delta.copy(0, begin);
    delta.insert(new_rest.get(..new_rest.len() - end)?);
    delta.copy(old.len() - end, end);
    delta.if_worth_it()
}

/// The entries of a tree: mode, space, name, NUL, id. An error is the last item.
fn entries(mut tree: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if tree.is_empty() {
            return None;
        }
        let end = memchr::memchr(0, tree).map(|nul| nul + 1 + ID);
        let split = end.and_then(|end| tree.split_at_checked(end));
        let (entry, rest) = split.map_or((None, &[][..]), |(entry, rest)| (Some(entry), rest));
        tree = rest;
        Some(entry)
    })
}

struct Delta {
    written: Vec<u8>,
    /// A piece of the old that is not written yet: more of it may follow.
    copying: Option<(usize, usize)>,
    worth: usize,
}

impl Delta {
    fn new(old: &[u8], new: &[u8]) -> Self {
        let mut written = Vec::new();
        size(&mut written, old.len());
        size(&mut written, new.len());
        Self { written, copying: None, worth: new.len() / 2 }
    }

    fn copy(&mut self, offset: usize, len: usize) {
        self.copying = match self.copying.take() {
            Some((from, so_far)) if from + so_far == offset => Some((from, so_far + len)),
            before => {
                self.write_copy(before);
                Some((offset, len))
            }
        };
    }

    fn insert(&mut self, bytes: &[u8]) {
        let before = self.copying.take();
        self.write_copy(before);
        for piece in bytes.chunks(INSERTED_AT_ONCE) {
            self.written.extend(u8::try_from(piece.len()));
            self.written.extend_from_slice(piece);
        }
    }

    fn write_copy(&mut self, piece: Option<(usize, usize)>) {
        let Some((mut offset, mut len)) = piece else { return };
        while len > 0 {
            let now = len.min(COPIED_AT_ONCE);
            let mut instruction = 0x80;
            let mut arguments = Vec::with_capacity(6);
            let bytes = offset.to_le_bytes().into_iter().take(4).chain(now.to_le_bytes().into_iter().take(2));
            for (bit, byte) in bytes.enumerate() {
                if byte != 0 {
                    instruction |= 1 << bit;
                    arguments.push(byte);
                }
            }
            self.written.push(instruction);
            self.written.append(&mut arguments);
            (offset, len) = (offset + now, len - now);
        }
    }

    fn if_worth_it(mut self) -> Option<Vec<u8>> {
        let last = self.copying.take();
        self.write_copy(last);
        (self.written.len() < self.worth).then_some(self.written)
    }
}

/// Seven bits a byte, the lowest first.
fn size(written: &mut Vec<u8>, mut size: usize) {
    loop {
        let low = u8::try_from(size & 0x7f).unwrap_or_default();
        size >>= 7;
        written.push(if size > 0 { low | 0x80 } else { low });
        if size == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As a reader does it.
    fn applied(delta: &[u8], old: &[u8]) -> Vec<u8> {
        let mut at = 0;
        let mut next = || {
            at += 1;
            delta.get(at - 1).copied()
        };
        let mut sizes = [0_usize; 2];
        for size in &mut sizes {
            for shift in (0..).step_by(7) {
                let byte = next().unwrap();
                *size |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
        }
        assert_eq!(sizes[0], old.len());
        let mut new = Vec::new();
        while let Some(instruction) = next() {
            if instruction & 0x80 == 0 {
                assert_ne!(instruction, 0, "reserved");
                (0..instruction).for_each(|_| new.push(next().unwrap()));
                continue;
            }
            let mut argument = |bits: std::ops::Range<u32>| {
                let value = |(place, bit): (u32, u32)| {
                    if instruction >> bit & 1 == 1 { usize::from(next().unwrap()) << (8 * place) } else { 0 }
                };
                (0..).zip(bits).map(value).sum::<usize>()
            };
            let (offset, len) = (argument(0..4), argument(4..7));
            new.extend_from_slice(&old[offset..offset + if len == 0 { 0x10000 } else { len }]);
        }
        assert_eq!(sizes[1], new.len());
        new
    }

    fn tree(entries: &[(u16, u8)]) -> Vec<u8> {
        let entry = |(name, id): &(u16, u8)| [format!("40000 app{name}\0").as_bytes(), &[*id; ID]].concat();
        entries.iter().flat_map(entry).collect()
    }

    #[test]
    fn one_app_of_ten_thousand_is_a_few_bytes() {
        let all: Vec<(u16, u8)> = (0..10_000).map(|name| (name, 1)).collect();
        let mut changed = all.clone();
        changed[7_000].1 = 2;
        let (old, new) = (tree(&all), tree(&changed));
        let delta = of_trees(&old, &new).unwrap();
        assert_eq!(applied(&delta, &old), new);
        assert!(delta.len() < 120, "{}", delta.len());
    }

    #[test]
    fn what_is_not_worth_it_or_no_tree_is_sent_whole() {
        assert_eq!(of_trees(&tree(&[(1, 1), (2, 1)]), &tree(&[(1, 2), (2, 2)])), None);
        assert_eq!(of_trees(b"no tree", &tree(&[(1, 1)])), None);
        assert_eq!(of_trees(&tree(&[(1, 1)]), b"40000 a\0short"), None);
        assert_eq!(of_contents(b"", b"all of it is new"), None);
        assert_eq!(of_contents(b"", b""), None);
    }

    proptest! {
        #[test]
        fn what_a_delta_makes_is_the_new_tree(
            old in prop::collection::vec((0_u16..40, 0_u8..3), 0..60),
            new in prop::collection::vec((0_u16..40, 0_u8..3), 0..60),
        ) {
            let (old, new) = (tree(&old), tree(&new));
            if let Some(delta) = of_trees(&old, &new) {
                prop_assert_eq!(applied(&delta, &old), new);
            }
        }

        #[test]
        fn what_a_delta_makes_is_the_new_content(
            begin in prop::collection::vec(0_u8..3, 0..300), end in prop::collection::vec(0_u8..3, 0..300),
            old in prop::collection::vec(0_u8..3, 0..9), new in prop::collection::vec(0_u8..3, 0..300), times in 1_usize..400,
        ) {
            let begin = begin.repeat(times);
            let (old, new) = ([&begin[..], &old, &end].concat(), [&begin[..], &new, &end].concat());
            if let Some(delta) = of_contents(&old, &new) {
                prop_assert_eq!(applied(&delta, &old), new);
            }
        }
    }
}
