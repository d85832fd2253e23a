//! The watching threads: one for all folders of this machine, and one each for those on a network, whose looks may hang.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::inotify::Inotify;
use super::root::{Looked, Root};

/// How often each folder itself is looked at: one `stat`.
const CHECK: Duration = Duration::from_secs(1);

/// Starts the thread of the folders of this machine. It ends when nobody can give it any more and none is left.
pub(super) fn start() -> std::io::Result<Sender<Root>> {
    let (sender, given) = channel();
    thread::Builder::new().name("watch".to_owned()).spawn(move || look_after(&given))?;
    Ok(sender)
}

/// Finds the right thread for a folder. A new one does that: the first look may hang, too.
pub(super) fn take_in(root: Root) -> std::io::Result<()> {
    thread::Builder::new().name("watch-one".to_owned()).spawn(move || look_after_one(root)).map(drop)
}

fn look_after(given: &Receiver<Root>) {
    let (mut inotify, mut roots) = (Inotify::default(), Vec::<Root>::new());
    let mut due = Instant::now();
    loop {
        match given.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(root) => {
                roots.extend(kept(root, &mut inotify));
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return, // and with it all folders
        }
        due = Instant::now() + CHECK;
        roots = roots.into_iter().filter_map(|root| kept(root, &mut inotify)).collect();
        inotify.heed_overflow();
    }
}

/// Looks at a folder; `None` if it is not this thread's any more.
fn kept(mut root: Root, inotify: &mut Inotify) -> Option<Root> {
    if root.heard.is_stopped() {
        root.leave(inotify);
        return None;
    }
    match root.look(inotify) {
        Looked::Here => Some(root),
        Looked::OnNetwork => {
            if let Err(error) = take_in(root) {
                tracing::error!(%error, "no thread for an apps folder on a network; it is scanned once a minute");
            }
            None
        }
    }
}

fn look_after_one(mut root: Root) {
    while !root.heard.is_stopped() {
        if root.look_without_watch() == Looked::Here {
            if let Some(all) = root.all.upgrade() {
                let _ended = all.send(root);
            }
            return;
        }
        thread::sleep(CHECK);
    }
}
