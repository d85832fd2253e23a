//! The last commit of every app, in one walk of history: a commit answers for the apps that it changed, and its parents for the
//! others. What was found is remembered, so that the next walk ends where this one began.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::domain::{EntryKind, Failure, ObjectId, TreeEntry};
use crate::sync::trees::entries;

use super::{CommitShown, LONGEST, MOST_COMMITS, Reader};

/// What the last walk found.
#[derive(Debug, Default)]
pub struct KnownCommits(Mutex<Option<Found>>);

/// For each app of the commit `head`, by its name, the last commit that changed it.
#[derive(Clone, Debug)]
struct Found {
    head: ObjectId,
    commits: HashMap<Vec<u8>, ObjectId>,
}

/// Folders that were read last: a commit's is that of the next one's parent.
type Folders = HashMap<ObjectId, std::rc::Rc<Vec<TreeEntry>>>;

impl Reader {
    /// For each app its last commit; those that lie too far back are left out.
    ///
    /// # Errors
    /// As the repository.
    pub fn last_commits(&self) -> Result<BTreeMap<String, CommitShown>, Failure> {
        let Some(head) = self.head else { return Ok(BTreeMap::new()) };
        let known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found = match known {
            Some(known) if known.head == head => known,
            known => {
                let found = Found { head, commits: self.walk(head, known.as_ref())? };
                *self.known.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
                found
            }
        };
        let mut shown: HashMap<ObjectId, CommitShown> = HashMap::new();
        let mut last = BTreeMap::new();
        for (name, id) in found.commits {
            let commit = match shown.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(CommitShown::new(id, &self.repo.commit(id)?)),
            };
            if let Ok(name) = String::from_utf8(name) {
                last.insert(name, commit.clone());
            }
        }
        Ok(last)
    }

    fn walk(&self, head: ObjectId, known: Option<&Found>) -> Result<HashMap<Vec<u8>, ObjectId>, Failure> {
        let deadline = Instant::now() + LONGEST;
        let mut folders = Folders::new();
        let mut found = HashMap::new();
        let all = self.apps_of(head, &mut folders)?.iter().map(|entry| entry.name.clone()).collect();
        let mut open: HashMap<ObjectId, HashSet<Vec<u8>>> = HashMap::from([(head, all)]);
        let mut next = BinaryHeap::from([(i64::MAX, head)]); // newest first
        for _ in 0..MOST_COMMITS {
            let Some((_, id)) = next.pop() else { break };
            let Some(mut waiting) = open.remove(&id) else { continue };
            if Instant::now() > deadline {
                break;
            }
            if let Some(known) = known.filter(|known| known.head == id) {
                found.extend(waiting.into_iter().filter_map(|name| known.commits.get(&name).map(|id| (name, *id))));
                continue;
            }
            let apps = self.apps_of(id, &mut folders)?;
            for parent in self.repo.commit(id)?.parents {
                let before = self.apps_of(parent, &mut folders)?;
                let changed = changed_names(&apps, &before);
                let own: HashSet<Vec<u8>> = changed.into_iter().filter_map(|name| waiting.take(name)).collect();
                let inherited = std::mem::replace(&mut waiting, own);
                if !inherited.is_empty() {
                    let time = self.repo.commit(parent)?.committer.seconds;
                    next.push((time, parent));
                    merge_into(open.entry(parent).or_default(), inherited);
                }
            }
            found.extend(waiting.into_iter().map(|name| (name, id)));
        }
        Ok(found)
    }

    /// The folders beside each other in the folder of the apps, in Git's order.
    fn apps_of(&self, commit: ObjectId, folders: &mut Folders) -> Result<std::rc::Rc<Vec<TreeEntry>>, Failure> {
        let Some(folder) = self.folder(&self.repo.commit(commit)?)? else { return Ok(std::rc::Rc::default()) };
        if let Some(read) = folders.get(&folder) {
            return Ok(std::rc::Rc::clone(read));
        }
        let mut apps = entries(&*self.repo, Some(folder))?;
        apps.retain(|entry| entry.kind == EntryKind::Tree);
        if folders.len() > 8 {
            folders.clear();
        }
        let apps = std::rc::Rc::new(apps);
        folders.insert(folder, std::rc::Rc::clone(&apps));
        Ok(apps)
    }
}

fn merge_into(set: &mut HashSet<Vec<u8>>, more: HashSet<Vec<u8>>) {
    if set.is_empty() {
        *set = more;
    } else {
        set.extend(more);
    }
}

/// The names in `new` that are not in `old`, or otherwise. Both are folders only, and in Git's order.
fn changed_names<'a>(new: &'a [TreeEntry], old: &[TreeEntry]) -> Vec<&'a [u8]> {
    if std::ptr::eq(new, old) {
        return Vec::new();
    }
    let order = |a: &TreeEntry, b: &TreeEntry| a.name.iter().chain(b"/").cmp(b.name.iter().chain(b"/"));
    let mut old = old.iter().peekable();
    let mut changed = Vec::new();
    for entry in new {
        while old.next_if(|other| order(other, entry) == Ordering::Less).is_some() {}
        let same = old.peek().is_some_and(|other| other.id == entry.id && other.name == entry.name);
        if !same {
            changed.push(entry.name.as_slice());
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_that_differ_are_found_side_by_side() {
        let entry = |name: &str, id: u8| TreeEntry {
            name: name.into(),
            kind: EntryKind::Tree,
            id: ObjectId::from_bytes([id; 20]),
        };
        let old = [entry("a", 1), entry("a.b", 1), entry("c", 1), entry("e", 1)];
        let new = [entry("a", 1), entry("a.b", 2), entry("d", 1), entry("e", 1)];
        assert_eq!(changed_names(&new, &old), [&b"a.b"[..], b"d"]);
        assert_eq!(changed_names(&new, &[]).len(), 4);
        assert!(changed_names(&[], &old).is_empty());
    }
}
