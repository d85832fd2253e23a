//! An open folder. Every call names one component right beneath it and follows no link, so that nothing can lead out.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, StatxFlags, Uid};
use rustix::io::{Errno, Result};

use super::stamp::Stat;

/// An open folder.
#[derive(Debug)]
pub(super) struct Dir(OwnedFd);

/// One entry of a folder; the name is raw because the disk may hold anything.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) file_type: FileType,
}

impl Dir {
    /// Opens the folder that a person configured; only here may the path hold links.
    pub(super) fn open(path: &Path) -> Result<Self> {
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map(Self)
    }

    /// Opens a folder in this one.
    pub(super) fn child(&self, name: &str) -> Result<Self> {
        self.open_beneath(name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).map(Self)
    }

    /// Opens the folder at a path of `/`-separated components; the empty path is this folder again.
    pub(super) fn descend(&self, path: &str) -> Result<Self> {
        let mut dir = self.child(".")?;
        for component in path.split('/').filter(|component| !component.is_empty()) {
            dir = dir.child(component)?;
        }
        Ok(dir)
    }

    /// Opens a file for reading. Not blocking: what looked like a file may have become a pipe.
    pub(super) fn file(&self, name: &str) -> Result<File> {
        self.open_beneath(name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).map(File::from)
    }

    /// Makes a new file, readable by nobody else yet.
    pub(super) fn create(&self, name: &str) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.open_beneath(name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
    }

    /// `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`; where a kernel or container refuses `openat2`, `O_NOFOLLOW` says the same
    /// about a single component.
    fn open_beneath(&self, name: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        if name.contains('/') || name == ".." {
            return Err(Errno::INVAL);
        }
        let flags = flags | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.0, name, flags, mode, resolve) {
            Err(Errno::NOSYS | Errno::PERM) => {}
            other => return other,
        }
        match rustix::fs::openat(&self.0, name, flags | OFlags::NOFOLLOW, mode) {
            Err(Errno::NOTDIR) if self.stat_of(name)?.file_type() == FileType::Symlink => Err(Errno::LOOP),
            other => other,
        }
    }

    /// Everything in this folder, sorted by name.
    pub(super) fn list(&self) -> Result<Vec<Entry>> {
        rustix::fs::seek(&self.0, SeekFrom::Start(0))?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 16 * 1024];
        let mut raw = RawDir::new(&self.0, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = raw.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(Entry { name: name.to_vec(), file_type: entry.file_type() });
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// What this folder is.
    pub(super) fn stat(&self) -> Result<Stat> {
        stat_fd(&self.0)
    }

    /// What `name` is, without following it.
    pub(super) fn stat_of(&self, name: &str) -> Result<Stat> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        rustix::fs::statx(&self.0, name, flags, StatxFlags::BASIC_STATS).map(|raw| Stat::from_statx(&raw))
    }

    /// Makes a folder.
    pub(super) fn make_dir(&self, name: &str, mode: u32) -> Result<()> {
        rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(mode))
    }

    /// Unlinks a file.
    pub(super) fn remove_file(&self, name: &str) -> Result<()> {
        rustix::fs::unlinkat(&self.0, name, AtFlags::empty())
    }

    /// Removes a folder, if it is empty.
    pub(super) fn remove_dir(&self, name: &str) -> Result<()> {
        rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)
    }

    /// Makes renames and new names in this folder durable.
    pub(super) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.0)
    }

    /// Makes the whole file system durable: cheaper than many single files.
    pub(super) fn sync_file_system(&self) -> Result<()> {
        rustix::fs::syncfs(&self.0)
    }

    /// Sets this folder's mode and owner, the latter where permitted.
    pub(super) fn adopt(&self, mode: u32, owner: (u32, u32)) -> Result<()> {
        own(&self.0, owner);
        rustix::fs::fchmod(&self.0, Mode::from_raw_mode(mode))
    }

    /// The descriptor, for renames.
    pub(super) const fn fd(&self) -> &OwnedFd {
        &self.0
    }
}

/// What an open file or folder is.
pub(super) fn stat_fd(fd: impl std::os::fd::AsFd) -> Result<Stat> {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, mask).map(|raw| Stat::from_statx(&raw))
}

/// Sets an open file's mode and owner, the latter where permitted.
pub(super) fn adopt_file(file: &File, mode: u32, owner: (u32, u32)) -> Result<()> {
    own(file, owner);
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
}

/// Owner and group if we may, else the group alone, else nothing: a shared volume may belong to somebody else.
fn own(fd: impl std::os::fd::AsFd, (uid, gid): (u32, u32)) {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    if rustix::fs::fchown(fd.as_fd(), Some(uid), Some(gid)).is_err() {
        let _ = rustix::fs::fchown(fd.as_fd(), None, Some(gid));
    }
}
