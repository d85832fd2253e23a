//! Hints that something in the apps folder changed: from inotify where that works, from the clock everywhere.
//!
//! A hint only says where to look. It may be late, doubled or needless; what it never is, is the only reason to look: the
//! clock asks for everything once in a while, because inotify loses events when its queue is full.

mod hints;
mod supervise;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

pub use hints::Hints;
use hints::Pending;

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

/// Watches one apps folder from a thread of its own, until it is stopped or dropped.
pub struct Watcher {
    mode: watch::Receiver<WatchMode>,
    stop: SyncSender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts watching, and answers at once: setting up takes a watch for each folder, and goes on in the background. A
    /// folder that is missing, goes or is made anew is watched as soon as it is there.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(apps_dir: PathBuf) -> std::io::Result<(Self, Hints)> {
        let starting =
            WatchMode::Polling { reason: "the folders are just being put under watch".to_owned(), every: POLL };
        let (mode_sender, mode) = watch::channel(starting);
        let (stop, stopped) = sync_channel(1);
        let pending = Arc::new(Pending::default());
        let hints = Hints::new(Arc::clone(&pending), mode.clone());
        let supervisor = supervise::Supervisor::new(apps_dir, pending, mode_sender);
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(move || supervisor.run(&stopped))?;
        Ok((Self { mode, stop, thread: Some(thread) }, hints))
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

    /// Ends the thread and waits for it. Blocks for as long as the file system does.
    pub fn stop(mut self) {
        let _ = self.stop.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.stop.try_send(());
    }
}
