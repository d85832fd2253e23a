//! Made-up histories, for the tests of those who read them.

use std::sync::Arc;

use proptest::prelude::*;

use super::{KnownCommits, Reader};
use crate::domain::{EntryKind, ObjectId, TreeEntry};
use crate::git::local::LocalRepo;
use crate::ports::{Commit, LocalRepository as _, Signature};

pub(super) const NAMES: [&str; 4] = ["App_1", "App_2", "PO App", "b"];

/// A commit: its apps' states (0 is none), how far back its parents are, and how often is asked when it is the newest.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) apps: [u8; 4],
    pub(super) parents: Vec<usize>,
    pub(super) seconds: i64,
    pub(super) asked: usize,
}

pub(super) fn made() -> impl Strategy<Value = Made> {
    let apps = prop::array::uniform4(0..3_u8);
    (apps, prop::collection::vec(1..4_usize, 1..3), 0..5_i64, 0..3_usize)
        .prop_map(|(apps, parents, seconds, asked)| Made { apps, parents, seconds, asked })
}

pub(super) struct Written {
    pub(super) id: ObjectId,
    pub(super) apps: [u8; 4],
    pub(super) parents: Vec<usize>,
}

pub(super) fn write(repo: &LocalRepo, commits: &[Made]) -> Vec<Written> {
    let mut history: Vec<Written> = Vec::new();
    for (at, made) in commits.iter().enumerate() {
        let mut parents: Vec<usize> = made.parents.iter().filter_map(|back| at.checked_sub(*back)).collect();
        parents.dedup();
        let states = NAMES.iter().zip(made.apps).filter(|(_, state)| *state > 0);
        let apps: Vec<TreeEntry> = states.map(|(name, state)| entry(repo, name, state)).collect();
        let signature =
            Signature { name: "Ada".into(), email: "ada@example.org".into(), seconds: made.seconds, offset_minutes: 0 };
        let commit = Commit {
            tree: repo.write_tree(&apps).expect("a tree"),
            parents: parents.iter().map(|at| history[*at].id).collect(),
            author: signature.clone(),
            committer: signature,
            message: format!("{at}"),
        };
        let id = repo.write_commit(&commit).expect("a commit");
        history.push(Written { id, apps: made.apps, parents });
    }
    history
}

pub(super) fn reader(repo: &Arc<LocalRepo>, known: &Arc<KnownCommits>, head: ObjectId) -> Reader {
    let repo = Arc::clone(repo);
    Reader { repo, prefix: String::new(), head: Some(head), tip: None, known: Arc::clone(known) }
}

/// An app of one file, which says its state.
fn entry(repo: &LocalRepo, name: &str, state: u8) -> TreeEntry {
    let id = repo.write_blob(&[b'0' + state]).expect("a blob");
    let file = TreeEntry { name: b"state.txt".into(), kind: EntryKind::File, id };
    let id = repo.write_tree(&[file]).expect("a tree");
    TreeEntry { name: name.into(), kind: EntryKind::Tree, id }
}

/// Commits one after the other, each of which changes the first app.
pub(super) fn line(length: u8) -> Vec<Made> {
    let made = |at: u8| Made { apps: [at % 2 + 1, 0, 0, 0], parents: vec![1], seconds: i64::from(at), asked: 0 };
    (0..length).map(made).collect()
}
