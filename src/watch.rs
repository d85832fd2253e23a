//! Hints that something in the apps folder changed: from inotify where that works, from the clock everywhere.
//!
//! A hint only says where to look. It may be late, doubled or needless; what it never is, is the only reason to look: the
//! clock asks for everything once in a while, because inotify loses events when its queue is full.

mod hints;
mod inotify;
mod root;
mod supervise;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::sync::watch;

pub use hints::Hints;
use hints::Pending;
use root::{Heard, Root};

/// How often everything is looked at although inotify works.
pub const RESCAN: Duration = Duration::from_mins(1);

/// How often everything is looked at where inotify does not work.
pub const POLL: Duration = Duration::from_secs(5);

/// How changes are noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchMode {
    /// The kernel tells; everything is looked at every [`RESCAN`] as well.
    Inotify,
    /// Everything is looked at again and again.
    Polling {
        /// Why the kernel cannot tell, and what to do about it.
        reason: String,
        /// How often.
        every: Duration,
    },
}

impl WatchMode {
    /// How often everything is looked at.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        match self {
            Self::Inotify => RESCAN,
            Self::Polling { every, .. } => *every,
        }
    }
}

/// Watches any number of apps folders, with one inotify instance.
#[derive(Clone)]
pub struct Watching(Arc<Sender<Root>>);

/// One apps folder under watch, until it is dropped.
pub struct Watcher {
    mode: watch::Receiver<WatchMode>,
    heard: Arc<Heard>,
    /// The thread lives as long as somebody may need it.
    _watching: Watching,
}

impl Watching {
    /// Starts the thread that looks after the folders.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(supervise::start()?)))
    }

    /// Starts watching, and answers at once: setting up takes a watch for each folder, and goes on in the background. A
    /// folder that is missing, goes or is made anew is watched as soon as it is there.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn watch(&self, apps_dir: PathBuf) -> std::io::Result<(Watcher, Hints)> {
        let starting =
            WatchMode::Polling { reason: "the folders are just being put under watch".to_owned(), every: POLL };
        let (mode_sender, mode) = watch::channel(starting);
        let pending = Arc::new(Pending::default());
        let hints = Hints::new(Arc::clone(&pending), mode.clone());
        let root = Root::new(apps_dir, pending, mode_sender, Arc::downgrade(&self.0));
        let heard = Arc::clone(&root.heard);
        supervise::take_in(root)?;
        Ok((Watcher { mode, heard, _watching: self.clone() }, hints))
    }
}

impl Watcher {
    /// Watches one folder alone.
    ///
    /// # Errors
    /// As [`Watching::watch`].
    pub fn start(apps_dir: PathBuf) -> std::io::Result<(Self, Hints)> {
        Watching::new()?.watch(apps_dir)
    }

    /// How changes are noticed now.
    #[must_use]
    pub fn mode(&self) -> WatchMode {
        self.mode.borrow().clone()
    }

    /// Follows how changes are noticed.
    #[must_use]
    pub fn modes(&self) -> watch::Receiver<WatchMode> {
        self.mode.clone()
    }
}

/// The thread notices within a second.
impl Drop for Watcher {
    fn drop(&mut self) {
        self.heard.stop();
    }
}
