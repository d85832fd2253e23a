//! What identifies a state of a file without reading it.

use rustix::fs::{FileType, Statx, StatxFlags, StatxTimestamp};

/// Size, times, inode and mode: while these stay, the content does, unless it changed within the clock's grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) inode: u64,
    pub(super) mode: u32,
}

/// What `statx` tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) stamp: Stamp,
    /// Owner and group.
    pub(super) owner: (u32, u32),
    /// Device, major and minor.
    pub(super) device: (u32, u32),
    /// Which mount it was reached through, where the kernel tells.
    pub(super) mount: Option<u64>,
}

impl Stat {
    pub(super) fn from_statx(raw: &Statx) -> Self {
        Self {
            stamp: Stamp {
                size: raw.stx_size,
                mtime_ns: nanoseconds(&raw.stx_mtime),
                ctime_ns: nanoseconds(&raw.stx_ctime),
                inode: raw.stx_ino,
                mode: u32::from(raw.stx_mode),
            },
            owner: (raw.stx_uid, raw.stx_gid),
            device: (raw.stx_dev_major, raw.stx_dev_minor),
            mount: (raw.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(raw.stx_mnt_id),
        }
    }

    pub(super) fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.stamp.mode)
    }
}

impl Stamp {
    /// Whether the owner may execute it: all that Git keeps of a mode.
    pub(super) const fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// When it last changed, as far as the file system tells. A modification time in the future was set by somebody
    /// (an unpacked archive, say); the change time then says when.
    pub(super) fn changed_ns(&self, now_ns: i64) -> i64 {
        if self.mtime_ns <= now_ns { self.mtime_ns.max(self.ctime_ns) } else { self.ctime_ns }
    }

    /// Whether it is the same inode with the same content, whatever renames did to its change time.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        (self.size, self.mtime_ns, self.inode) == (other.size, other.mtime_ns, other.inode)
    }
}

/// Nanoseconds since the Unix epoch of the clock on the wall.
pub(super) fn now_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn nanoseconds(time: &StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modification_time_in_the_future_does_not_count() {
        let stamp = Stamp { mtime_ns: 900, ctime_ns: 50, ..Stamp::default() };
        assert_eq!(stamp.changed_ns(100), 50);
        assert_eq!(Stamp { mtime_ns: 90, ..stamp }.changed_ns(100), 90);
    }
}
