//! The last commit of every app, in one walk of history: a commit answers for the apps that it changed, and its parents for the
//! others. What was found is remembered, so that the next walk ends where this one began.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::sync::trees::entries;

use super::{CommitShown, LONGEST, MOST_COMMITS, Reader};

/// What the last walks found, newest first: one from what was committed here, one from the remote's tip.
#[derive(Debug, Default)]
pub struct KnownCommits(Mutex<Vec<Found>>);

/// So many are remembered.
const REMEMBERED: usize = 2;

/// For each app of the commit `head`, by its name, the last commit that changed it.
#[derive(Clone, Debug)]
struct Found {
    head: ObjectId,
    commits: Arc<HashMap<Vec<u8>, ObjectId>>,
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
        self.shown(self.last_of_all(head)?.iter())
    }

    /// For each of `apps` the commit that made it what it is at the remote, also if that took it away.
    ///
    /// # Errors
    /// As the repository.
    pub fn last_commits_there(&self, apps: &BTreeSet<AppName>) -> Result<BTreeMap<String, CommitShown>, Failure> {
        let Some(tip) = self.tip.filter(|_| !apps.is_empty()) else { return Ok(BTreeMap::new()) };
        let there = self.apps_of(tip, &mut Folders::new())?;
        let there: HashSet<&[u8]> = there.iter().map(|entry| entry.name.as_slice()).collect();
        let names = || apps.iter().map(|app| app.as_str().as_bytes());
        let gone: HashSet<Vec<u8>> = names().filter(|name| !there.contains(name)).map(<[u8]>::to_vec).collect();
        let gone = if gone.is_empty() { HashMap::new() } else { self.walk(tip, gone, &[])? };
        let all = self.last_of_all(tip)?;
        self.shown(names().filter_map(|name| all.get_key_value(name)).chain(&gone))
    }

    fn shown<'a>(
        &self,
        commits: impl Iterator<Item = (&'a Vec<u8>, &'a ObjectId)>,
    ) -> Result<BTreeMap<String, CommitShown>, Failure> {
        let mut shown: HashMap<ObjectId, CommitShown> = HashMap::new();
        let mut last = BTreeMap::new();
        for (name, id) in commits {
            let commit = match shown.entry(*id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(CommitShown::new(*id, &self.repo.commit(*id)?)),
            };
            if let Ok(name) = String::from_utf8(name.clone()) {
                last.insert(name, commit.clone());
            }
        }
        Ok(last)
    }

    fn last_of_all(&self, head: ObjectId) -> Result<Arc<HashMap<Vec<u8>, ObjectId>>, Failure> {
        let known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.iter().find(|known| known.head == head) {
            return Ok(Arc::clone(&known.commits));
        }
        let all = self.apps_of(head, &mut Folders::new())?.iter().map(|entry| entry.name.clone()).collect();
        let commits = Arc::new(self.walk(head, all, &known)?);
        let mut known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(0, Found { head, commits: Arc::clone(&commits) });
        known.truncate(REMEMBERED);
        Ok(commits)
    }

    /// The last commit of each of these, which may be gone at `head`; at a commit that is known it ends.
    fn walk(
        &self,
        head: ObjectId,
        names: HashSet<Vec<u8>>,
        known: &[Found],
    ) -> Result<HashMap<Vec<u8>, ObjectId>, Failure> {
        let deadline = Instant::now() + LONGEST;
        let mut folders = Folders::new();
        let mut found = HashMap::new();
        let mut open: HashMap<ObjectId, HashSet<Vec<u8>>> = HashMap::from([(head, names)]);
        let mut next = BinaryHeap::from([(i64::MAX, head)]); // newest first
        for _ in 0..MOST_COMMITS {
            let Some((_, id)) = next.pop() else { break };
            let Some(mut waiting) = open.remove(&id) else { continue };
            if Instant::now() > deadline {
                break;
            }
            if let Some(known) = known.iter().find(|known| known.head == id) {
                found.extend(waiting.into_iter().filter_map(|name| known.commits.get(&name).map(|id| (name, *id))));
                continue;
            }
            let apps = self.apps_of(id, &mut folders)?;
            let parents = self.repo.commit(id)?.parents;
            if parents.is_empty() {
                let there: HashSet<&[u8]> = apps.iter().map(|entry| entry.name.as_slice()).collect();
                waiting.retain(|name| there.contains(name.as_slice())); // the others never were
            }
            for parent in parents {
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
        let entry = |name: &str, id: u8| TreeEntry {
            name: name.into(),
            kind: EntryKind::Tree,
            id: ObjectId::from_bytes([id; 20]),
        };
        let old = [entry("a", 1), entry("a.b", 1), entry("c", 1), entry("e", 1)];
        let new = [entry("a", 1), entry("a.b", 2), entry("d", 1), entry("e", 1)];
        assert_eq!(changed_names(&new, &old), [&b"a.b"[..], b"c", b"d"]);
        assert_eq!(changed_names(&new, &[]).len(), 4);
        assert_eq!(changed_names(&[], &old).len(), 4);
    }
}
