//! From an app's folder to a tree: first a sweep that only asks for stamps. What it did not know, `store` reads.

use std::collections::HashMap;
use std::io::ErrorKind;

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::domain::app_name::broken_component_rule;
use crate::domain::input::size::FileSize;
use crate::domain::{Failure, ObjectId};

use super::content::LARGEST_FILE;
use super::dir::{Dir, Entry};
use super::ignored::Skip;
use super::large::too_large;
use super::quiet::Fresh;
use super::record::{DirRecord, FileRecord};
use super::stamp::{Stamp, now_ns};

/// Deeper folders are refused: the deepest export seen has nine levels.
const DEEPEST: usize = 64;

/// Apps with more files are refused: the largest seen has 690.
const MOST_FILES: usize = 200_000;

/// Files that we wrote ourselves, by path: their state and their content.
pub(super) type Own = HashMap<String, (Stamp, ObjectId)>;

/// Why a look did not come to an end.
#[derive(Debug)]
pub(super) enum Stop {
    /// It changed under our eyes.
    Moved,
    /// It cannot be read as an app.
    Unreadable { path: String, reason: String },
    /// Something of ours failed.
    Failed(Failure),
}

/// What a sweep found.
pub(super) struct Swept {
    pub(super) root: DirRecord,
    pub(super) fresh: Fresh,
    /// Files over the limit that are not known yet.
    pub(super) large: Vec<(String, Stamp)>,
}

/// How to look at a folder.
#[derive(Clone, Copy)]
pub(super) struct Lens<'a> {
    /// The apps folder's: files can only be swapped within one file system.
    pub(super) device: (u32, u32),
    /// Whether the file system keeps the executable bit.
    pub(super) trusts_mode: bool,
    /// What this service has just written.
    pub(super) own: Option<&'a Own>,
    /// How young one of our own files must be to be hashed again.
    pub(super) own_racy_ns: i64,
    /// What to leave out.
    pub(super) skip: &'a Skip,
    /// Files above this are listed.
    pub(super) largest_file: FileSize,
}

/// Asks for the stamps of everything in an app's folder; contents that `known` has at the same stamps are taken from it.
pub(super) fn sweep(dir: &Dir, known: Option<&DirRecord>, lens: Lens<'_>) -> Result<Swept, Stop> {
    let (fresh, large, path) = (Fresh::default(), Vec::new(), String::new());
    let mut sweeper = Sweeper { lens, fresh, large, files: 0, path, within_ignored: false };
    let (root, _) = sweeper.folder(dir, known, 0)?;
    Ok(Swept { root, fresh: sweeper.fresh, large: sweeper.large })
}

struct Sweeper<'a> {
    lens: Lens<'a>,
    fresh: Fresh,
    large: Vec<(String, Stamp)>,
    files: usize,
    path: String,
    /// The patterns mean a folder around, in which only what Git has is looked at.
    within_ignored: bool,
}

