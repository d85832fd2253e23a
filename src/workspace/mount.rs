//! Is it still the same folder? An unmounted volume must not look like an app builder who deleted everything.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::domain::Failure;

use super::dir::Dir;
use super::stamp::Stat;

/// Our own folder in the apps folder: hidden, and on the same file system.
pub(super) const OURS: &str = ".appferry";

/// In [`OURS`]: a random text by which a volume that was mounted anew, under another device number, is known again.
const MARKER: &str = "volume-id";

/// The apps folder as it was found first.
pub(super) struct Mount {
    path: PathBuf,
    seen: Option<Seen>,
}

struct Seen {
    stat: Stat,
    marker: Option<String>,
}

impl Mount {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder, or says why it must not be believed.
    ///
    /// # Errors
    /// [`crate::domain::FailureClass::Disk`]: it is there but cannot be opened.
    pub(super) fn look(&mut self) -> Result<Result<Dir, String>, Failure> {
        let shown = self.path.display();
        let (dir, stat) = match Dir::open(&self.path).and_then(|dir| dir.stat().map(|stat| (dir, stat))) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                return Ok(Err(format!("the apps folder {shown} is missing; mount or create it")));
            }
            Err(errno @ (Errno::STALE | Errno::NOTCONN | Errno::HOSTDOWN)) => {
                return Ok(Err(format!("the apps folder {shown} does not answer ({errno}); mount it again")));
            }
            Err(errno) => return Err(Failure::disk(format!("opening the apps folder {shown}"), &errno.into())),
        };
        let marker = read_marker(&dir);
        if let Some(seen) = &self.seen {
            let same_place = seen.stat.device == stat.device
                && (seen.stat.stamp.inode == stat.stamp.inode || seen.stat.mount == stat.mount);
            if !same_place && (marker.is_none() || seen.marker != marker) {
                return Ok(Err(format!(
                    "another file system than before is (or was) mounted at the apps folder {shown}; mount the volume again, or restart appferry to accept what is there now"
                )));
            }
        }
        let marker = marker.or_else(|| write_marker(&dir));
        self.seen = Some(Seen { stat, marker });
        Ok(Ok(dir))
    }
}

/// Opens our own folder, making it if need be.
pub(super) fn our_folder(root: &Dir) -> rustix::io::Result<Dir> {
    match root.make_dir(OURS, 0o700) {
        Ok(()) | Err(Errno::EXIST) => root.child(OURS),
        Err(errno) => Err(errno),
    }
}

fn read_marker(root: &Dir) -> Option<String> {
    let mut text = String::new();
    root.child(OURS).ok()?.file(MARKER).ok()?.take(64).read_to_string(&mut text).ok()?;
    (!text.is_empty()).then_some(text)
}

/// A read-only folder has none, and is then known by its device alone.
fn write_marker(root: &Dir) -> Option<String> {
    let text = format!("{:032x}", rand::random::<u128>());
    let ours = our_folder(root).ok()?;
    let _ = ours.remove_file(MARKER); // only ever an empty one: the disk was full
    ours.create(MARKER).ok()?.write_all(text.as_bytes()).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_made_anew_on_the_same_file_system_is_taken() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("apps");
        let mut mount = Mount::new(path.clone());
        assert!(mount.look().unwrap().is_err());
        std::fs::create_dir(&path).unwrap();
        let first = mount.look().unwrap().unwrap().stat().unwrap();
        std::fs::rename(&path, outer.path().join("old")).unwrap();
        assert!(mount.look().unwrap().is_err());
        std::fs::create_dir(&path).unwrap();
        let second = mount.look().unwrap().unwrap().stat().unwrap();
        assert_ne!(first.stamp.inode, second.stamp.inode);
    }
}
