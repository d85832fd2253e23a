//! What the engine must remember: one commit under one ref, so that it moves from one consistent state to the next at once.
//!
//! The commit's tree holds `base/<two hex digits>/<app>` (the bases), `pending/<app>` (the snapshots that unpushed commits were made
//! from), `pins/<app>`, `merged/<app>` and `withheld/<app>` (what the notes of these names mean) and `state.json`; its parents are the
//! remote's tip and the head of the unpushed commits. So all of it is pinned.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{AppName, Author, EntryKind, Failure, FailureClass, ObjectId, TreeEntry};
use crate::ports::{Commit, LocalRepository, RefEdit, Signature};

use super::engine::done::Deed;
use super::trees::entries;

/// The one ref.
pub const STATE_REF: &str = "refs/appferry/state";
const VERSION: u32 = 1;
const MESSAGE: &str = "State of appferry; not part of the history\n";

/// The memory of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// For each app the last snapshot of the disk whose content the remote contains.
    pub bases: BTreeMap<AppName, ObjectId>,
    /// What is not a tree.
    pub notes: Notes,
}

/// The part of the state that is stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    version: u32,
    /// The newest commit known of the remote's branch.
    pub tip: Option<ObjectId>,
    /// The newest commit made here; equal to `tip` when nothing waits to be pushed.
    pub head: Option<ObjectId>,
    /// The branch was seen at the remote once, so that its absence is a loss and not a beginning.
    pub branch_seen: bool,
    /// The remote was seen without any branch, so that commits may be made for it.
    pub unborn_seen: bool,
    /// For each app with commits between `tip` and `head`: the snapshot of the disk that the last of them was made from.
    pub pending: BTreeMap<AppName, Option<ObjectId>>,
    /// Renamed apps among the pending ones, old name to new: both halves are kept or taken back together.
    pub renamed: BTreeMap<AppName, AppName>,
    /// Apps whose two sides clash.
    pub conflicts: BTreeMap<AppName, ConflictNote>,
    /// When apps were deleted lately, in seconds since the Unix epoch: here, and at the remote.
    pub deletions_here: Vec<i64>,
    /// See `deletions_here`.
    pub deletions_remote: Vec<i64>,
    /// Deletions that a person confirmed.
    pub confirmed: BTreeSet<AppName>,
    /// Apps that a person asked to add or push although that does not happen by itself.
    pub wanted: BTreeSet<AppName>,
    /// Apps that a person removes from Git, each with the state that they saw there.
    pub removing: BTreeMap<AppName, ObjectId>,
    /// Apps that a person removed from Git: they stay here and are not added by themselves.
    pub not_followed: BTreeSet<AppName>,
    /// The words that a person gave for the next commit of an app.
    pub wordings: BTreeMap<AppName, Wording>,
    /// Merged versions that a person made, each for the two sides that it merges.
    pub merged: BTreeMap<AppName, MergedNote>,
    /// What was done and not told yet; one that a newer version wrote is left out.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "known_deeds")]
    pub deeds: Vec<Deed>,
    /// Apps that a rewritten history changed and that have no base in it yet.
    pub rewritten: BTreeSet<AppName>,
    /// What the followed branch does not take and waits on a branch of its own.
    pub proposal: Option<Proposal>,
    /// Apps that a person asked to bring to the state in Git although that does not happen by itself; with their release?
    pub accepted: BTreeMap<AppName, bool>,
    /// Apps that stay at a commit that a person chose, on a locked instance.
    pub pins: BTreeMap<AppName, Pin>,
    /// Apps whose release in Git was not installed with the rest.
    pub withheld: BTreeMap<AppName, Withheld>,
}

/// A branch of ours that waits to be merged into the followed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Its name, without `refs/heads/`.
    pub branch: String,
    /// The newest commit of it, made here.
    pub head: ObjectId,
    /// What the remote's branch is known to be at.
    pub pushed: Option<ObjectId>,
    /// Why it could not be pushed, if it could not.
    pub push_error: Option<String>,
    /// The server's words when it refused to move the followed branch.
    pub words: String,
    /// The apps that wait on it.
    pub apps: BTreeMap<AppName, Proposed>,
}

impl Default for Proposal {
    fn default() -> Self {
        Self {
            branch: String::new(),
            head: ObjectId::ZERO,
            pushed: None,
            push_error: None,
            words: String::new(),
            apps: BTreeMap::new(),
        }
    }
}

/// An app that waits to be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// The snapshot of the disk.
    pub ours: Option<ObjectId>,
    /// What it is on the branch: the snapshot, or that merged with the followed branch.
    pub tree: Option<ObjectId>,
    /// What it was on the followed branch then.
    pub theirs: Option<ObjectId>,
}

/// Where an app stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// What the person called it.
    pub from: String,
    /// The commit.
    pub commit: ObjectId,
    /// The app in it.
    pub tree: ObjectId,
}

