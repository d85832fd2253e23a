//! A walk back through history that looks for the last commit of many apps at once, and can stop anywhere.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Instant;

use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};
use crate::sync::trees::entries;

use super::Reader;

/// A walk from `head` back, which may have ended before it had found everything.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) head: ObjectId,
    /// For each app, by its name, the last commit that changed it; `None` if no commit ever had it.
    pub(super) found: HashMap<Vec<u8>, Option<ObjectId>>,
    /// Where it goes on, and the apps to find from there. An app waits at one commit only.
    pub(super) open: HashMap<ObjectId, HashSet<Vec<u8>>>,
    /// The same commits by their time, the newest first.
    next: BinaryHeap<(i64, ObjectId)>,
}

/// Folders that were read last: a commit's is that of the next one's parent.
pub(super) type Folders = HashMap<ObjectId, Rc<Vec<TreeEntry>>>;

impl Reader {
    /// The folders beside each other in the folder of the apps, in Git's order.
    pub(super) fn apps_of(&self, commit: ObjectId, folders: &mut Folders) -> Result<Rc<Vec<TreeEntry>>, Failure> {
        let Some(folder) = self.folder(&self.repo.commit(commit)?)? else { return Ok(Rc::default()) };
        if let Some(read) = folders.get(&folder) {
            return Ok(Rc::clone(read));
        }
        let mut apps = entries(&*self.repo, Some(folder))?;
        apps.retain(|entry| entry.kind == EntryKind::Tree);
        if folders.len() > 8 {
            folders.clear();
        }
        let apps = Rc::new(apps);
        folders.insert(folder, Rc::clone(&apps));
        Ok(apps)
    }
}

/// A commit and its parents, with their times, and the apps of each.
struct Step {
    apps: Rc<Vec<TreeEntry>>,
    parents: Vec<(ObjectId, i64, Rc<Vec<TreeEntry>>)>,
}

impl Step {
    fn read(reader: &Reader, id: ObjectId, folders: &mut Folders) -> Result<Self, Failure> {
        let apps = reader.apps_of(id, folders)?;
        let parents = reader.repo.commit(id)?.parents.into_iter().map(|parent| {
            let seconds = reader.repo.commit(parent)?.committer.seconds;
            Ok((parent, seconds, reader.apps_of(parent, folders)?))
        });
        Ok(Self { apps, parents: parents.collect::<Result<_, Failure>>()? })
    }
}

impl Walk {
    /// One that looks for `names`.
    pub(super) fn from(head: ObjectId, names: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut walk = Self { head, found: HashMap::new(), open: HashMap::new(), next: BinaryHeap::new() };
        walk.wait_at(head, i64::MAX, names.collect());
        walk
    }

    /// Names that are gone at the head were not looked for from the start: they are looked for from there.
    pub(super) fn look_for(&mut self, names: &HashSet<Vec<u8>>) {
        let waits = |name: &Vec<u8>| self.open.values().any(|waiting| waiting.contains(name));
        let more: HashSet<Vec<u8>> =
            names.iter().filter(|name| !self.found.contains_key(*name) && !waits(name)).cloned().collect();
        if !more.is_empty() {
            self.wait_at(self.head, i64::MAX, more);
        }
    }

    fn wait_at(&mut self, commit: ObjectId, seconds: i64, names: HashSet<Vec<u8>>) {
        match self.open.entry(commit) {
            Entry::Occupied(mut waiting) => waiting.get_mut().extend(names),
            Entry::Vacant(none) => {
                none.insert(names);
                self.next.push((seconds, commit));
            }
        }
    }

