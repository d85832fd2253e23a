//! The notes: the part of the state that is stored as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, Author, Failure, FailureClass, ObjectId};
use crate::sync::engine::done::Deed;

/// The format that this version writes.
pub(super) const VERSION: u32 = 1;

/// The part of the state that is stored as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    pub(super) version: u32,
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
    /// What the last push sent, as long as it is not known what became of it.
    pub sent: Option<Sent>,
    /// For each app the id of the last install whose state is noted as the base: its journal may outlast the note.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub brought: BTreeMap<AppName, String>,
    /// Apps whose two sides clash.
    pub conflicts: BTreeMap<AppName, ConflictNote>,
    /// Renames that came from Git, old name to new, until the app is here under the new name only: its removal counts as none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub renamed_there: BTreeMap<AppName, AppName>,
    /// When apps were deleted lately, in seconds since the Unix epoch: here, and at the remote.
    pub deletions_here: Vec<i64>,
    /// See `deletions_here`.
    pub deletions_remote: Vec<i64>,
    /// Apps whose removal was held, until they are back or a person confirmed it.
    pub held: BTreeSet<AppName>,
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

/// What a push sends of the followed branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The newest commit of it.
    pub head: ObjectId,
    /// As [`Notes::pending`] was then.
    pub pending: BTreeMap<AppName, Option<ObjectId>>,
    /// As [`Notes::renamed`] was then.
    pub renamed: BTreeMap<AppName, AppName>,
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

fn known_deeds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Deed>, D::Error> {
    let found = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(found.into_iter().filter_map(|deed| serde_json::from_value(deed).ok()).collect())
}

/// Reads notes.
///
/// # Errors
/// Damaged; internal if a newer version wrote them.
pub(super) fn parse_notes(json: &[u8]) -> Result<Notes, Failure> {
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
