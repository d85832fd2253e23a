//! The file of `APPFERRY_CONFIG`, followed: looked at again and again, read when it changed, refused when it is wrong.
//!
//! A look is one `stat` through all links: an editor that replaces the file and Kubernetes, which swaps a link two folders up,
//! are noticed alike.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Fleet;
use crate::config::{ConfigErrors, ConfigFile, DiskFiles, FileContent, RepositoryConfig};
use crate::daemon::tunnels::House;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A file that is refused may be right without having changed: what it names was not mounted yet. So it is read again now and then.
const READ_AGAIN_EVERY: u32 = 5;

/// Tells one state of the file from another; `None` while there is none.
type Stamp = Option<(u64, u64, u64, [i64; 4])>;

/// Follows `file` until `stop` fires. `global` is the repository of the environment, which stays.
pub(in crate::daemon) async fn follow(
    (fleet, house): (Arc<Fleet>, Arc<House>),
    file: ConfigFile,
    global: Option<RepositoryConfig>,
    stop: CancellationToken,
) {
    // It was read before this began: what changed in between is found by reading it once more.
    let (mut taken, mut seen) = (None, stamp(&file.path).await);
    let mut looks_since_refused = None;
    loop {
        let now = stamp(&file.path).await;
        let is_due = looks_since_refused.is_some_and(|looks| looks >= READ_AGAIN_EVERY);
        // A file that is being written is read when it has been quiet for a look.
        if (now != taken || is_due) && now == seen {
            taken = now;
            let is_refused = !read((&fleet, &house), &file, global.as_ref()).await;
            looks_since_refused = is_refused.then_some(0);
        }
        looks_since_refused = looks_since_refused.map(|looks| looks + 1);
        seen = now;
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
    }
}

/// Answers whether it was right.
async fn read((fleet, house): (&Fleet, &House), file: &ConfigFile, global: Option<&RepositoryConfig>) -> bool {
    let reading = file.clone();
    let content = match tokio::task::spawn_blocking(move || reading.read(&DiskFiles)).await {
        Ok(content) => content,
        Err(error) => {
            tracing::error!(%error, "reading the configuration file broke off");
            return false;
        }
    };
    match content {
        Ok(FileContent { repositories, tunnels, warnings }) => {
            house.file_holds(tunnels).await;
            let wanted: Vec<RepositoryConfig> = global.cloned().into_iter().chain(repositories).collect();
            if fleet.runs_exactly(&wanted) {
                fleet.file_is_wrong(&[]);
                return true;
            }
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!(file = %file.path.display(), repositories = wanted.len(), "the configuration file was read again");
            fleet.file_was_read();
            fleet.become_these(wanted).await;
            true
        }
        Err(ConfigErrors(errors)) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let file = file.path.display();
            if fleet.file_is_wrong(&errors) {
                tracing::warn!(%file, "the configuration file is refused, what was read before stays: {}", errors.join("; "));
            }
            false
        }
    }
}

/// Looks at the file. Elsewhere than where the repositories wait: it may lie on a disk that hangs.
async fn stamp(path: &Path) -> Stamp {
    let path = path.to_owned();
    let found = tokio::task::spawn_blocking(move || std::fs::metadata(path)).await.ok()?.ok()?;
    let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()];
    Some((found.dev(), found.ino(), found.size(), times))
}
