//! Whether a file is a mounted secret: Docker mounts each file or the folder, Kubernetes the folder.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether the file itself, the folder, or a folder between the two is a mount of its own.
pub(super) fn is_mounted_secret(dir: &Path, file: &Path) -> bool {
    let (Ok(dir), Ok(file)) = (dir.canonicalize(), file.canonicalize()) else { return false };
    let Ok(table) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    is_within(&mount_points(&table), &dir, &file)
}

fn is_within(points: &[PathBuf], dir: &Path, file: &Path) -> bool {
    let between = file.ancestors().take_while(|path| path.starts_with(dir));
    points.iter().any(|point| point == file || point == dir || between.clone().any(|path| path == point))
}

/// The fifth field of each line (`proc_pid_mountinfo(5)`), with space, tab, newline and backslash as `\040` and the like.
fn mount_points(table: &str) -> Vec<PathBuf> {
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(|field| PathBuf::from(unescaped(field))).collect()
}

fn unescaped(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let octal = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii);
        if let (Some(byte), Some(rest)) = (octal, part.get(3..)) {
            text.push(char::from(byte));
            text.push_str(rest);
        } else {
            text.push('\\');
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:1 / / rw,relatime - ext4 /dev/root rw
30 22 0:25 / /run rw,nosuid - tmpfs tmpfs rw
31 30 0:26 / /run/secrets/swarm_key ro - tmpfs tmpfs ro
32 22 0:27 / /etc/keys\\040of\\040ours ro - tmpfs tmpfs ro";

    fn mounted(dir: &str, file: &str) -> bool {
        is_within(&mount_points(TABLE), Path::new(dir), Path::new(file))
    }

    #[test]
    fn a_mounted_file_and_what_lies_in_a_mounted_folder_are_mounted_secrets() {
        assert!(mounted("/run/secrets", "/run/secrets/swarm_key"));
        assert!(mounted("/etc/keys of ours", "/etc/keys of ours/..2026_11_24/deploy"));
    }

    #[test]
    fn a_mount_above_the_folder_does_not_count() {
        assert!(!mounted("/run/secrets", "/run/secrets/placed_by_hand"));
        assert!(!mounted("/home/jo/keys", "/home/jo/keys/deploy"));
        assert!(mounted("/", "/home/jo/keys/deploy"), "the folder is a mount");
    }

    #[test]
    fn escapes_are_taken_back() {
        assert_eq!(unescaped(r"/a\040b\134c"), r"/a b\c");
        assert_eq!(unescaped(r"/a\9"), r"/a\9");
    }
}
