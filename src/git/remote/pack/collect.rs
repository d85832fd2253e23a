//! Which objects the other side lacks.

use std::collections::{HashMap, HashSet};

use git2::{ObjectType, Oid, Repository, Sort, Tree};

use super::super::oid;
use crate::domain::ObjectId;

/// So many objects may have to be read for one that is sent as what changed.
const DEEPEST: u32 = 20;

/// An object to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Found {
    pub(super) id: Oid,
    /// An older one of the same kind and place, which the other side has or gets before.
    pub(super) base: Option<Oid>,
}

/// The objects that `new` reaches and `there` does not: tags and commits, then trees and blobs.
///
/// Each commit's tree is compared with its parents' trees, folder by folder, and what has the same id is skipped. An
/// object that an older commit held, and its parents no longer do, is sent again; that is rare and harmless.
///
/// Parents come first: only then is a folder that was met before known to be found whole. The newest commit may hold a
/// folder of the oldest, and would find only what its own parent lacks of it.
///
/// Of the commits `bases` the other side has all, and takes what changed of it.
pub(super) fn objects(
    repository: &Repository,
    new: &[ObjectId],
    there: &[ObjectId],
    bases: &[ObjectId],
) -> Result<Vec<Found>, git2::Error> {
    let with_deltas = (!bases.is_empty()).then(HashMap::new);
    let mut collector = Collector {
        repository,
        seen: HashSet::new(),
        found: Vec::new(),
        depths: with_deltas,
        read_by_others: HashSet::new(),
    };
    let bases: HashSet<Oid> = bases.iter().map(|id| oid::to_git(*id)).collect();
    let mut walk = repository.revwalk()?;
    walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
    for id in new {
        if let Some(commit) = collector.peel(oid::to_git(*id))? {
            walk.push(commit)?;
        }
    }
    for id in there {
        if let Ok(commit) = repository.find_object(oid::to_git(*id), None).and_then(|object| object.peel_to_commit()) {
            walk.hide(commit.id())?;
        }
    }
    let commits = walk.collect::<Result<Vec<_>, _>>()?;
    for commit in &commits {
        collector.add(*commit);
    }
    for commit in commits {
        collector.add_tree_of(commit, &bases)?;
    }
    Ok(collector.found)
}

struct Collector<'repo> {
    repository: &'repo Repository,
    seen: HashSet<Oid>,
    found: Vec<Found>,
    /// How many objects have to be read for one; `None` where all are sent whole.
    depths: Option<HashMap<Oid, u32>>,
    /// What others are changes of. One that is sent after them is sent whole, so that no two need each other.
    read_by_others: HashSet<Oid>,
}

/// An object in a parent commit.
#[derive(Clone, Copy)]
struct Old {
    id: Oid,
    /// The other side has it for sure.
    is_there: bool,
}

