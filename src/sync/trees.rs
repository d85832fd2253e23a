//! Reading and changing trees through [`LocalRepository`]: always by id first, so that equal parts cost nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::LocalRepository;

use super::single::SinglePrefix;

/// One file in which two trees differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Path below the compared trees, `/` between components. Bytes that are not UTF-8 are shown as `\u{fffd}`.
    pub path: String,
    /// Kind and content before; `None` if the file was added.
    pub old: Option<(EntryKind, ObjectId)>,
    /// Kind and content after; `None` if the file was removed.
    pub new: Option<(EntryKind, ObjectId)>,
}

/// The files in which two trees differ, sorted by path; subtrees with equal ids are not read.
///
/// # Errors
/// As the repository.
pub fn changed_files(
    repo: &dyn LocalRepository,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
) -> Result<Vec<FileChange>, Failure> {
    let mut changes = Vec::new();
    let mut open = vec![(String::new(), old, new)];
    while let Some((folder, old, new)) = open.pop() {
        if old == new {
            continue;
        }
        for (name, (before, after)) in side_by_side(repo, old, new)? {
            if before == after {
                continue;
            }
            let path = join(&folder, &String::from_utf8_lossy(&name));
            let tree_of = |entry: Option<(EntryKind, ObjectId)>| {
                entry.and_then(|(kind, id)| (kind == EntryKind::Tree).then_some(id))
            };
            let leaf_of = |entry: Option<(EntryKind, ObjectId)>| entry.filter(|(kind, _)| *kind != EntryKind::Tree);
            let (old_leaf, new_leaf) = (leaf_of(before), leaf_of(after));
            if old_leaf.is_some() || new_leaf.is_some() {
                changes.push(FileChange { path: path.clone(), old: old_leaf, new: new_leaf });
            }
            open.push((path, tree_of(before), tree_of(after)));
        }
    }
    changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(changes)
}

type Pair = (Option<(EntryKind, ObjectId)>, Option<(EntryKind, ObjectId)>);

/// The entries of two trees by name.
fn side_by_side(
    repo: &dyn LocalRepository,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
) -> Result<BTreeMap<Vec<u8>, Pair>, Failure> {
    let mut pairs: BTreeMap<Vec<u8>, Pair> = BTreeMap::new();
    for entry in entries(repo, old)? {
        pairs.entry(entry.name).or_default().0 = Some((entry.kind, entry.id));
    }
    for entry in entries(repo, new)? {
        pairs.entry(entry.name).or_default().1 = Some((entry.kind, entry.id));
    }
    Ok(pairs)
}

/// The entries of a tree that may be absent.
///
/// # Errors
/// As the repository.
pub fn entries(repo: &dyn LocalRepository, tree: Option<ObjectId>) -> Result<Vec<TreeEntry>, Failure> {
    tree.map_or(Ok(Vec::new()), |id| repo.tree(id))
}

/// Joins two relative paths, either of which may be empty.
#[must_use]
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// What the folder of the apps holds in one commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppTrees {
    /// Every folder with a valid name.
    pub apps: BTreeMap<AppName, ObjectId>,
    /// What lies beside them and cannot be an app: the name as shown, and what is wrong with it.
    pub refused: Vec<(String, String)>,
}

/// The apps in the root tree of a commit. Plain files beside the apps are not ours and not mentioned.
///
/// # Errors
/// As the repository.
pub fn app_trees(repo: &dyn LocalRepository, root: Option<ObjectId>, prefix: &str) -> Result<AppTrees, Failure> {
    let mut found = AppTrees::default();
    for entry in entries(repo, find_tree(repo, root, prefix)?)? {
        let shown = String::from_utf8_lossy(&entry.name).into_owned();
        match entry.kind {
            EntryKind::File | EntryKind::Executable => {}
            EntryKind::Symlink => found.refused.push((shown, "it is a symbolic link".into())),
            EntryKind::Submodule => found.refused.push((shown, "it is a submodule".into())),
            EntryKind::Tree => match String::from_utf8(entry.name).map(AppName::new) {
                Ok(Ok(name)) => {
                    found.apps.insert(name, entry.id);
                }
                Ok(Err(error)) => found.refused.push((shown, error.rule.into())),
                Err(_) => found.refused.push((shown, "its name is not UTF-8".into())),
            },
        }
    }
    Ok(found)
}

/// The tree at `path` (components separated by `/`; empty: the root itself), if there is one. A
/// [`single_prefix`](super::single::single_prefix) is a folder that holds one app.
///
/// # Errors
/// As the repository.
pub fn find_tree(repo: &dyn LocalRepository, root: Option<ObjectId>, path: &str) -> Result<Option<ObjectId>, Failure> {
    if let Some(single) = SinglePrefix::of(path) {
        let folder = single.folder_of(repo, find_tree(repo, root, single.folder)?)?;
        return find_tree(repo, folder, single.below);
    }
    let mut tree = root;
    for component in path.split('/').filter(|part| !part.is_empty()) {
        let Some(folder) = tree else { break };
        tree = repo.subtree(folder, component.as_bytes())?;
    }
    Ok(tree)
}

