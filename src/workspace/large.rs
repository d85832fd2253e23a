//! Files over the limit: they hold their app before any of it is read into the local repository.

use crate::domain::ObjectId;
use crate::domain::input::size::FileSize;

use super::content::{self, Reading};
use super::dir::Dir;
use super::folder::AppsFolder;
use super::scan::Stop;
use super::stamp::Stamp;

/// The files that are remembered are forgotten at once when there are more than this.
const REMEMBERED: usize = 1_000;

impl AppsFolder {
    /// Refuses the first of these files whose content the repository lacks: what it has came from Git, or was allowed before,
    /// and the engine decides with the base in sight. Each state of a file is hashed once.
    pub(super) fn refuse_large(&mut self, dir: &Dir, large: &[(String, Stamp)]) -> Result<(), Stop> {
        for (path, stamp) in large {
            let id = match self.large.get(stamp) {
                Some(id) => *id,
                None => hash(dir, path, stamp)?,
            };
            if self.large.len() >= REMEMBERED {
                self.large.clear();
            }
            self.large.insert(*stamp, id);
            if !self.reader.repo().contains(id).map_err(Stop::Failed)? {
                return Err(too_large(path, stamp.size, self.settings.largest_file));
            }
        }
        Ok(())
    }
}

fn hash(dir: &Dir, path: &str, stamp: &Stamp) -> Result<ObjectId, Stop> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let read = dir.descend(folder).map_err(std::io::Error::from).and_then(|dir| content::read(&dir, name));
    match read {
        Ok(Reading::Read(id, stat)) if stat.stamp == *stamp => Ok(id),
        Ok(_) => Err(Stop::Moved),
        Err(error) => Err(Stop::Unreadable { path: path.to_owned(), reason: format!("it cannot be read ({error})") }),
    }
}

pub(super) fn too_large(path: &str, size: u64, limit: FileSize) -> Stop {
    let reason = format!(
        "the file has {}, and the limit is {limit}; make it smaller, keep it outside the app, or raise APPFERRY_MAX_FILE_SIZE",
        FileSize(size)
    );
    Stop::Unreadable { path: path.to_owned(), reason }
}
