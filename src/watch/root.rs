//! One apps folder under watch, wherever the thread is that looks after it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::hints::Pending;
use super::inotify::Inotify;
use super::{POLL, WatchMode};
use crate::domain::AppName;
use crate::workspace::network_file_system;

/// How often putting it under watch is tried again after it failed.
const RETRY: Duration = Duration::from_mins(1);

/// What is heard of a folder from other threads.
pub(super) struct Heard {
    pub(super) root: PathBuf,
    pub(super) pending: Arc<Pending>,
    /// A limit was met: then some folders are not watched, and none may be relied on.
    broken: Mutex<Option<String>>,
    stopped: AtomicBool,
}

/// The folder, and what became of watching it.
pub(super) struct Root {
    pub(super) heard: Arc<Heard>,
    /// The way back to the thread of all, from one of its own.
    pub(super) all: Weak<Sender<Root>>,
    mode: watch::Sender<WatchMode>,
    /// What was looked at last.
    found: Option<Found>,
    is_watched: bool,
    tried: Instant,
}

impl Heard {
    pub(super) fn changed(&self, path: &Path) {
        if let Some(app) = app_of(&self.root, path) {
            self.pending.app(app);
        }
    }

    pub(super) fn broke(&self, reason: String) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

impl Root {
    pub(super) fn new(
        root: PathBuf,
        pending: Arc<Pending>,
        mode: watch::Sender<WatchMode>,
        all: Weak<Sender<Self>>,
    ) -> Self {
        // Events carry the path that was watched: it must be the one that is compared with.
        let root = std::path::absolute(&root).unwrap_or(root);
        let heard = Heard { root, pending, broken: Mutex::default(), stopped: AtomicBool::new(false) };
        Self { heard: Arc::new(heard), all, mode, found: None, is_watched: false, tried: Instant::now() }
    }

    /// Where changes by others go unreported, and a look may take as long as a network does.
    pub(super) fn network(&self) -> Option<&'static str> {
        network_file_system(&self.heard.root)
    }

    /// One look at the folder itself: puts it under watch, and again when it was replaced.
    pub(super) fn look(&mut self, inotify: &mut Inotify) -> Looked {
        let found = Found::at(&self.heard.root);
        let retry = !self.is_watched && self.tried.elapsed() >= RETRY;
        let before = std::mem::replace(&mut self.found, found);
        if !Found::is_same_folder(before, found) || (retry && found.is_some()) {
            if found.is_some() && self.network().is_some() {
                self.leave(inotify);
                self.found = before; // new to the thread that takes it over
                return Looked::OnNetwork;
            }
            self.leave(inotify);
            self.tried = Instant::now();
            self.watch_anew(found.is_some(), inotify);
            self.heard.pending.everything();
        } else if before != found {
            self.heard.pending.everything(); // it may not be ours to read any more, or be so again
        }
        let broken = self.heard.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reason) = broken.filter(|_| self.is_watched) {
            self.leave(inotify);
            self.tried = Instant::now();
            self.tell(WatchMode::Polling { reason, every: POLL });
            self.heard.pending.everything();
        }
        Looked::Here
    }

    /// As [`look`](Self::look), where inotify cannot help.
    pub(super) fn look_without_watch(&mut self) -> Looked {
        let found = Found::at(&self.heard.root);
        if found.is_some() && Found::is_same_folder(self.found, found) {
            return Looked::OnNetwork;
        }
        self.found = None;
        let Some(kind) = found.and_then(|_| self.network()) else { return Looked::Here };
        self.found = found;
        let reason = format!("the apps folder is on {kind}, where changes by others go unreported");
        self.tell(WatchMode::Polling { reason, every: POLL });
        self.heard.pending.everything();
        Looked::OnNetwork
    }

    pub(super) fn leave(&mut self, inotify: &mut Inotify) {
        if std::mem::take(&mut self.is_watched) {
            inotify.unwatch(&self.heard);
        }
    }

    fn watch_anew(&mut self, is_there: bool, inotify: &mut Inotify) {
        let begun = if is_there {
            inotify.watch(&self.heard)
        } else {
            Err(format!("{} is missing", self.heard.root.display()))
        };
        self.is_watched = begun.is_ok();
        self.tell(match begun {
            Ok(()) => WatchMode::Inotify,
            Err(reason) => WatchMode::Polling { reason, every: POLL },
        });
    }

    fn tell(&self, mode: WatchMode) {
        let folder = self.heard.root.display();
        match &mode {
            WatchMode::Inotify => tracing::debug!(%folder, "watching the apps folder by inotify"),
            WatchMode::Polling { reason, every } => {
                tracing::info!(%folder, %reason, every_s = every.as_secs(), "scanning the apps folder instead of watching it");
            }
        }
        self.mode.send_replace(mode);
    }
}

/// Which thread is to look after the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// The one of all that are on this machine.
    Here,
    /// One of its own.
    OnNetwork,
}

/// A folder, as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    device: u64,
    inode: u64,
    /// Who may do what: mode, owner and group.
    access: (u32, u32, u32),
}

impl Found {
    /// `None` if it is not a folder.
    fn at(root: &Path) -> Option<Self> {
        let found = std::fs::metadata(root).ok().filter(std::fs::Metadata::is_dir)?;
        Some(Self { device: found.dev(), inode: found.ino(), access: (found.mode(), found.uid(), found.gid()) })
    }

    fn is_same_folder(before: Option<Self>, now: Option<Self>) -> bool {
        let identity = |found: Self| (found.device, found.inode);
        before.map(identity) == now.map(identity)
    }
}

/// The app that a path lies in; `None` for what is hidden, ours among it.
fn app_of(root: &Path, path: &Path) -> Option<AppName> {
    let first = path.strip_prefix(root).ok()?.components().next()?;
    AppName::new(first.as_os_str().to_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_app_of_its_first_folder_and_hidden_ones_to_none() {
        let root = Path::new("/apps");
        let of = |path: &str| app_of(root, Path::new(path)).map(|app| app.to_string());
        assert_eq!(of("/apps/PO App/screens/x.json").as_deref(), Some("PO App"));
        assert_eq!(of("/apps/.appferry/staging/x"), None);
        assert_eq!(of("/apps"), None);
        assert_eq!(of("/elsewhere/x"), None);
    }
}
