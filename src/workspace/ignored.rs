//! What of an app is not looked at: what the patterns mean, unless Git has it.
//!
//! As with Git's own `.gitignore`, a pattern means only what is not followed yet. A file that a commit holds is compared
//! and installed like any other, or it would look as if it had been deleted here.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::domain::patterns::Patterns;
use crate::domain::{AppName, EntryKind, Failure, ObjectId};
use crate::ports::LocalRepository;

/// Deeper trees are refused elsewhere.
const DEEPEST: usize = 64;
/// The trees that are remembered are forgotten at once when there are more than this.
const REMEMBERED: usize = 50_000;

/// The patterns, and for each app what they mean and Git has.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    patterns: Arc<Patterns>,
    apps: HashMap<AppName, (Vec<ObjectId>, Skip)>,
    /// Trees in which the patterns mean nothing.
    plain: HashSet<ObjectId>,
}

/// What to leave out of one app.
#[derive(Clone, Debug, Default)]
pub(super) struct Skip {
    patterns: Arc<Patterns>,
    followed: Arc<BTreeSet<String>>,
}

impl Skip {
    /// Whether an entry is not looked at. `within`: the patterns mean a folder that it lies in.
    pub(super) fn skips(&self, path: &str, is_folder: bool, within: bool) -> bool {
        (within || self.means(path, is_folder)) && !self.is_followed(path, is_folder)
    }

    /// Whether the file at `path` is not looked at, by itself or because of a folder that it lies in.
    pub(super) fn ignores(&self, path: &str) -> bool {
        self.patterns.match_file(path) && !self.followed.contains(path)
    }

    pub(super) fn means(&self, path: &str, is_folder: bool) -> bool {
        self.patterns.match_entry(path, is_folder)
    }

    fn is_followed(&self, path: &str, is_folder: bool) -> bool {
        if !is_folder || self.followed.is_empty() {
            return self.followed.contains(path);
        }
        let inside = format!("{path}/");
        self.followed.range(inside.clone()..).next().is_some_and(|first| first.starts_with(&inside))
    }
}

impl Ignored {
    pub(super) fn new(patterns: Patterns) -> Self {
        Self { patterns: Arc::new(patterns), ..Self::default() }
    }

    pub(super) fn in_app(&self, app: &AppName) -> Skip {
        let known = self.apps.get(app).map(|(_, skip)| skip.clone());
        known.unwrap_or_else(|| Skip { patterns: Arc::clone(&self.patterns), followed: Arc::default() })
    }

    /// Takes note of what Git has of an app.
    ///
    /// # Errors
    /// As the repository.
    pub(super) fn follow(
        &mut self,
        repo: &dyn LocalRepository,
        app: &AppName,
        trees: &[ObjectId],
    ) -> Result<(), Failure> {
        if self.patterns.is_empty() || self.apps.get(app).is_some_and(|(known, _)| known == trees) {
            return Ok(());
        }
        let mut followed = BTreeSet::new();
        for tree in trees {
            self.collect(repo, *tree, "", (0, false), &mut followed)?;
        }
        let skip = Skip { patterns: Arc::clone(&self.patterns), followed: Arc::new(followed) };
        self.apps.insert(app.clone(), (trees.to_vec(), skip));
        Ok(())
    }

    pub(super) fn forget_all_but(&mut self, keep: impl Fn(&AppName) -> bool) {
        self.apps.retain(|app, _| keep(app));
    }