    /// Reads on until nothing is left or the time is up, but one commit at least; where a walk that is `known` began, it is taken
    /// over.
    pub(super) fn go_on(&mut self, reader: &Reader, known: &[Self], deadline: Instant) -> Result<(), Failure> {
        let mut folders = Folders::new();
        while let Some((seconds, id)) = self.next.pop() {
            let Some(mut waiting) = self.open.remove(&id) else { continue };
            if let Some(known) = known.iter().find(|known| known.head == id) {
                self.take_over(known, &mut waiting);
            }
            if !waiting.is_empty() {
                match Step::read(reader, id, &mut folders) {
                    Ok(step) => self.take(id, step, waiting),
                    Err(failure) => {
                        self.wait_at(id, seconds, waiting); // nobody is forgotten: the next question tries again
                        return Err(failure);
                    }
                }
            }
            if Instant::now() > deadline {
                break;
            }
        }
        Ok(())
    }

    /// What `known` found is found, and what it still looks for goes on where it is; what it never looked for stays in `waiting`.
    fn take_over(&mut self, known: &Self, waiting: &mut HashSet<Vec<u8>>) {
        waiting.retain(|name| match known.found.get(name) {
            Some(commit) => {
                self.found.insert(name.clone(), *commit);
                false
            }
            None => true,
        });
        for (seconds, commit) in &known.next {
            let Some(there) = known.open.get(commit).filter(|_| !waiting.is_empty()) else { continue };
            let on: HashSet<Vec<u8>> = there.iter().filter_map(|name| waiting.take(name)).collect();
            if !on.is_empty() {
                self.wait_at(*commit, *seconds, on);
            }
        }
    }

    fn take(&mut self, id: ObjectId, Step { apps, parents }: Step, mut waiting: HashSet<Vec<u8>>) {
        if parents.is_empty() {
            let there: HashSet<&[u8]> = apps.iter().map(|entry| entry.name.as_slice()).collect();
            let never: Vec<_> = waiting.extract_if(|name| !there.contains(name.as_slice())).collect();
            self.found.extend(never.into_iter().map(|name| (name, None)));
        }
        for (parent, seconds, before) in parents {
            let changed = changed_names(&apps, &before);
            let own: HashSet<Vec<u8>> = changed.into_iter().filter_map(|name| waiting.take(name)).collect();
            let inherited = std::mem::replace(&mut waiting, own);
            if !inherited.is_empty() {
                self.wait_at(parent, seconds, inherited);
            }
        }
        self.found.extend(waiting.into_iter().map(|name| (name, Some(id))));
    }
}

/// The names that are not the same in both. Both are folders only, and in Git's order.
fn changed_names<'a>(new: &'a [TreeEntry], old: &'a [TreeEntry]) -> Vec<&'a [u8]> {
    if std::ptr::eq(new, old) {
        return Vec::new();
    }
    let order = |a: &TreeEntry, b: &TreeEntry| a.name.iter().chain(b"/").cmp(b.name.iter().chain(b"/"));
    let (mut new, mut old) = (new.iter().peekable(), old.iter().peekable());
    let mut changed = Vec::new();
    loop {
        let side = match (new.peek(), old.peek()) {
            (Some(a), Some(b)) => order(a, b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return changed,
        };
        let in_new = if side == Ordering::Greater { None } else { new.next() };
        let in_old = if side == Ordering::Less { None } else { old.next() };
        let same = in_new.map(|entry| entry.id) == in_old.map(|entry| entry.id);
        changed.extend(in_new.or(in_old).filter(|_| !same).map(|entry| entry.name.as_slice()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_differ_are_found_side_by_side() {
        let old = [entry("a", 1), entry("a.b", 1), entry("c", 1), entry("e", 1)];
        let new = [entry("a", 1), entry("a.b", 2), entry("d", 1), entry("e", 1)];
        assert_eq!(changed_names(&new, &old), [&b"a.b"[..], b"c", b"d"]);
        assert_eq!(changed_names(&new, &[]).len(), 4);
        assert_eq!(changed_names(&[], &old).len(), 4);
    }

    fn entry(name: &str, id: u8) -> TreeEntry {
        TreeEntry { name: name.into(), kind: EntryKind::Tree, id: ObjectId::from_bytes([id; 20]) }
    }
}
