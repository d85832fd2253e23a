//! From an app's folder to a tree: the reading of what the sweep did not know.

use rustix::io::Errno;

use crate::domain::{EntryKind, ObjectId, TreeEntry};

use super::content::{Reader, Reading};
use super::dir::Dir;
use super::quiet::Fresh;
use super::record::{DirRecord, FileRecord};
use super::scan::{Lens, Stop, Swept, stopped, unreadable};
use super::stamp::now_ns;

/// A file that changed less than this before it was read may change again without a trace in its stamp: the grain of
/// the coarsest file system's clock.
const RACY_NS: i64 = 2_000_000_000;

/// Reads what the sweep did not know, and writes the trees. What turns out to have changed behind an unchanged stamp is
/// noted in `fresh`.
pub(super) fn store(reader: &mut Reader, dir: &Dir, swept: &mut Swept, lens: Lens<'_>) -> Result<(), Stop> {
    let Swept { root, fresh, .. } = swept;
    let mut path = String::new();
    Storer { reader, fresh, lens, path: &mut path }.folder(dir, root)
}

struct Storer<'a> {
    reader: &'a mut Reader,
    fresh: &'a mut Fresh,
    lens: Lens<'a>,
    path: &'a mut String,
}

impl Storer<'_> {
    fn folder(&mut self, dir: &Dir, record: &mut DirRecord) -> Result<(), Stop> {
        if record.tree != ObjectId::ZERO || record.is_empty() {
            return Ok(());
        }
        for file in record.files.iter_mut().filter(|file| file.is_pending()) {
            let outer = self.enter(&file.name);
            self.file(dir, file)?;
            self.path.truncate(outer);
        }
        for (name, inner) in &mut record.dirs {
            if inner.tree == ObjectId::ZERO && !inner.is_empty() {
                let outer = self.enter(name);
                let child = dir.child(name).map_err(|error| stopped(self.path, error))?;
                self.folder(&child, inner)?;
                self.path.truncate(outer);
            }
        }
        record.tree = self.reader.repo().write_tree(&entries(record, self.lens.trusts_mode)).map_err(Stop::Failed)?;
        Ok(())
    }

    fn file(&mut self, dir: &Dir, file: &mut FileRecord) -> Result<(), Stop> {
        let read_at = now_ns();
        match self.reader.store(dir, &file.name, &file.stamp).map_err(Stop::Failed)? {
            Ok(Reading::Read(id, _)) => {
                if file.id != ObjectId::ZERO && file.id != id {
                    self.fresh.note(self.path, &file.stamp);
                }
                file.id = id;
                file.racy = read_at.saturating_sub(file.stamp.ctime_ns) < RACY_NS;
                Ok(())
            }
            Ok(_) => Err(Stop::Moved),
            Err(error) => Err(match Errno::from_io_error(&error) {
                Some(errno) => stopped(self.path, errno),
                None => unreadable(self.path, format!("it cannot be read ({error})")),
            }),
        }
    }

    fn enter(&mut self, name: &str) -> usize {
        let outer = self.path.len();
        if outer > 0 {
            self.path.push('/');
        }
        self.path.push_str(name);
        outer
    }
}

fn entries(record: &DirRecord, trusts_mode: bool) -> Vec<TreeEntry> {
    let files = record.files.iter().map(|file| TreeEntry {
        name: file.name.as_bytes().to_vec(),
        kind: file.kind(trusts_mode),
        id: file.id,
    });
    let dirs = record.dirs.iter().filter(|(_, dir)| !dir.is_empty()).map(|(name, dir)| TreeEntry {
        name: name.as_bytes().to_vec(),
        kind: EntryKind::Tree,
        id: dir.tree,
    });
    files.chain(dirs).collect()
}