impl Collector<'_> {
    fn add(&mut self, id: Oid) -> bool {
        self.add_changed(id, None)
    }

    fn add_changed(&mut self, id: Oid, old: Option<Old>) -> bool {
        if self.seen.contains(&id) {
            return false;
        }
        let base = old.and_then(|old| self.base(id, old));
        self.seen.insert(id);
        self.found.push(Found { id, base });
        true
    }

    /// `old` if `id` may be sent as what changed of it.
    fn base(&mut self, id: Oid, old: Old) -> Option<Oid> {
        let depths = self.depths.as_mut()?;
        if !old.is_there && !self.seen.contains(&old.id) {
            return None;
        }
        if self.read_by_others.contains(&id) {
            return None;
        }
        let depth = if self.seen.contains(&old.id) { depths.get(&old.id).copied().unwrap_or_default() } else { 0 };
        if depth >= DEEPEST {
            return None;
        }
        depths.insert(id, depth + 1);
        self.read_by_others.insert(old.id);
        Some(old.id)
    }

    /// Adds the tags on the way to a commit, and answers that commit.
    fn peel(&mut self, mut id: Oid) -> Result<Option<Oid>, git2::Error> {
        loop {
            let object = self.repository.find_object(id, None)?;
            match object.kind() {
                Some(ObjectType::Commit) => return Ok(Some(id)),
                Some(ObjectType::Tag) => {
                    self.add(id);
                    let target = object.as_tag().map(git2::Tag::target_id);
                    let Some(target) = target else { return Ok(None) };
                    id = target;
                }
                _ => {
                    self.add(id);
                    return Ok(None);
                }
            }
        }
    }

    fn add_tree_of(&mut self, commit: Oid, bases: &HashSet<Oid>) -> Result<(), git2::Error> {
        let commit = self.repository.find_commit(commit)?;
        let old = |parent: git2::Commit<'_>| Old { id: parent.tree_id(), is_there: bases.contains(&parent.id()) };
        let parents: Vec<Old> = commit.parents().map(old).collect();
        // Own stack: trees from elsewhere may be nested deeper than a thread's stack allows.
        let mut waiting = vec![(commit.tree_id(), parents)];
        while let Some((id, parents)) = waiting.pop() {
            if !parents.iter().any(|parent| parent.id == id) && self.add_changed(id, parents.first().copied()) {
                self.add_entries(id, &parents, &mut waiting)?;
            }
        }
        Ok(())
    }

    fn add_entries(&mut self, id: Oid, parents: &[Old], waiting: &mut Vec<(Oid, Vec<Old>)>) -> Result<(), git2::Error> {
        let tree = self.repository.find_tree(id)?;
        let found = |old: &Old| Ok((self.repository.find_tree(old.id)?, old.is_there));
        let parents = parents.iter().map(found).collect::<Result<Vec<(Tree<'_>, bool)>, git2::Error>>()?;
        // All ids of a folder count, not only those of the same name, so that a renamed app costs nothing.
        let known: HashSet<Oid> =
            parents.iter().flat_map(|(parent, _)| parent.iter().map(|entry| entry.id())).collect();
        for entry in tree.iter().filter(|entry| !known.contains(&entry.id())) {
            let same_name = |(parent, is_there): &(Tree<'_>, bool)| {
                let found = parent.get_name_bytes(entry.name_bytes())?;
                (found.kind() == entry.kind()).then(|| Old { id: found.id(), is_there: *is_there })
            };
            let old = parents.iter().filter_map(same_name);
            match entry.kind() {
                Some(ObjectType::Tree) => waiting.push((entry.id(), old.collect())),
                Some(ObjectType::Blob) => {
                    let old = { old }.next();
                    self.add_changed(entry.id(), old);
                }
                _ => {} // a submodule's commit lives elsewhere
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A tree of three folders of two folders of two files, each file with one of two contents.
    fn tree(repository: &Repository, contents: u16) -> Oid {
        let mut next = 0;
        folder(repository, &[3, 2, 2], &mut || {
            next += 1;
            contents >> next & 1
        })
    }

    fn folder(repository: &Repository, sizes: &[u8], content: &mut dyn FnMut() -> u16) -> Oid {
        let [size, inner @ ..] = sizes else { panic!("a folder has a size") };
        let mut builder = repository.treebuilder(None).unwrap();
        for entry in 0..*size {
            let (id, mode) = match inner {
                [] => (repository.blob(format!("{entry} {}", content()).as_bytes()).unwrap(), 0o100_644),
                _ => (folder(repository, inner, content), 0o040_000),
            };
            builder.insert(format!("{entry}"), id, mode).unwrap();
        }
        builder.write().unwrap()
    }

    fn reachable(repository: &Repository, from: &[Oid]) -> HashSet<Oid> {
        let mut waiting = from.to_vec();
        let mut seen = HashSet::new();
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                let object = repository.find_object(id, None).unwrap();
                if let Some(commit) = object.as_commit() {
                    waiting.push(commit.tree_id());
                    waiting.extend(commit.parent_ids());
                }
                if let Some(tree) = object.as_tree() {
                    waiting.extend(tree.iter().map(|entry| entry.id()));
                }
            }
        }
        seen
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Few contents and many commits: most trees come back to what they were.
        #[test]
        fn nothing_that_the_other_side_lacks_is_left_out(
            history in prop::collection::vec((0_u16..32, prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..12),
            known in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let place = tempfile::tempdir().unwrap();
            let repository = Repository::init_bare(place.path()).unwrap();
            let who = git2::Signature::new("a", "a@b", &git2::Time::new(0, 0)).unwrap();
            let mut commits: Vec<Oid> = Vec::new();
            for (number, (contents, parents)) in history.iter().enumerate() {
                let mut ids: Vec<Oid> = parents.iter().filter(|_| number > 0).map(|it| *it.get(&commits)).collect();
                ids.extend(commits.last());
                ids.dedup();
                let parents: Vec<_> = ids.iter().map(|id| repository.find_commit(*id).unwrap()).collect();
                let tree = repository.find_tree(tree(&repository, *contents)).unwrap();
                let id = repository.commit(None, &who, &who, &number.to_string(), &tree, &parents.iter().collect::<Vec<_>>());
                commits.push(id.unwrap());
            }
            let there: Vec<Oid> = known.iter().map(|it| *it.get(&commits)).collect();
            let new = commits.last().copied().unwrap();
            let known_there: Vec<ObjectId> = there.iter().map(|id| oid::from_git(*id)).collect();
            let found: HashSet<Oid> = objects(&repository, &[oid::from_git(new)], &known_there, &[]).unwrap().iter().map(|it| it.id).collect();
            let lacking = reachable(&repository, &[new]).difference(&reachable(&repository, &there)).copied().collect::<HashSet<_>>();
            prop_assert!(lacking.is_subset(&found), "left out: {:?}", lacking.difference(&found).collect::<Vec<_>>());
        }
    }
}
