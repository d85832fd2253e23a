//! Tree objects: `<octal mode> <name> NUL <20 bytes>`, again and again.

use std::cmp::Ordering;
use std::collections::HashSet;

use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};

/// The entries of a tree object; `None` if it is not well-formed.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<TreeEntry>> {
    raw_entries(bytes).map(|raw| raw?.to_entry()).collect()
}

/// What was read is no tree object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotATree;

/// The folder of this name, if there is one; the other entries are passed over.
///
/// # Errors
/// That what comes before it is not well-formed.
pub(super) fn find_folder(bytes: &[u8], name: &[u8]) -> Result<Option<ObjectId>, NotATree> {
    for raw in raw_entries(bytes) {
        let raw = raw.ok_or(NotATree)?;
        if raw.name == name && kind(raw.mode).ok_or(NotATree)? == EntryKind::Tree {
            return Ok(Some(ObjectId::from_bytes(*raw.id)));
        }
    }
    Ok(None)
}

/// The names of the folders that are not the same in both trees.
///
/// # Errors
/// That one of them is not well-formed.
pub(super) fn changed_folders(old: &[u8], new: &[u8]) -> Result<Vec<Vec<u8>>, NotATree> {
    let (mut old, mut new) = (folders(old), folders(new));
    let (mut before, mut after) = (old.next().transpose()?, new.next().transpose()?);
    let mut changed = Vec::new();
    loop {
        let side = match (&before, &after) {
            (Some(a), Some(b)) if a.name == b.name => Ordering::Equal,
            (Some(a), Some(b)) => a.name.iter().chain(b"/").cmp(b.name.iter().chain(b"/")),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(changed),
        };
        let is_same = side == Ordering::Equal && before.as_ref().map(|a| a.id) == after.as_ref().map(|b| b.id);
        let named = if side == Ordering::Greater { &after } else { &before };
        changed.extend(named.as_ref().filter(|_| !is_same).map(|entry| entry.name.to_vec()));
        if side != Ordering::Greater {
            before = old.next().transpose()?;
        }
        if side != Ordering::Less {
            after = new.next().transpose()?;
        }
    }
}

fn folders(bytes: &[u8]) -> impl Iterator<Item = Result<RawEntry<'_>, NotATree>> {
    raw_entries(bytes).map(|raw| raw.ok_or(NotATree)).filter(|raw| raw.as_ref().is_ok_and(is_folder) || raw.is_err())
}

fn is_folder(entry: &RawEntry<'_>) -> bool {
    entry.mode == b"40000" || kind(entry.mode) == Some(EntryKind::Tree)
}

/// An entry as it stands in the object.
struct RawEntry<'a> {
    mode: &'a [u8],
    name: &'a [u8],
    id: &'a [u8; 20],
}

impl RawEntry<'_> {
    fn to_entry(&self) -> Option<TreeEntry> {
        Some(TreeEntry { name: self.name.to_vec(), kind: kind(self.mode)?, id: ObjectId::from_bytes(*self.id) })
    }
}

/// The entries one after the other; a `None` where the tree is not well-formed, and nothing after it.
fn raw_entries(bytes: &[u8]) -> impl Iterator<Item = Option<RawEntry<'_>>> {
    let mut rest = Some(bytes).filter(|bytes| !bytes.is_empty());
    std::iter::from_fn(move || {
        let read = split_entry(rest.take()?);
        rest = read.as_ref().map(|(_, rest)| *rest).filter(|rest| !rest.is_empty());
        Some(read.map(|(entry, _)| entry))
    })
}

fn split_entry(bytes: &[u8]) -> Option<(RawEntry<'_>, &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let (mode, rest) = (bytes.get(..space)?, bytes.get(space + 1..)?);
    let end = rest.iter().position(|&byte| byte == 0)?;
    let (name, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    let (id, rest) = rest.split_first_chunk::<20>()?;
    Some((RawEntry { mode, name, id }, rest))
}

/// Old programs wrote `100664` and `040000`: the type counts, and whether the owner may execute.
fn kind(octal: &[u8]) -> Option<EntryKind> {
    let mode = u32::from_str_radix(std::str::from_utf8(octal).ok()?, 8).ok()?;
    Some(match mode & 0o170_000 {
        0o100_000 if mode & 0o100 != 0 => EntryKind::Executable,
        0o100_000 => EntryKind::File,
        0o040_000 => EntryKind::Tree,
        0o120_000 => EntryKind::Symlink,
        0o160_000 => EntryKind::Submodule,
        _ => return None,
    })
}

/// The tree object of these entries, in whatever order they come.
///
/// # Errors
/// Internal, if a name is empty, given twice, or holds a slash or NUL.
pub(super) fn encode(entries: &[TreeEntry]) -> Result<Vec<u8>, Failure> {
    let mut names = HashSet::with_capacity(entries.len());
    for entry in entries {
        let shown = entry.name.escape_ascii();
        if entry.name.is_empty() || entry.name.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(Failure::internal(format!("\"{shown}\" cannot be the name of a tree's entry")));
        }
        if !names.insert(entry.name.as_slice()) {
            return Err(Failure::internal(format!("a tree was to hold \"{shown}\" twice")));
        }
    }
    let mut sorted: Vec<&TreeEntry> = entries.iter().collect();
    sorted.sort_unstable_by(|a, b| git_order(a, b));
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + 28).sum());
    for entry in sorted {
        bytes.extend_from_slice(format!("{:o} ", entry.kind.mode()).as_bytes());
        bytes.extend_from_slice(&entry.name);
        bytes.push(0);
        bytes.extend_from_slice(entry.id.as_bytes());
    }
    Ok(bytes)
}

