//! One inotify instance for all folders: the kernel grants a user 128 of them, and there may be a thousand repositories.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, ErrorKind, Event, INotifyWatcher, RecursiveMode, Watcher as _};

use super::root::Heard;

/// How long events that only say "some were lost" are gathered: our own look opens folders, which inotify reports too, and
/// must not cause the next look at once.
const OVERFLOW_PAUSE: Duration = Duration::from_secs(5);

/// The instance, once a folder needs it.
#[derive(Default)]
pub(super) struct Inotify {
    watcher: Option<INotifyWatcher>,
    ears: Arc<Ears>,
    overflow_told: Option<Instant>,
}

/// Who wants to hear what. Asked on notify's thread, for each event, those of our own reading included: it must be quick.
#[derive(Default)]
struct Ears {
    folders: Mutex<HashMap<PathBuf, Vec<Arc<Heard>>>>,
    overflowed: Mutex<bool>,
}

impl Inotify {
    /// Puts a folder under watch, with all that is in it.
    pub(super) fn watch(&mut self, heard: &Arc<Heard>) -> Result<(), String> {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => {
                let ears = Arc::clone(&self.ears);
                // Without this setting notify follows links, out of the folder.
                let config = Config::default().with_follow_symlinks(false);
                let made = INotifyWatcher::new(move |event| ears.hear(event), config);
                none.insert(made.map_err(|error| explain(&error))?)
            }
        };
        self.ears.folders().entry(heard.root.clone()).or_default().push(Arc::clone(heard));
        let begun = watcher.watch(&heard.root, RecursiveMode::Recursive);
        begun.map_err(|error| {
            self.unwatch(heard); // a part of it may be watched
            explain(&error)
        })
    }

    /// Takes it out again; it may be gone, and others may watch the same one.
    pub(super) fn unwatch(&mut self, heard: &Heard) {
        if !self.ears.forget(heard) {
            return;
        }
        if let Some(watcher) = &mut self.watcher {
            let _gone = watcher.unwatch(&heard.root);
        }
    }

    /// Lets everybody look at everything when the kernel's queue was full.
    pub(super) fn heed_overflow(&mut self) {
        if self.overflow_told.is_none_or(|told| told.elapsed() >= OVERFLOW_PAUSE) {
            let mut overflowed = self.ears.overflowed.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut *overflowed) {
                self.overflow_told = Some(Instant::now());
                self.ears.folders().values().flatten().for_each(|heard| heard.pending.everything());
            }
        }
    }
}

impl Ears {
    fn folders(&self) -> MutexGuard<'_, HashMap<PathBuf, Vec<Arc<Heard>>>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, event: notify::Result<Event>) {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.broke(&error);
                return;
            }
        };
        if event.need_rescan() {
            *self.overflowed.lock().unwrap_or_else(PoisonError::into_inner) = true;
            return;
        }
        if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) {
            return;
        }
        for path in &event.paths {
            self.of(path).iter().for_each(|heard| heard.changed(path));
        }
    }

    /// Folders do not lie in each other; but repositories of one app each may share one.
    fn of(&self, path: &Path) -> Vec<Arc<Heard>> {
        let folders = self.folders();
        path.ancestors().find_map(|above| folders.get(above)).cloned().unwrap_or_default()
    }

    /// Answers whether nobody is left who watches the same folder.
    fn forget(&self, heard: &Heard) -> bool {
        let mut folders = self.folders();
        let Some(same) = folders.get_mut(&heard.root) else { return true };
        same.retain(|other| !std::ptr::eq(Arc::as_ptr(other), heard));
        let is_last = same.is_empty();
        if is_last {
            folders.remove(&heard.root);
        }
        is_last
    }

    /// One folder met a limit, or nobody knows which.
    fn broke(&self, error: &notify::Error) {
        let met: Vec<Arc<Heard>> = error.paths.iter().flat_map(|path| self.of(path)).collect();
        let all = if met.is_empty() { self.folders().values().flatten().cloned().collect() } else { met };
        for heard in all {
            heard.broke(explain(error));
        }
    }
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
    fn the_limits_are_named_with_what_to_raise() {
        let reason = explain(&notify::Error::new(ErrorKind::MaxFilesWatch));
        assert!(reason.contains("fs.inotify.max_user_watches (now "), "{reason}");
        let instances = std::io::Error::from(rustix::io::Errno::MFILE);
        assert!(explain(&notify::Error::io(instances)).contains("max_user_instances"));
    }
}
