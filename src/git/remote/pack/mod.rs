//! Packs for pushing: which objects, and how they are written.
//!
//! Reading and deflating block, so a pack is made on a blocking thread and arrives in pieces through a bounded channel;
//! memory stays flat whatever its size.

mod collect;
mod delta;
mod packed;
mod write;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::ours;
use crate::domain::{Failure, ObjectId};

/// The size of a piece, in bytes: one SSH packet's worth (RFC 4253 section 6.1) costs the least copying.
const PIECE: usize = 32 * 1024;
/// Pieces under way.
const QUEUE: usize = 16;

/// Which objects a pack shall hold: those that `new` reaches and `there` does not.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The repository, bare or not.
    pub(crate) repository: PathBuf,
    /// Commits or tags to send.
    pub(crate) new: Vec<ObjectId>,
    /// Commits that the other side has; those that are not here are ignored.
    pub(crate) there: Vec<ObjectId>,
    /// Commits that the other side has whole, said it has just now, and takes what changed of; none where it takes only
    /// whole objects.
    pub(crate) bases: Vec<ObjectId>,
    /// Whether deltas may be searched when there are many objects, which sets a key in the repository's configuration.
    pub(crate) deltas: bool,
}

/// A pack in pieces; after an error nothing more comes.
pub(crate) type Pieces = mpsc::Receiver<Result<Bytes, Failure>>;

/// Starts making the pack on a blocking thread, which ends early when the pieces are dropped.
pub(crate) fn stream(plan: Plan) -> Pieces {
    let (sender, pieces) = mpsc::channel(QUEUE);
    tokio::task::spawn_blocking(move || {
        let mut sink = PieceSink { sender: sender.clone(), buffer: Vec::with_capacity(PIECE) };
        let made = write_to(&plan, &mut sink).and_then(|()| sink.flush().map_err(|_| abandoned()));
        if let Err(failure) = made {
            // Nobody listens any more: then nobody wants to know either.
            let _ = sender.blocking_send(Err(failure));
        }
    });
    pieces
}

/// Writes the pack to `sink`. Blocks.
///
/// # Errors
/// The repository cannot be read, or `sink` takes no more.
pub(crate) fn write_to(plan: &Plan, sink: &mut dyn Write) -> Result<(), Failure> {
    let repository = open(&plan.repository)?;
    let objects = collect::objects(&repository, &plan.new, &plan.there, &plan.bases)
        .map_err(|error| ours("looking for the objects to push", &error))?;
    write::pack(&repository, &objects, plan.deltas, sink)
}

fn open(path: &Path) -> Result<git2::Repository, Failure> {
    git2::Repository::open(path).map_err(|error| ours("opening the local repository", &error))
}

fn abandoned() -> Failure {
    Failure::internal("a pack was given up while it was made")
}

/// Cuts what is written into pieces.
struct PieceSink {
    sender: mpsc::Sender<Result<Bytes, Failure>>,
    buffer: Vec<u8>,
}

