//! Renames that never overwrite what they were not told about.

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::{Errno, Result};

use super::dir::Dir;
use super::stamp::Stamp;

/// A name in an open folder.
#[derive(Clone, Copy)]
pub(super) struct At<'a>(pub(super) &'a Dir, pub(super) &'a str);

/// How a file was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swapped {
    /// The two changed places: what was live now is in the staging folder, and can be looked at.
    Exchanged,
    /// The file system cannot exchange: it was overwritten, right after it was seen to be unchanged.
    Overwritten,
    /// It is not there any more, or (where it cannot be exchanged) changed.
    Moved,
}

/// The renames of one file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renames {
    /// Whether to try `RENAME_EXCHANGE` and `RENAME_NOREPLACE` at all.
    pub(super) with_flags: bool,
}

impl Renames {
    /// Puts the staged file in the place of the live one, which was last seen in the state `seen`.
    pub(super) fn exchange(self, staged: At<'_>, live: At<'_>, seen: &Stamp) -> Result<Swapped> {
        match self.with(staged, live, RenameFlags::EXCHANGE) {
            Some(Ok(())) => return Ok(Swapped::Exchanged),
            Some(Err(Errno::NOENT | Errno::NOTDIR)) => return Ok(Swapped::Moved),
            Some(Err(errno)) => return Err(errno),
            None => {}
        }
        match live.0.stat_of(live.1) {
            Ok(stat) if stat.stamp == *seen => rename(staged, live).map(|()| Swapped::Overwritten),
            Ok(_) | Err(Errno::NOENT) => Ok(Swapped::Moved),
            Err(errno) => Err(errno),
        }
    }

    /// Moves to a name that must be free; `false` if it is not.
    pub(super) fn place(self, from: At<'_>, to: At<'_>) -> Result<bool> {
        match self.with(from, to, RenameFlags::NOREPLACE) {
            Some(Ok(())) => return Ok(true),
            Some(Err(Errno::EXIST)) => return Ok(false),
            Some(Err(errno)) => return Err(errno),
            None => {}
        }
        match rustix::fs::linkat(from.0.fd(), from.1, to.0.fd(), to.1, AtFlags::empty()) {
            Ok(()) => return from.0.remove_file(from.1).map(|()| true),
            Err(Errno::EXIST) => return Ok(false),
            Err(_) => {} // no hard links either
        }
        match to.0.stat_of(to.1) {
            Ok(_) => Ok(false),
            Err(Errno::NOENT) => rename(from, to).map(|()| true),
            Err(errno) => Err(errno),
        }
    }

    /// `None` if kernel or file system do not know the flags (rename(2): `EINVAL`; before Linux 3.15: `ENOSYS`).
    fn with(self, from: At<'_>, to: At<'_>, flags: RenameFlags) -> Option<Result<()>> {
        if !self.with_flags {
            return None;
        }
        match rustix::fs::renameat_with(from.0.fd(), from.1, to.0.fd(), to.1, flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => None,
            other => Some(other),
        }
    }
}

/// Moves to a name, and overwrites what is there.
pub(super) fn rename(from: At<'_>, to: At<'_>) -> Result<()> {
    rustix::fs::renameat(from.0.fd(), from.1, to.0.fd(), to.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_or_without_flags_nothing_unknown_is_overwritten() {
        for with_flags in [true, false] {
            let renames = Renames { with_flags };
            let folder = tempfile::tempdir().unwrap();
            let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
            let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
            let dir = Dir::open(folder.path()).unwrap();
            write("live", "old");
            write("staged", "new");
            let seen = dir.stat_of("live").unwrap().stamp;
            assert!(!renames.place(At(&dir, "staged"), At(&dir, "live")).unwrap());
            assert_eq!(read("live"), "old");
            let swapped = renames.exchange(At(&dir, "staged"), At(&dir, "live"), &seen).unwrap();
            assert_eq!(swapped, if with_flags { Swapped::Exchanged } else { Swapped::Overwritten });
            assert_eq!(read("live"), "new");
            assert!(renames.place(At(&dir, "live"), At(&dir, "free")).unwrap());
            assert_eq!(read("free"), "new");
            write("staged", "newer");
            let gone = renames.exchange(At(&dir, "staged"), At(&dir, "nowhere"), &seen).unwrap();
            assert_eq!(gone, Swapped::Moved);
            if !with_flags {
                let changed = renames.exchange(At(&dir, "staged"), At(&dir, "free"), &seen).unwrap();
                assert_eq!(changed, Swapped::Moved);
                assert_eq!(read("free"), "new");
            }
        }
    }
}