/// Git compares the name of a folder as if it ended with a slash.
fn git_order(a: &TreeEntry, b: &TreeEntry) -> Ordering {
    let key = |entry: &TreeEntry| (entry.kind == EntryKind::Tree).then_some(b'/');
    a.name.iter().copied().chain(key(a)).cmp(b.name.iter().copied().chain(key(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: EntryKind) -> TreeEntry {
        TreeEntry { name: name.into(), kind, id: ObjectId::from_bytes([7; 20]) }
    }

    #[test]
    fn folders_sort_as_if_their_name_ended_with_a_slash() {
        let entries = [entry("a0", EntryKind::File), entry("a", EntryKind::Tree), entry("a.b", EntryKind::File)];
        let names: Vec<_> = decode(&encode(&entries).unwrap()).unwrap().into_iter().map(|e| e.name).collect();
        assert_eq!(names, [b"a.b".to_vec(), b"a".to_vec(), b"a0".to_vec()]);
    }

    #[test]
    fn names_that_would_break_a_tree_are_refused() {
        let twice = [entry("a", EntryKind::Tree), entry("a.b", EntryKind::File), entry("a", EntryKind::File)];
        assert!(encode(&twice).is_err());
        for name in ["", "a/b", "a\0b"] {
            assert!(encode(&[entry(name, EntryKind::File)]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_folder_is_found_among_files_and_a_file_is_none() {
        let named = |name: &str, kind, id| TreeEntry { id: ObjectId::from_bytes([id; 20]), ..entry(name, kind) };
        let entries =
            [named("a", EntryKind::File, 1), named("a.b", EntryKind::Tree, 2), named("b", EntryKind::Tree, 3)];
        let tree = encode(&entries).unwrap();
        assert_eq!(find_folder(&tree, b"b"), Ok(Some(ObjectId::from_bytes([3; 20]))));
        assert_eq!(find_folder(&tree, b"a.b"), Ok(Some(ObjectId::from_bytes([2; 20]))));
        for name in [&b"a"[..], b"a.", b"", b"c"] {
            assert_eq!(find_folder(&tree, name), Ok(None), "{name:?}");
        }
        assert_eq!(find_folder(&tree[..tree.len() - 1], b"b"), Err(NotATree), "cut off");
    }

    #[test]
    fn the_folders_that_differ_are_found_side_by_side() {
        let tree = |entries: &[(&str, EntryKind, u8)]| {
            let named = |(name, kind, id): &(&str, EntryKind, u8)| TreeEntry {
                id: ObjectId::from_bytes([*id; 20]),
                ..entry(name, *kind)
            };
            encode(&entries.iter().map(named).collect::<Vec<_>>()).unwrap()
        };
        let (file, folder) = (EntryKind::File, EntryKind::Tree);
        let old = tree(&[
            ("a", folder, 1),
            ("a.b", folder, 1),
            ("c", folder, 1),
            ("e", folder, 1),
            ("f", file, 1),
            ("g", folder, 1),
        ]);
        let new = tree(&[
            ("a", folder, 1),
            ("a.b", folder, 2),
            ("d", folder, 1),
            ("e", folder, 1),
            ("f", file, 2),
            ("g", file, 1),
        ]);
        assert_eq!(
            changed_folders(&old, &new),
            Ok(["a.b", "c", "d", "g"].map(|name| name.as_bytes().to_vec()).to_vec())
        );
        assert_eq!(changed_folders(&old, &old), Ok(Vec::new()));
        assert_eq!(changed_folders(&old, &[]).unwrap().len(), 5);
        assert_eq!(changed_folders(&[], &new).unwrap().len(), 4);
        assert_eq!(changed_folders(&old, &new[..new.len() - 1]), Err(NotATree));
    }

    #[test]
    fn half_a_tree_is_not_a_tree() {
        let whole = encode(&[entry("a", EntryKind::File)]).unwrap();
        for length in 1..whole.len() {
            assert_eq!(decode(&whole[..length]), None, "{length}");
        }
    }
}