impl Write for PieceSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use git2::{Oid, Repository};
    use proptest::prelude::*;

    use super::super::oid;
    use super::*;

    fn bare(place: &Path) -> Repository {
        Repository::init_bare(place).unwrap()
    }

    /// `App/<60 apps>/<a file>`, each file as its number says.
    fn tree(repository: &Repository, contents: &[u8]) -> Oid {
        let mut apps = repository.treebuilder(None).unwrap();
        for (number, content) in contents.iter().enumerate() {
            let text = format!("{}{content}{}", "begin\n".repeat(200), "end\n".repeat(200));
            let mut app = repository.treebuilder(None).unwrap();
            app.insert("app.json", repository.blob(text.as_bytes()).unwrap(), 0o100_644).unwrap();
            apps.insert(format!("app{number:02}"), app.write().unwrap(), 0o040_000).unwrap();
        }
        let mut root = repository.treebuilder(None).unwrap();
        root.insert("App", apps.write().unwrap(), 0o040_000).unwrap();
        root.write().unwrap()
    }

    fn commit(repository: &Repository, contents: &[u8], parents: &[Oid]) -> Oid {
        let who = git2::Signature::new("a", "a@b", &git2::Time::new(0, 0)).unwrap();
        let parents: Vec<_> = parents.iter().map(|id| repository.find_commit(*id).unwrap()).collect();
        let tree = repository.find_tree(tree(repository, contents)).unwrap();
        let message = format!("{contents:?} {}", parents.len());
        repository.commit(None, &who, &who, &message, &tree, &parents.iter().collect::<Vec<_>>()).unwrap()
    }

    fn plan(repository: &Repository, new: Oid, there: &[Oid], bases: &[Oid]) -> Plan {
        let ids = |ids: &[Oid]| ids.iter().map(|id| oid::from_git(*id)).collect();
        Plan {
            repository: repository.path().to_owned(),
            new: ids(&[new]),
            there: ids(there),
            bases: ids(bases),
            deltas: false,
        }
    }

    fn written(plan: &Plan) -> Vec<u8> {
        let mut pack = Vec::new();
        write_to(plan, &mut pack).unwrap();
        pack
    }

    /// What a server does with a pack that may lack what it has.
    fn take(server: &Repository, pack: &[u8]) {
        let odb = server.odb().unwrap();
        let mut indexer = git2::Indexer::new(Some(&odb), &server.path().join("objects/pack"), 0o600, false).unwrap();
        indexer.write_all(pack).unwrap();
        indexer.commit().unwrap();
        server.odb().unwrap().refresh().unwrap();
    }

    fn reachable(repository: &Repository, from: Oid) -> HashSet<Oid> {
        let (mut waiting, mut seen) = (vec![from], HashSet::new());
        while let Some(id) = waiting.pop() {
            if seen.insert(id) {
                let object = repository.find_object(id, None).unwrap();
                waiting.extend(object.as_commit().into_iter().flat_map(|it| it.parent_ids().chain([it.tree_id()])));
                waiting.extend(
                    object.as_tree().into_iter().flat_map(|it| it.iter().map(|entry| entry.id()).collect::<Vec<_>>()),
                );
            }
        }
        seen
    }

    #[test]
    fn one_save_among_many_apps_is_a_small_pack() {
        let place = tempfile::tempdir().unwrap();
        let here = bare(place.path());
        let mut contents: [u8; 60] = std::array::from_fn(|number| u8::try_from(number).unwrap());
        let first = commit(&here, &contents, &[]);
        contents[7] = 99;
        let second = commit(&here, &contents, &[first]);
        let whole = written(&plan(&here, second, &[first], &[])).len();
        let changes = written(&plan(&here, second, &[first], &[first])).len();
        assert!(changes * 3 < whole, "{whole} {changes}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Contents come back to what they were, and branches are merged.
        #[test]
        fn a_server_that_has_the_bases_gets_everything(
            history in prop::collection::vec(
                (prop::collection::vec((0_usize..60, 0_u8..3), 1..4), prop::collection::vec(any::<prop::sample::Index>(), 0..2)), 2..30),
            known in any::<prop::sample::Index>(),
        ) {
            let (here_at, there_at) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let (here, there) = (bare(here_at.path()), bare(there_at.path()));
            let mut contents = [0_u8; 60];
            let mut commits: Vec<Oid> = Vec::new();
            for (changes, parents) in &history {
                for (app, content) in changes {
                    contents[*app] = *content;
                }
                let mut ids: Vec<Oid> = commits.last().copied().into_iter().collect();
                ids.extend(parents.iter().filter(|_| !commits.is_empty()).map(|it| *it.get(&commits)));
                ids.dedup();
                commits.push(commit(&here, &contents, &ids));
            }
            let known = *known.get(&commits);
            take(&there, &written(&plan(&here, known, &[], &[])));
            let newest = *commits.last().unwrap();
            let pack = written(&plan(&here, newest, &[known], &[known]));
            if newest != known {
                take(&there, &pack);
            }
            for id in reachable(&here, newest) {
                let (ours, theirs) = (here.odb().unwrap(), there.odb().unwrap());
                let (ours, theirs) = (ours.read(id).unwrap(), theirs.read(id).unwrap());
                prop_assert!(ours.data() == theirs.data());
            }
        }
    }
}
