//! A walk back through history that looks for the last commit of many apps at once, and can stop anywhere.

use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::time::Instant;

use crate::domain::{EntryKind, Failure, ObjectId};
use crate::sync::trees::entries;

use super::Reader;
use super::changes::ChangedNames;

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

impl Reader {
    /// The names of the folders beside each other in the folder of the apps.
    pub(super) fn apps_of(&self, commit: ObjectId) -> Result<HashSet<Vec<u8>>, Failure> {
        let entries = entries(&*self.repo, self.folder(&self.repo.commit(commit)?)?)?;
        Ok(entries.into_iter().filter(|entry| entry.kind == EntryKind::Tree).map(|entry| entry.name).collect())
    }
}

/// What a commit answers for.
enum Step {
    /// It is the first one: the apps that it has.
    First(HashSet<Vec<u8>>),
    /// For each parent, its time, and the apps that are not the same there.
    After(Vec<(ObjectId, i64, ChangedNames)>),
}

impl Step {
    fn read(reader: &Reader, id: ObjectId) -> Result<Self, Failure> {
        let commit = reader.repo.commit(id)?;
        if commit.parents.is_empty() {
            return reader.apps_of(id).map(Self::First);
        }
        let changed = reader.changed_apps(id, &commit)?;
        let parents = commit
            .parents
            .into_iter()
            .zip(changed)
            .map(|(parent, changed)| Ok((parent, reader.repo.commit(parent)?.committer.seconds, changed)));
        parents.collect::<Result<_, Failure>>().map(Self::After)
    }
}

impl Walk {
    /// One that looks for `names`.
    pub(super) fn from(head: ObjectId, names: HashSet<Vec<u8>>) -> Self {
        let mut walk = Self { head, found: HashMap::new(), open: HashMap::new(), next: BinaryHeap::new() };
        walk.wait_at(head, i64::MAX, names);
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
        while let Some((seconds, id)) = self.next.pop() {
            let Some(mut waiting) = self.open.remove(&id) else { continue };
            if let Some(known) = known.iter().find(|known| known.head == id) {
                self.take_over(known, &mut waiting);
            }
            if !waiting.is_empty() {
                match Step::read(reader, id) {
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

    fn take(&mut self, id: ObjectId, step: Step, mut waiting: HashSet<Vec<u8>>) {
        match step {
            Step::First(there) => {
                let never: Vec<_> = waiting.extract_if(|name| !there.contains(name)).collect();
                self.found.extend(never.into_iter().map(|name| (name, None)));
            }
            Step::After(parents) => {
                for (parent, seconds, changed) in parents {
                    let own: HashSet<Vec<u8>> = changed.iter().filter_map(|name| waiting.take(name)).collect();
                    let inherited = std::mem::replace(&mut waiting, own);
                    if !inherited.is_empty() {
                        self.wait_at(parent, seconds, inherited);
                    }
                }
            }
        }
        self.found.extend(waiting.into_iter().map(|name| (name, Some(id))));
    }
}