/// A release that waits: the folder on disk and the one in Git, as long as the one on disk stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// On disk; `None`: the app was never published here.
    pub here: Option<ObjectId>,
    /// In Git, in the state that the rest of the app was installed from.
    pub git: Option<ObjectId>,
}

/// A person's words for a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// In the place of the words that say what changed.
    pub message: Option<String>,
    /// In the place of the author of this instance.
    pub author: Option<Author>,
}

/// A merged version that a person made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedNote {
    /// The state on disk that went into it.
    pub ours: Option<ObjectId>,
    /// The state in Git that went into it.
    pub theirs: Option<ObjectId>,
    /// What came out.
    pub tree: ObjectId,
}

/// What is remembered of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictNote {
    /// The branch on the remote that keeps our side, without `refs/heads/`.
    pub branch: String,
    /// The newest commit of that branch, made here.
    pub commit: ObjectId,
    /// What the remote's branch is known to be at.
    pub pushed: Option<ObjectId>,
    /// Why the branch could not be pushed, if it could not.
    pub push_error: Option<String>,
    /// The three snapshots that clashed.
    pub base: Option<ObjectId>,
    /// See `base`.
    pub ours: Option<ObjectId>,
    /// See `base`.
    pub theirs: Option<ObjectId>,
    /// What clashes, one sentence each.
    pub clashes: Vec<String>,
    /// The app's new name here, if it was renamed here: our side is that of this name.
    #[serde(default)]
    pub renamed_here: Option<AppName>,
    /// The app's new name in Git, if it was renamed there: their side is that of this name.
    #[serde(default)]
    pub renamed_there: Option<AppName>,
}

/// Writes the state, and only the parts of it that changed.
#[derive(Debug, Default)]
pub struct StateFile {
    saved: Option<State>,
    /// The newest time that was recorded, in seconds since the Unix epoch.
    newest: i64,
    shards: BTreeMap<String, ObjectId>,
}

impl StateFile {
    /// Reads the state; an empty one at the very first start.
    ///
    /// # Errors
    /// As the repository; internal if the state was written by a newer version.
    pub fn load(&mut self, repo: &dyn LocalRepository) -> Result<State, Failure> {
        let Some(commit) = repo.find_ref(STATE_REF)? else { return Ok(State::default()) };
        let mut state = State::default();
        let commit = repo.commit(commit)?;
        self.newest = commit.committer.seconds;
        for entry in repo.tree(commit.tree)? {
            match entry.name.as_slice() {
                b"state.json" => state.notes = parse_notes(&repo.blob(entry.id)?)?,
                b"base" => self.load_bases(repo, entry.id, &mut state.bases)?,
                _ => {}
            }
        }
        self.saved = Some(state.clone());
        Ok(state)
    }

    /// The newest time that was recorded in a state: the wall clock may have been set back since.
    #[must_use]
    pub const fn newest(&self) -> i64 {
        self.newest
    }

    fn load_bases(
        &mut self,
        repo: &dyn LocalRepository,
        tree: ObjectId,
        bases: &mut BTreeMap<AppName, ObjectId>,
    ) -> Result<(), Failure> {
        for shard in repo.tree(tree)? {
            self.shards.insert(String::from_utf8_lossy(&shard.name).into_owned(), shard.id);
            for entry in entries(repo, Some(shard.id))? {
                let name = String::from_utf8_lossy(&entry.name).into_owned();
                if let Ok(app) = AppName::new(name) {
                    bases.insert(app, entry.id);
                }
            }
        }
        Ok(())
    }

    /// Makes `state` the one that the next start finds, unless it already is.
    ///
    /// # Errors
    /// As the repository; the former state stays.
    pub fn save(&mut self, repo: &dyn LocalRepository, state: &State, now: Signature) -> Result<(), Failure> {
        if self.saved.as_ref() == Some(state) {
            return Ok(());
        }
        let now = Signature { seconds: now.seconds.max(self.newest), ..now };
        let seconds = now.seconds;
        let shards = self.write_shards(repo, &state.bases)?;
        let base =
            repo.write_tree(&shards.iter().map(|(name, id)| tree_entry(name.as_bytes(), *id)).collect::<Vec<_>>())?;
        let notes = Notes { version: VERSION, ..state.notes.clone() };
        let json = serde_json::to_vec_pretty(&notes).map_err(Failure::internal)?;
        let json = TreeEntry { name: b"state.json".to_vec(), kind: EntryKind::File, id: repo.write_blob(&json)? };
        let mut entries = vec![tree_entry(b"base", base), json];
        for (name, trees) in trees_of_notes(&state.notes) {
            if !trees.is_empty() {
                entries.push(tree_entry(name.as_bytes(), repo.write_tree(&trees)?));
            }
        }
        let tree = repo.write_tree(&entries)?;
        let mut parents: Vec<ObjectId> = state.notes.tip.into_iter().chain(state.notes.head).collect();
        parents.dedup();
        let message = MESSAGE.to_owned();
        let commit = repo.write_commit(&Commit { tree, parents, author: now.clone(), committer: now, message })?;
        repo.edit_refs(&[RefEdit { name: STATE_REF.to_owned(), to: Some(commit) }])?;
        self.shards = shards;
        self.newest = seconds;
        self.saved = Some(state.clone());
        Ok(())
    }