/// The root tree with some apps set (`Some`) or taken out (`None`); everything else stays as it is.
///
/// # Errors
/// As the repository.
pub fn with_apps(
    repo: &dyn LocalRepository,
    root: Option<ObjectId>,
    prefix: &str,
    edits: &BTreeMap<AppName, Option<ObjectId>>,
) -> Result<ObjectId, Failure> {
    let single = SinglePrefix::of(prefix);
    let folder = single.as_ref().map_or(prefix, |single| single.folder);
    let path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    let change = |before: Vec<TreeEntry>| match &single {
        Some(single) => single.with_app(repo, before, edits),
        None => Ok(with_folders(before, edits)),
    };
    match changed_below(repo, root, &path, &change)? {
        Some(tree) => Ok(tree),
        None => repo.write_tree(&[]),
    }
}

/// The tree with what lies at `path` changed. An empty folder does not exist in Git: `None`.
fn changed_below(
    repo: &dyn LocalRepository,
    tree: Option<ObjectId>,
    path: &[&str],
    change: &dyn Fn(Vec<TreeEntry>) -> Result<Vec<TreeEntry>, Failure>,
) -> Result<Option<ObjectId>, Failure> {
    let mut kept = entries(repo, tree)?;
    if let Some((first, rest)) = path.split_first() {
        let name = first.as_bytes();
        let inner = kept.iter().find(|entry| entry.name == name && entry.kind == EntryKind::Tree).map(|e| e.id);
        let changed = changed_below(repo, inner, rest, change)?;
        kept.retain(|entry| entry.name != name);
        kept.extend(changed.map(|id| TreeEntry { name: name.to_vec(), kind: EntryKind::Tree, id }));
    } else {
        kept = change(kept)?;
    }
    if kept.is_empty() { Ok(None) } else { repo.write_tree(&kept).map(Some) }
}

/// The tree in which the files at `paths` are as they are in the tree `of` (or absent, as they are there).
///
/// # Errors
/// As the repository.
pub fn with_files_of(
    repo: &dyn LocalRepository,
    tree: Option<ObjectId>,
    of: Option<ObjectId>,
    paths: &[&str],
) -> Result<Option<ObjectId>, Failure> {
    if paths.is_empty() {
        return Ok(tree);
    }
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for path in paths {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        below.entry(name).or_default().push(rest);
    }
    let (mut kept, others) = (entries(repo, tree)?, entries(repo, of)?);
    for (name, rest) in below {
        let named = |entry: &&TreeEntry| entry.name == name.as_bytes();
        let other = others.iter().find(named);
        let entry = if rest.contains(&"") {
            other.cloned()
        } else {
            let folder = |entry: &TreeEntry| (entry.kind == EntryKind::Tree).then_some(entry.id);
            let (inner, other) = (kept.iter().find(named).and_then(folder), other.and_then(folder));
            with_files_of(repo, inner, other, &rest)?.map(|id| TreeEntry {
                name: name.as_bytes().to_vec(),
                kind: EntryKind::Tree,
                id,
            })
        };
        kept.retain(|entry| entry.name != name.as_bytes());
        kept.extend(entry);
    }
    if kept.is_empty() { Ok(None) } else { repo.write_tree(&kept).map(Some) }
}

/// The entries of the apps' folder with some apps set or taken out.
fn with_folders(mut kept: Vec<TreeEntry>, edits: &BTreeMap<AppName, Option<ObjectId>>) -> Vec<TreeEntry> {
    let edited: BTreeSet<&[u8]> = edits.keys().map(|app| app.as_str().as_bytes()).collect();
    kept.retain(|entry| !edited.contains(entry.name.as_slice()));
    kept.extend(edits.iter().filter_map(|(app, tree)| {
        let id = (*tree)?;
        Some(TreeEntry { name: app.as_str().as_bytes().to_vec(), kind: EntryKind::Tree, id })
    }));
    kept
}

/// The share of files, `0.0` to `1.0`, that two trees have in common by content, wherever they lie.
///
/// # Errors
/// As the repository.
pub fn similarity(repo: &dyn LocalRepository, a: ObjectId, b: ObjectId) -> Result<f64, Failure> {
    let files_of = |tree| -> Result<Vec<ObjectId>, Failure> {
        let mut ids: Vec<ObjectId> =
            changed_files(repo, None, Some(tree))?.into_iter().filter_map(|file| Some(file.new?.1)).collect();
        ids.sort_unstable();
        Ok(ids)
    };
    let (a, b) = (files_of(a)?, files_of(b)?);
    let mut rest = b.iter().peekable();
    let mut common = 0_u32;
    for id in &a {
        while rest.next_if(|other| *other < id).is_some() {}
        common += u32::from(rest.next_if(|other| *other == id).is_some());
    }
    let most = u32::try_from(a.len().max(b.len()).max(1)).unwrap_or(u32::MAX);
    Ok(f64::from(common) / f64::from(most))
}
