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

    /// Adds the files that the patterns mean.
    fn collect(
        &mut self,
        repo: &dyn LocalRepository,
        tree: ObjectId,
        folder: &str,
        (depth, within): (usize, bool),
        found: &mut BTreeSet<String>,
    ) -> Result<(), Failure> {
        if depth > DEEPEST || (!within && self.plain.contains(&tree)) {
            return Ok(());
        }
        let before = found.len();
        for entry in repo.tree(tree)? {
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let is_folder = entry.kind == EntryKind::Tree;
            let meant = within || self.patterns.match_entry(&path, is_folder);
            if is_folder {
                self.collect(repo, entry.id, &path, (depth + 1, meant), found)?;
            } else if meant {
                found.insert(path);
            }
        }
        if found.len() == before && self.patterns.are_names() {
            if self.plain.len() >= REMEMBERED {
                self.plain.clear();
            }
            self.plain.insert(tree);
        }
        Ok(())
    }
}