    /// The shards of `bases`; those in which nothing changed are taken over by id.
    fn write_shards(
        &self,
        repo: &dyn LocalRepository,
        bases: &BTreeMap<AppName, ObjectId>,
    ) -> Result<BTreeMap<String, ObjectId>, Failure> {
        let changed = self.changed_shards(bases);
        let mut shards = self.shards.clone();
        let mut contents: BTreeMap<String, Vec<TreeEntry>> = BTreeMap::new();
        for (app, id) in bases {
            let shard = shard_of(app);
            if changed.contains(&shard) {
                contents.entry(shard).or_default().push(tree_entry(app.as_str().as_bytes(), *id));
            }
        }
        for shard in changed {
            match contents.get(&shard) {
                Some(list) => shards.insert(shard, repo.write_tree(list)?),
                None => shards.remove(&shard),
            };
        }
        Ok(shards)
    }

    fn changed_shards(&self, bases: &BTreeMap<AppName, ObjectId>) -> BTreeSet<String> {
        let none = BTreeMap::new();
        let saved = self.saved.as_ref().map_or(&none, |state| &state.bases);
        let differs = |app: &&AppName| saved.get(*app) != bases.get(*app);
        saved.keys().chain(bases.keys()).filter(differs).map(shard_of).collect()
    }
}

/// Whether a commit holds a state.
#[must_use]
pub fn is_state(commit: &Commit) -> bool {
    commit.message == MESSAGE
}

/// What can be read of a state in a damaged repository; `None` if that is not even the notes.
#[must_use]
pub fn salvage(repo: &dyn LocalRepository, commit: ObjectId) -> Option<State> {
    let list = repo.tree(repo.commit(commit).ok()?.tree).ok()?;
    let find = |name: &[u8]| list.iter().find(|entry| entry.name == name).map(|entry| entry.id);
    let notes = parse_notes(&repo.blob(find(b"state.json")?).ok()?).ok()?;
    let mut bases = BTreeMap::new();
    for shard in find(b"base").and_then(|base| repo.tree(base).ok()).unwrap_or_default() {
        for entry in repo.tree(shard.id).unwrap_or_default() {
            if let Ok(app) = AppName::new(String::from_utf8_lossy(&entry.name).into_owned()) {
                bases.insert(app, entry.id);
            }
        }
    }
    Some(State { bases, notes })
}

/// The trees that the notes refer to, so that no maintenance takes them away.
fn trees_of_notes(notes: &Notes) -> [(&'static str, Vec<TreeEntry>); 4] {
    let entry = |app: &AppName, tree: ObjectId| tree_entry(app.as_str().as_bytes(), tree);
    [
        ("pending", notes.pending.iter().filter_map(|(app, tree)| Some(entry(app, (*tree)?))).collect()),
        ("pins", notes.pins.iter().map(|(app, pin)| entry(app, pin.tree)).collect()),
        ("merged", notes.merged.iter().map(|(app, note)| entry(app, note.tree)).collect()),
        ("withheld", notes.withheld.iter().filter_map(|(app, note)| Some(entry(app, note.git?))).collect()),
    ]
}

fn tree_entry(name: &[u8], id: ObjectId) -> TreeEntry {
    TreeEntry { name: name.to_vec(), kind: EntryKind::Tree, id }
}

/// Spreads the apps over 256 trees, so that one changed base rewrites little even among 10,000 apps.
fn shard_of(app: &AppName) -> String {
    Sha256::digest(app.as_str().as_bytes()).first().map(|byte| format!("{byte:02x}")).unwrap_or_default()
}

fn known_deeds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Deed>, D::Error> {
    let found = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(found.into_iter().filter_map(|deed| serde_json::from_value(deed).ok()).collect())
}

fn parse_notes(json: &[u8]) -> Result<Notes, Failure> {
    let notes: Notes = serde_json::from_slice(json).map_err(|error| {
        let remedy = "what can be read of it, or of an older one, is taken over by itself; check the disk";
        Failure::new(FailureClass::Damaged, format!("the state in the data folder cannot be read: {error}"), remedy)
    })?;
    if notes.version > VERSION {
        return Err(Failure::internal(format!(
            "the state in the data folder was written by a newer appferry (format {}, this one knows {VERSION})",
            notes.version
        )));
    }
    Ok(notes)
}
