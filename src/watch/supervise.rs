//! The watching thread: puts the folder under watch, and again when it was replaced.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, ErrorKind, Event, INotifyWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::hints::Pending;
use super::{POLL, WatchMode};
use crate::domain::AppName;
use crate::workspace::network_file_system;

/// How often the folder itself is looked at: one `stat`.
const CHECK: Duration = Duration::from_secs(1);

/// How often putting it under watch is tried again after it failed.
const RETRY: Duration = Duration::from_mins(1);

/// How long events that only say "some were lost" are gathered: our own look opens folders, which inotify reports too, and
/// must not cause the next look at once.
const OVERFLOW_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Supervisor {
    root: PathBuf,
    pending: Arc<Pending>,
    mode: watch::Sender<WatchMode>,
    events: Arc<Events>,
}

/// What the event thread tells the watching thread.
#[derive(Default)]
struct Events {
    overflowed: Mutex<bool>,
    broken: Mutex<Option<String>>,
}

impl Supervisor {
    pub(super) fn new(root: PathBuf, pending: Arc<Pending>, mode: watch::Sender<WatchMode>) -> Self {
        // Events carry the path that was watched: it must be the one that is compared with.
        let root = std::path::absolute(&root).unwrap_or(root);
        Self { root, pending, mode, events: Arc::default() }
    }

    pub(super) fn run(self, stopped: &Receiver<()>) {
        let mut watching: Option<INotifyWatcher> = None;
        let mut watched: Option<(u64, u64)> = None;
        let mut tried = Instant::now();
        let mut overflow_told: Option<Instant> = None;
        loop {
            let found = identity(&self.root);
            let retry = watching.is_none() && tried.elapsed() >= RETRY;
            if found != watched || (retry && found.is_some()) {
                drop(watching.take());
                watched = found;
                tried = Instant::now();
                watching = self.watch_anew(found.is_some());
                self.pending.everything();
            }
            if self.is_broken() {
                watching = None;
                tried = Instant::now();
            }
            self.heed_overflow(&mut overflow_told);
            match stopped.recv_timeout(CHECK) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn watch_anew(&self, is_there: bool) -> Option<INotifyWatcher> {
        let begun = if is_there { self.begin() } else { Err(format!("{} is missing", self.root.display())) };
        let (mode, watcher) = match begun {
            Ok(watcher) => (WatchMode::Inotify, Some(watcher)),
            Err(reason) => (WatchMode::Polling { reason, every: POLL }, None),
        };
        self.tell(mode);
        watcher
    }

    fn begin(&self) -> Result<INotifyWatcher, String> {
        if let Some(kind) = network_file_system(&self.root) {
            return Err(format!("the apps folder is on {kind}, where changes by others go unreported"));
        }
        *self.events.broken.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let (root, pending, events) = (self.root.clone(), Arc::clone(&self.pending), Arc::clone(&self.events));
        let heard = move |event: notify::Result<Event>| hear(&root, &pending, &events, event);
        // Without this setting notify follows links, out of the folder.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = INotifyWatcher::new(heard, config).map_err(|error| explain(&error))?;
        watcher.watch(&self.root, RecursiveMode::Recursive).map_err(|error| explain(&error))?;
        Ok(watcher)
    }

    /// Whether the event thread met a limit: then some folders are not watched, and none may be relied on.
    fn is_broken(&self) -> bool {
        let broken = self.events.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        let is_broken = broken.is_some();
        if let Some(reason) = broken {
            self.tell(WatchMode::Polling { reason, every: POLL });
            self.pending.everything();
        }
        is_broken
    }

    fn heed_overflow(&self, overflow_told: &mut Option<Instant>) {
        if overflow_told.is_none_or(|told| told.elapsed() >= OVERFLOW_PAUSE) {
            let mut overflowed = self.events.overflowed.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut *overflowed) {
                *overflow_told = Some(Instant::now());
                self.pending.everything();
            }
        }
    }

    fn tell(&self, mode: WatchMode) {
        match &mode {
            WatchMode::Inotify => tracing::debug!(folder = %self.root.display(), "watching the apps folder by inotify"),
            WatchMode::Polling { reason, every } => {
                tracing::info!(%reason, every_s = every.as_secs(), "scanning the apps folder instead of watching it");
            }
        }
        self.mode.send_replace(mode);
    }
}

/// Device and inode; `None` if it is not a folder.
fn identity(root: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(root).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// Runs on notify's thread, for each event, those of our own reading included: it must be quick.
fn hear(root: &Path, pending: &Pending, events: &Events, event: notify::Result<Event>) {
    let event = match event {
        Ok(event) => event,
        Err(error) => {
            *events.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(explain(&error));
            return;
        }
    };
    if event.need_rescan() {
        *events.overflowed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        return;
    }
    if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) {
        return;
    }
    for path in &event.paths {
        if let Some(app) = app_of(root, path) {
            pending.app(app);
        }
    }
}

/// The app that a path lies in; `None` for what is hidden, ours among it.
fn app_of(root: &Path, path: &Path) -> Option<AppName> {
    let first = path.strip_prefix(root).ok()?.components().next()?;
    AppName::new(first.as_os_str().to_str()?).ok()
}

fn explain(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => {
            format!(
                "the limit of inotify watches is reached; raise fs.inotify.max_user_watches{}",
                now("max_user_watches")
            )
        }
        ErrorKind::Io(io) if io.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            format!(
                "the limit of inotify instances (or open files) is reached; raise fs.inotify.max_user_instances{}",
                now("max_user_instances")
            )
        }
        _ => format!("inotify cannot be used ({error})"),
    }
}

/// The present value of a limit.
fn now(limit: &str) -> String {
    let value = std::fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(limit));
    value.map_or_else(|_| String::new(), |value| format!(" (now {})", value.trim()))
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

    #[test]
    fn the_limits_are_named_with_what_to_raise() {
        let reason = explain(&notify::Error::new(ErrorKind::MaxFilesWatch));
        assert!(reason.contains("fs.inotify.max_user_watches (now "), "{reason}");
        let instances = std::io::Error::from(rustix::io::Errno::MFILE);
        assert!(explain(&notify::Error::io(instances)).contains("max_user_instances"));
    }
}
