//! What the engine must remember: one commit under one ref, so that it moves from one consistent state to the next at once.
//!
//! The commit's tree holds `base/<two hex digits>/<app>` (the bases), `pending/<app>` (the snapshots that unpushed commits were made
//! from), `sent/<app>`, `pins/<app>`, `merged/<app>` and `withheld/<app>` (what the notes of these names mean) and `state.json`; its
//! parents are the remote's tip, the head of the unpushed commits, and what was sent of them. So all of it is pinned.

mod notes;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::domain::{AppName, EntryKind, Failure, ObjectId, TreeEntry};
use crate::ports::{Commit, LocalRepository, RefEdit, Signature};

use super::trees::entries;
use notes::{VERSION, parse_notes};

pub use notes::{ConflictNote, MergedNote, Notes, Pin, Proposal, Proposed, Sent, Withheld, Wording};

/// The one ref.
pub const STATE_REF: &str = "refs/appferry/state";
const MESSAGE: &str = "State of appferry; not part of the history\n";

/// The memory of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// For each app the last snapshot of the disk whose content the remote contains.
    pub bases: BTreeMap<AppName, ObjectId>,
    /// What is not a tree.
    pub notes: Notes,
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

    /// Whether the state that the next start finds knows of all renames that came from Git.
    #[must_use]
    pub fn knows_renames(&self, notes: &Notes) -> bool {
        let saved = self.saved.as_ref().map(|state| &state.notes.renamed_there);
        notes.renamed_there.iter().all(|(old, new)| saved.and_then(|saved| saved.get(old)) == Some(new))
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
        let sent = state.notes.sent.as_ref().map(|sent| sent.head);
        let mut parents: Vec<ObjectId> = Vec::new();
        for parent in state.notes.tip.into_iter().chain(state.notes.head).chain(sent) {
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
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
fn trees_of_notes(notes: &Notes) -> [(&'static str, Vec<TreeEntry>); 5] {
    let entry = |app: &AppName, tree: ObjectId| tree_entry(app.as_str().as_bytes(), tree);
    let snapshots = |of: &BTreeMap<AppName, Option<ObjectId>>| {
        of.iter().filter_map(|(app, tree)| Some(entry(app, (*tree)?))).collect::<Vec<_>>()
    };
    [
        ("pending", snapshots(&notes.pending)),
        ("sent", notes.sent.as_ref().map(|sent| snapshots(&sent.pending)).unwrap_or_default()),
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
