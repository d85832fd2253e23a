//! Which objects the other side lacks.

use std::collections::HashSet;

use git2::{ObjectType, Oid, Repository, Tree};

use super::super::oid;
use crate::domain::ObjectId;

/// The objects that `new` reaches and `there` does not: tags and commits, then trees and blobs.
///
/// Each commit's tree is compared with its parents' trees, folder by folder, and what has the same id is skipped. An
/// object that an older commit held, and its parents no longer do, is sent again; that is rare and harmless.
pub(super) fn objects(repository: &Repository, new: &[ObjectId], there: &[ObjectId]) -> Result<Vec<Oid>, git2::Error> {
    let mut collector = Collector { repository, seen: HashSet::new(), found: Vec::new() };
    let mut walk = repository.revwalk()?;
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
        collector.add_tree_of(commit)?;
    }
    Ok(collector.found)
}

struct Collector<'repo> {
    repository: &'repo Repository,
    seen: HashSet<Oid>,
    found: Vec<Oid>,
}

impl Collector<'_> {
    fn add(&mut self, id: Oid) -> bool {
        let new = self.seen.insert(id);
        if new {
            self.found.push(id);
        }
        new
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

    fn add_tree_of(&mut self, commit: Oid) -> Result<(), git2::Error> {
        let commit = self.repository.find_commit(commit)?;
        let parents: Vec<Oid> = commit.parents().map(|parent| parent.tree_id()).collect();
        // Own stack: trees from elsewhere may be nested deeper than a thread's stack allows.
        let mut waiting = vec![(commit.tree_id(), parents)];
        while let Some((id, parents)) = waiting.pop() {
            if !parents.contains(&id) && self.add(id) {
                self.add_entries(id, &parents, &mut waiting)?;
            }
        }
        Ok(())
    }

    fn add_entries(&mut self, id: Oid, parents: &[Oid], waiting: &mut Vec<(Oid, Vec<Oid>)>) -> Result<(), git2::Error> {
        let tree = self.repository.find_tree(id)?;
        let parents = parents.iter().map(|id| self.repository.find_tree(*id)).collect::<Result<Vec<Tree<'_>>, _>>()?;
        // All ids of a folder count, not only those of the same name, so that a renamed app costs nothing.
        let known: HashSet<Oid> = parents.iter().flat_map(|parent| parent.iter().map(|entry| entry.id())).collect();
        for entry in tree.iter().filter(|entry| !known.contains(&entry.id())) {
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let same_name = |parent: &Tree<'_>| {
                        let found = parent.get_name_bytes(entry.name_bytes())?;
                        (found.kind() == Some(ObjectType::Tree)).then(|| found.id())
                    };
                    waiting.push((entry.id(), parents.iter().filter_map(same_name).collect()));
                }
                Some(ObjectType::Blob) => {
                    self.add(entry.id());
                }
                _ => {} // a submodule's commit lives elsewhere
            }
        }
        Ok(())
    }
}