    /// Adds the files that the patterns mean. Answers whether there are any, new to `found` or not.
    fn collect(
        &mut self,
        repo: &dyn LocalRepository,
        tree: ObjectId,
        folder: &str,
        (depth, within): (usize, bool),
        found: &mut BTreeSet<String>,
    ) -> Result<bool, Failure> {
        if depth > DEEPEST || (!within && self.plain.contains(&tree)) {
            return Ok(false);
        }
        let mut any = false;
        for entry in repo.tree(tree)? {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let is_folder = entry.kind == EntryKind::Tree;
            let meant = within || self.patterns.match_entry(&path, is_folder);
            if is_folder {
                any |= self.collect(repo, entry.id, &path, (depth + 1, meant), found)?;
            } else if meant {
                found.insert(path);
                any = true;
            }
        }
        if !any && !within && self.patterns.are_names() {
            if self.plain.len() >= REMEMBERED {
                self.plain.clear();
            }
            self.plain.insert(tree);
        }
        Ok(any)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::TreeEntry;
    use crate::ports::{Commit, RefEdit};

    /// Trees alone, by number.
    #[derive(Default)]
    struct Trees(Mutex<HashMap<ObjectId, Vec<TreeEntry>>>);

    fn id(number: u8) -> ObjectId {
        ObjectId::from_bytes([number; 20])
    }

    impl Trees {
        fn add(&self, number: u8, entries: &[(&str, EntryKind, u8)]) {
            let entries = entries.iter().map(|(name, kind, object)| TreeEntry {
                name: name.as_bytes().to_vec(),
                kind: *kind,
                id: id(*object),
            });
            self.0.lock().unwrap().insert(id(number), entries.collect());
        }
    }

    #[rustfmt::skip]
    impl LocalRepository for Trees {
        fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure> { Ok(self.0.lock().unwrap()[&id].clone()) }
        fn blob(&self, _: ObjectId) -> Result<Vec<u8>, Failure> { unreachable!() }
        fn commit(&self, _: ObjectId) -> Result<Commit, Failure> { unreachable!() }
        fn contains(&self, _: ObjectId) -> Result<bool, Failure> { unreachable!() }
        fn write_blob(&self, _: &[u8]) -> Result<ObjectId, Failure> { unreachable!() }
        fn write_tree(&self, _: &[TreeEntry]) -> Result<ObjectId, Failure> { unreachable!() }
        fn write_commit(&self, _: &Commit) -> Result<ObjectId, Failure> { unreachable!() }
        fn write_tag(&self, _: &crate::ports::Tag) -> Result<ObjectId, Failure> { unreachable!() }
        fn flush(&self) -> Result<(), Failure> { unreachable!() }
        fn find_ref(&self, _: &str) -> Result<Option<ObjectId>, Failure> { unreachable!() }
        fn list_refs(&self, _: &str) -> Result<Vec<(String, ObjectId)>, Failure> { unreachable!() }
        fn edit_refs(&self, _: &[RefEdit]) -> Result<(), Failure> { unreachable!() }
        fn descends_from(&self, _: ObjectId, _: ObjectId) -> Result<bool, Failure> { unreachable!() }
        fn maintain(&self) -> Result<bool, Failure> { unreachable!() }
    }

    #[test]
    fn what_git_has_is_looked_at_and_its_neighbours_are_not() {
        let repo = Trees::default();
        repo.add(2, &[("x.tmp", EntryKind::File, 9)]);
        repo.add(1, &[("build", EntryKind::Tree, 2), ("a.tmp", EntryKind::File, 9), ("b.json", EntryKind::File, 9)]);
        repo.add(3, &[("b.json", EntryKind::File, 9)]);
        let app = AppName::new("App").unwrap();
        for patterns in ["*.tmp, build/", "*.tmp, /build/"] {
            let mut ignored = Ignored::new(Patterns::parse(patterns).unwrap());
            assert!(ignored.in_app(&app).skips("a.tmp", false, false), "before Git has it");
            // The same in two trees is still there in each.
            for trees in [&[id(1), id(1)][..], &[id(3), id(1)], &[id(1), id(3)]] {
                ignored.follow(&repo, &app, trees).unwrap();
                let skip = ignored.in_app(&app);
                assert!(!skip.skips("a.tmp", false, false) && skip.skips("c.tmp", false, false));
                assert!(!skip.skips("build", true, false) && !skip.skips("build/x.tmp", false, true));
                assert!(skip.skips("build/y.json", false, true) && !skip.skips("b.json", false, false));
                assert!(skip.ignores("build/y.json") && skip.ignores("c.tmp"));
                assert!(!skip.ignores("build/x.tmp") && !skip.ignores("a.tmp") && !skip.ignores("b.json"));
            }
            ignored.follow(&repo, &app, &[id(3)]).unwrap();
            assert!(
                ignored.in_app(&app).skips("a.tmp", false, false) && ignored.in_app(&app).skips("build", true, false)
            );
        }
    }
}
