//! When to do what next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Command, Pace};
use crate::domain::AppName;
use crate::ports::{ChangeHints, Hint, Remote};
use crate::sync::engine::Look;

/// How often there is time for tidying up.
const TIDY_EVERY: Duration = Duration::from_mins(10);
/// The stat cache and the like are written this long after the start.
const FIRST_TIDY: Duration = Duration::from_secs(30);
/// After trouble with the disk, everything is looked at again this soon.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);
/// How long after an install the hints that it caused may come.
const ECHO: Duration = Duration::from_millis(300);
/// More apps than this at once are looked at in one walk of the folder.
const MOST_APPS: usize = 500;

/// What a pass is to do.
#[derive(Debug, Default)]
pub(super) struct Wake {
    pub(super) look: Option<Look>,
    pub(super) poll: bool,
    pub(super) tidy: bool,
    pub(super) command: Option<Command>,
}

/// When to do what next.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    rescan_every: Duration,
    poll_at: Instant,
    rescan_at: Instant,
    tidy_at: Instant,
    /// Apps to look at, and when.
    look_at: BTreeMap<AppName, Instant>,
    /// Until then changes are taken for our own.
    echo_until: Instant,
}

impl Schedule {
    pub(super) fn new(pace: Pace, rescan_every: Duration) -> Self {
        let now = Instant::now();
        Self {
            pace,
            rescan_every,
            poll_at: now,
            rescan_at: now,
            tidy_at: now + FIRST_TIDY,
            look_at: BTreeMap::new(),
            echo_until: now,
        }
    }

    /// Waits for the next thing to do. When that will likely be a push, `pushes_to` may get ready for it meanwhile.
    pub(super) async fn next(
        &mut self,
        hints: &mut dyn ChangeHints,
        commands: &mut mpsc::Receiver<Command>,
        pushes_to: Option<&dyn Remote>,
    ) -> Wake {
        loop {
            let alarm = self.alarm();
            tokio::select! {
                Some(command) = commands.recv() => return Wake { command: Some(command), ..self.due(hints) },
                hint = hints.next() => {
                    if let Some(remote) = pushes_to && self.tells_of_an_edit(&hint) {
                        remote.prepare_push().await; // it only begins to
                    }
                    self.take_hint(hint);
                }
                () = tokio::time::sleep_until(alarm) => return self.due(hints),
            }
        }
    }

    fn alarm(&self) -> Instant {
        let first = self.poll_at.min(self.rescan_at).min(self.tidy_at);
        self.look_at.values().copied().fold(first, Instant::min)
    }

    /// Whether somebody else than we seems to have changed an app; "everything" is mostly just the clock.
    fn tells_of_an_edit(&self, hint: &Hint) -> bool {
        matches!(hint, Hint::Apps(_)) && Instant::now() >= self.echo_until
    }

    /// What was installed just now is hinted at, too.
    pub(super) fn expect_echo(&mut self) {
        self.echo_until = Instant::now() + ECHO;
    }

    fn take_hint(&mut self, hint: Hint) {
        let due = Instant::now() + self.pace.debounce;
        match hint {
            Hint::Everything => self.rescan_at = self.rescan_at.min(due),
            // The first hint sets the time; whether the app is quiet by then, the look will tell.
            Hint::Apps(apps) => apps.into_iter().for_each(|app| {
                self.look_at.entry(app).or_insert(due);
            }),
        }
    }

    /// What is due now.
    fn due(&mut self, hints: &dyn ChangeHints) -> Wake {
        let now = Instant::now();
        self.rescan_every = hints.rescan_every();
        let mut wake = Wake { poll: now >= self.poll_at, tidy: now >= self.tidy_at, ..Wake::default() };
        if wake.tidy {
            self.tidy_at = now + TIDY_EVERY;
        }
        let due: BTreeSet<AppName> =
            self.look_at.iter().filter(|(_, at)| **at <= now).map(|(app, _)| app.clone()).collect();
        if now >= self.rescan_at || due.len() > MOST_APPS {
            self.rescan_at = now + self.rescan_every;
            self.look_at.clear();
            wake.look = Some(Look::All);
        } else if !due.is_empty() {
            self.look_at.retain(|_, at| *at > now);
            wake.look = Some(Look::Apps(due));
        }
        wake
    }

    pub(super) fn polled(&mut self) {
        self.poll_after(self.pace.poll_interval);
    }

    pub(super) fn poll_after(&mut self, wait: Duration) {
        self.poll_at = Instant::now() + wait;
    }

    pub(super) fn look_again(&mut self, waits: Vec<(AppName, Duration)>) {
        let now = Instant::now();
        for (app, wait) in waits {
            self.look_at.insert(app, now + wait);
        }
    }

    pub(super) fn look_soon(&mut self) {
        self.rescan_at = self.rescan_at.min(Instant::now() + AFTER_TROUBLE);
    }
}
