//! A disk that is soon full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{run, skip};

/// A small file system of its own, unmounted when this is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one of that size over a folder; `None` where that is not allowed.
    pub fn over(folder: &Path, size: &str) -> Option<Self> {
        let at = folder.display().to_string();
        let mounted = run("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", &at], Path::new("/"), b"");
        if mounted.status.success() {
            return Some(Self(folder.to_owned()));
        }
        skip("mounting a small file system needs root");
        None
    }

    /// Gives it another size.
    pub fn resize(&self, size: &str) {
        let at = self.0.display().to_string();
        let done = run("mount", &["-o", &format!("remount,size={size}"), &at], Path::new("/"), b"");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Fills what is free, to the last page.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).expect("make the filler");
        for chunk in [1 << 20, 1 << 16, 1 << 12] {
            while file.write_all(&vec![b'x'; chunk]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
