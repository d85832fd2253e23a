//! One small file, read as it is now.

use std::fmt::Write as _;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::ports::Stamp;

/// The largest file that may be a key.
pub(super) const MAX_LEN: u64 = 64 * 1024;

/// A file that changed less than this ago may change again within the same tick of the file system's clock.
const GRAIN: Duration = Duration::from_secs(2);

/// What is at a path. Links are followed: Kubernetes mounts secrets through two of them.
pub(super) enum Sight {
    /// Nothing.
    Absent,
    /// A folder, socket, pipe or device.
    Other,
    /// A file larger than [`MAX_LEN`].
    TooLong,
    /// A file.
    File(Snapshot),
}

/// A file's content, and what it was read from.
pub(super) struct Snapshot {
    pub(super) content: Zeroizing<Vec<u8>>,
    pub(super) mode: u32,
    /// The user it belongs to.
    pub(super) owner: u32,
    /// Nobody wrote to it while it was read.
    pub(super) steady: bool,
}

/// Reads the whole file. Blocks.
pub(super) fn read(path: &Path) -> io::Result<Sight> {
    read_up_to(path, MAX_LEN)
}

/// Reads at most `most` bytes of the file. Blocks.
pub(super) fn read_up_to(path: &Path, most: u64) -> io::Result<Sight> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Ok(Sight::Other),
        Ok(_) => {}
        // A link to nothing is there, but cannot be read.
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(Sight::Absent);
        }
        Err(error) => return Err(error),
    }
    // Not blocking: a pipe may have taken the file's place since.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Sight::Other);
    }
    if metadata.len() > MAX_LEN {
        return Ok(Sight::TooLong);
    }
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(2 * MAX_LEN).unwrap_or_default()));
    file.by_ref().take(most).read_to_end(&mut content)?;
    let whole = content.len() as u64 == metadata.len().min(most);
    let steady = whole && identity(&file.metadata()?) == identity(&metadata);
    Ok(Sight::File(Snapshot { content, mode: metadata.mode() & 0o7777, owner: metadata.uid(), steady }))
}

/// Changes when one of the files may have changed; `None` if the key is not there, or a file is too young to tell. Blocks.
pub(super) fn stamp(key: &Path, beside: &Path) -> Option<Stamp> {
    let is_young = |path| fs::metadata(path).is_ok_and(|metadata| changed_just_now(&metadata));
    let state = state(key, beside)?;
    (!is_young(key) && !is_young(beside)).then(|| Stamp::new(state))
}

/// What both files are like now; `None` if the key is not there, or one cannot be asked. Blocks.
pub(super) fn state(key: &Path, beside: &Path) -> Option<String> {
    let mut state = format!("{:?}", identity(&fs::metadata(key).ok()?));
    match fs::metadata(beside) {
        Ok(metadata) => {
            let _infallible = write!(state, " {:?}", identity(&metadata));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => return None,
    }
    Some(state)
}

/// Device, inode, size, times of content and inode in nanoseconds.
fn identity(metadata: &Metadata) -> (u64, u64, u64, (i64, i64), (i64, i64)) {
    let content = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.dev(), metadata.ino(), metadata.size(), content, (metadata.ctime(), metadata.ctime_nsec()))
}

fn changed_just_now(metadata: &Metadata) -> bool {
    let (seconds, nanoseconds) = (u64::try_from(metadata.ctime()), u32::try_from(metadata.ctime_nsec()));
    let (Ok(seconds), Ok(nanoseconds)) = (seconds, nanoseconds) else { return true };
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    // Where the clock went back, nothing is known.
    !SystemTime::now().duration_since(changed).is_ok_and(|age| age >= GRAIN)
}
