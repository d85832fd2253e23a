//! File systems that other machines change without inotify hearing of it.

use std::path::Path;

/// The kind of network (or user space) file system that `path` lies on; `None` for a local one, or if it cannot be asked.
///
/// Blocks as long as the file system does.
#[must_use]
pub fn network_file_system(path: &Path) -> Option<&'static str> {
    let found = rustix::fs::statfs(path).ok()?.f_type;
    u32::try_from(found & 0xffff_ffff).ok().and_then(kind)
}

/// The numbers are those of `linux/magic.h` and statfs(2).
const fn kind(magic: u32) -> Option<&'static str> {
    match magic {
        0x0000_6969 => Some("NFS"),
        0x0000_517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x0102_1997 => Some("9p"),
        0x6573_5546 => Some("FUSE or virtiofs"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x0bd0_0bd0 => Some("Lustre"),
        0x786f_4256 => Some("a VirtualBox share"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_folder_is_not_on_the_network() {
        assert_eq!(network_file_system(&std::env::temp_dir()), None);
        assert_eq!(kind(0x6969), Some("NFS"));
        assert_eq!(kind(0xef53), None, "ext4");
    }
}