impl Sweeper<'_> {
    /// Answers the folder and whether it is wholly as it was known.
    fn folder(&mut self, dir: &Dir, known: Option<&DirRecord>, depth: usize) -> Result<(DirRecord, bool), Stop> {
        let stat = dir.stat().map_err(|error| stopped(&self.path, error))?;
        if stat.device != self.lens.device {
            return Err(unreadable(
                &self.path,
                "another file system is mounted here; keep apps on the file system of the apps folder",
            ));
        }
        if depth > DEEPEST {
            return Err(unreadable(&self.path, format!("folders are nested more than {DEEPEST} deep; flatten them")));
        }
        let mut found = DirRecord { stamp: stat.stamp, ..DirRecord::default() };
        let mut same = true;
        for entry in dir.list().map_err(|error| stopped(&self.path, error))? {
            let name = component(&self.path, entry.name.as_slice())?.to_owned();
            let outer = self.path.len();
            if outer > 0 {
                self.path.push('/');
            }
            self.path.push_str(&name);
            if !self.is_skipped(dir, &entry, &name) {
                same &= self.entry(dir, &entry, name, known, &mut found, depth)?;
            }
            self.path.truncate(outer);
        }
        found.files.shrink_to_fit();
        found.dirs.shrink_to_fit();
        let listed_same = known.is_some_and(|known| same_names(known, &found));
        if !listed_same || known.is_some_and(|known| known.stamp != found.stamp) {
            self.fresh.note(&self.path, &found.stamp);
        }
        same &= listed_same;
        if let (true, Some(known)) = (same, known) {
            found.tree = known.tree;
        }
        Ok((found, same))
    }

    /// Asked first: an editor's lock may be a link.
    fn is_skipped(&self, dir: &Dir, entry: &Entry, name: &str) -> bool {
        let is_folder = match entry.file_type {
            FileType::Unknown => dir.stat_of(name).is_ok_and(|stat| stat.file_type() == FileType::Directory),
            known => known == FileType::Directory,
        };
        self.lens.skip.skips(&self.path, is_folder, self.within_ignored)
    }

    fn entry(
        &mut self,
        dir: &Dir,
        entry: &Entry,
        name: String,
        known: Option<&DirRecord>,
        found: &mut DirRecord,
        depth: usize,
    ) -> Result<bool, Stop> {
        if entry.file_type != FileType::Directory {
            let stat = dir.stat_of(&name).map_err(|error| stopped(&self.path, error))?;
            match stat.file_type() {
                FileType::RegularFile => return self.file(name, stat.stamp, known, found),
                FileType::Directory => {}
                other => return Err(unreadable(&self.path, not_an_app_file(other))),
            }
        }
        let child = dir.child(&name).map_err(|error| stopped(&self.path, error))?;
        let around = self.within_ignored;
        self.within_ignored |= self.lens.skip.means(&self.path, true);
        let (record, same) = self.folder(&child, known.and_then(|known| known.dir(&name)), depth + 1)?;
        self.within_ignored = around;
        found.dirs.push((name.into(), record));
        Ok(same)
    }

    fn file(
        &mut self,
        name: String,
        stamp: Stamp,
        known: Option<&DirRecord>,
        found: &mut DirRecord,
    ) -> Result<bool, Stop> {
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(unreadable(
                "",
                format!("it has more than {MOST_FILES} files; split it or remove what is not the app's"),
            ));
        }
        if stamp.size > LARGEST_FILE {
            return Err(too_large(&self.path, stamp.size, self.lens.largest_file));
        }
        let before = known.and_then(|known| known.file(&name)).filter(|file| file.stamp == stamp);
        let (id, racy) = match before {
            Some(file) => (file.id, file.racy),
            None => self.own_content(&stamp),
        };
        if stamp.size > self.lens.largest_file.0 && (racy || id == ObjectId::ZERO) {
            self.large.push((self.path.clone(), stamp));
        }
        if id == ObjectId::ZERO {
            self.fresh.note(&self.path, &stamp);
        }
        found.files.push(FileRecord { name: name.into(), stamp, id, racy });
        Ok(before.is_some_and(|file| !file.is_pending()))
    }

    fn own_content(&self, stamp: &Stamp) -> (ObjectId, bool) {
        match self.lens.own.and_then(|own| own.get(&self.path)) {
            Some((written, id)) if written.same_content(stamp) => {
                (*id, now_ns().saturating_sub(stamp.ctime_ns) < self.lens.own_racy_ns)
            }
            _ => (ObjectId::ZERO, false),
        }
    }
}

/// Both are sorted by name.
fn same_names(known: &DirRecord, found: &DirRecord) -> bool {
    known.files.len() == found.files.len()
        && known.dirs.len() == found.dirs.len()
        && known.files.iter().zip(&found.files).all(|(a, b)| a.name == b.name)
        && known.dirs.iter().zip(&found.dirs).all(|((a, _), (b, _))| a == b)
}

fn component<'a>(path: &str, raw: &'a [u8]) -> Result<&'a str, Stop> {
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let name = std::str::from_utf8(raw)
        .map_err(|_| unreadable(&within(&String::from_utf8_lossy(raw)), "its name is not UTF-8; rename it"))?;
    match broken_component_rule(name) {
        Some(rule) => {
            Err(unreadable(&within(&name.escape_debug().to_string()), format!("{rule}; rename or remove it")))
        }
        None => Ok(name),
    }
}

/// Why something that is neither file nor folder cannot be part of an app.
pub(super) fn not_an_app_file(found: FileType) -> &'static str {
    match found {
        FileType::Symlink => "it is a symbolic link; put the file itself there",
        FileType::Fifo => "it is a pipe; remove it",
        FileType::Socket => "it is a socket; remove it",
        _ => "it is a device; remove it",
    }
}

pub(super) fn unreadable(path: &str, reason: impl Into<String>) -> Stop {
    Stop::Unreadable { path: path.to_owned(), reason: reason.into() }
}

/// What an error of the disk means for the look.
pub(super) fn stopped(path: &str, errno: Errno) -> Stop {
    let error = std::io::Error::from(errno);
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::AGAIN => Stop::Moved,
        Errno::LOOP => unreadable(path, not_an_app_file(FileType::Symlink)),
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Stop::Failed(Failure::disk("reading the apps folder", &error)),
        _ if error.kind() == ErrorKind::PermissionDenied => {
            unreadable(path, "appferry may not read it; give the user that it runs as access to it")
        }
        _ => unreadable(path, format!("it cannot be read ({error}); check the file system")),
    }
}
