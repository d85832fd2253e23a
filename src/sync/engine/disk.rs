//! What the looks at the disk found, and since when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::{AppName, ObjectId};
use crate::ports::{AppOnDisk, FolderOnDisk};

use super::{Now, Settings};

/// The disk, as far as it was looked at.
#[derive(Debug, Default)]
pub(super) struct Disk {
    looked: bool,
    apps: BTreeMap<AppName, AppOnDisk>,
    /// When an app that was seen before was first found gone.
    gone_since: BTreeMap<AppName, Instant>,
    /// When an app was first seen, of those that were not there at the first look.
    appeared: BTreeMap<AppName, Instant>,
    pub(super) refused_names: Vec<(String, String)>,
    pub(super) not_mounted: Option<String>,
    /// Counts what changed in all this.
    changes: u64,
}

/// What is known of an app here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Local {
    /// This tree, or no folder, for certain.
    Known(Option<ObjectId>),
    /// The folder is not there, but not for long enough to mean a removal.
    Gone,
    /// A folder without files, where there was an app.
    Emptied,
    /// Being written.
    Busy,
    /// Not readable as an app: what and why.
    Unreadable(String),
    /// The apps folder is not there.
    NotMounted,
}

/// How long a folder must be gone to count as removed (rule 6).
pub(super) fn removal_delay(debounce: Duration) -> Duration {
    Duration::from_secs(5).max(debounce.saturating_mul(5))
}

impl Disk {
    pub(super) fn not_looked(&self) -> bool {
        !self.looked
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &AppName> {
        self.apps.keys()
    }

    /// As long as this stays, the disk is as it was; only time may pass.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a folder is gone, and time will tell whether it counts as removed.
    pub(super) fn is_counting(&self, delay: Duration, now: Now) -> bool {
        self.gone_since.values().any(|since| now.instant.duration_since(*since) < delay)
    }

    pub(super) fn take_all(&mut self, folder: FolderOnDisk, now: Now) {
        let is_first_look = !std::mem::replace(&mut self.looked, true);
        match folder {
            FolderOnDisk::NotMounted(reason) => {
                self.changes += u64::from(self.not_mounted.as_ref() != Some(&reason));
                self.not_mounted = Some(reason);
                self.gone_since.clear();
            }
            FolderOnDisk::Apps { apps, refused } => {
                self.changes += u64::from(self.not_mounted.take().is_some());
                self.refused_names = refused;
                let mut found: BTreeMap<AppName, AppOnDisk> = apps.into_iter().collect();
                for app in self.apps.keys() {
                    found.entry(app.clone()).or_insert(AppOnDisk::Absent);
                }
                for (app, state) in found {
                    self.take_one(&app, state, now);
                }
                if is_first_look {
                    self.appeared.clear(); // it was there already, as far as anyone knows
                }
            }
        }
    }

    pub(super) fn take_one(&mut self, app: &AppName, found: AppOnDisk, now: Now) {
        if found == AppOnDisk::Absent {
            if !self.apps.contains_key(app) {
                return; // it was not here before
            }
            self.gone_since.entry(app.clone()).or_insert(now.instant);
        } else {
            self.gone_since.remove(app);
        }
        let changed = self.apps.get(app) != Some(&found);
        if changed {
            let was_there = self.apps.get(app).is_some_and(|before| *before != AppOnDisk::Absent);
            if found == AppOnDisk::Absent {
                self.appeared.remove(app);
            } else if !was_there {
                self.appeared.insert(app.clone(), now.instant);
            }
            self.apps.insert(app.clone(), found);
            self.changes += 1;
        }
    }

    /// An app that we brought to `tree` ourselves.
    pub(super) fn installed(&mut self, app: &AppName, tree: Option<ObjectId>) {
        self.gone_since.remove(app);
        self.changes += 1;
        match tree {
            Some(tree) => self.apps.insert(app.clone(), AppOnDisk::Settled(tree)),
            None => self.apps.remove(app),
        };
    }

    /// The app as planning may see it. `expected`: whether there was one here before (only then can it be gone).
    pub(super) fn local(&mut self, app: &AppName, expected: bool, debounce: Duration, now: Now) -> Local {
        if self.not_mounted.is_some() {
            return Local::NotMounted;
        }
        match self.apps.get(app) {
            Some(AppOnDisk::Settled(tree)) => Local::Known(Some(*tree)),
            Some(AppOnDisk::Busy(_)) => Local::Busy,
            Some(AppOnDisk::Unreadable { path, reason }) => Local::Unreadable(problem_at(path, reason)),
            Some(AppOnDisk::Empty) if expected => Local::Emptied,
            None | Some(AppOnDisk::Absent) if expected => {
                let since = *self.gone_since.entry(app.clone()).or_insert(now.instant);
                let gone = now.instant.duration_since(since) >= removal_delay(debounce);
                if gone { Local::Known(None) } else { Local::Gone }
            }
            None | Some(AppOnDisk::Empty | AppOnDisk::Absent) => Local::Known(None),
        }
    }

    /// Whether a folder came at the moment when another one went, as it is when a folder gets another name.
    pub(super) fn came_as_one_went(&self, app: &AppName, debounce: Duration) -> bool {
        let near = |a: Instant, b: Instant| a.max(b).duration_since(a.min(b)) <= removal_delay(debounce);
        self.appeared.get(app).is_some_and(|came| self.gone_since.values().any(|went| near(*came, *went)))
    }

    /// The app's tree, if it is quiet and readable.
    pub(super) fn settled(&self, app: &AppName) -> Option<ObjectId> {
        match self.apps.get(app) {
            Some(AppOnDisk::Settled(tree)) if self.not_mounted.is_none() => Some(*tree),
            _ => None,
        }
    }

    /// Whether there is no folder of this name.
    pub(super) fn is_unknown(&self, app: &AppName) -> bool {
        matches!(self.apps.get(app), None | Some(AppOnDisk::Absent | AppOnDisk::Empty))
    }

    /// What the last look at the app found.
    pub(super) fn found(&self, app: &AppName) -> Option<&AppOnDisk> {
        self.apps.get(app)
    }

    /// The app's tree, if it has one; what it was `earlier`, when that cannot be told now.
    pub(super) fn shown(&self, app: &AppName, earlier: Option<ObjectId>) -> Option<ObjectId> {
        match self.apps.get(app) {
            _ if self.not_mounted.is_some() => earlier,
            Some(AppOnDisk::Settled(tree)) => Some(*tree),
            Some(AppOnDisk::Busy(_) | AppOnDisk::Unreadable { .. }) => earlier,
            None | Some(AppOnDisk::Absent | AppOnDisk::Empty) => None,
        }
    }

    /// Forgets an app that is nowhere any more.
    pub(super) fn forget(&mut self, app: &AppName) {
        if self.apps.get(app).is_none_or(|found| *found == AppOnDisk::Absent) {
            self.apps.remove(app);
            self.gone_since.remove(app);
        }
    }

    /// The apps that are being written, and how long until each may be quiet.
    pub(super) fn busy(&self) -> impl Iterator<Item = (&AppName, Duration)> {
        self.apps.iter().filter_map(|(app, found)| match found {
            AppOnDisk::Busy(wait) => Some((app, *wait)),
            _ => None,
        })
    }

    pub(super) fn waits(&self, settings: &Settings, now: Now) -> Vec<(AppName, Duration)> {
        let busy = self.busy().map(|(app, wait)| (app.clone(), wait));
        let delay = removal_delay(settings.debounce);
        let gone = self.gone_since.iter().filter_map(|(app, since)| {
            let elapsed = now.instant.duration_since(*since);
            (elapsed < delay).then(|| (app.clone(), delay.saturating_sub(elapsed)))
        });
        busy.chain(gone).collect()
    }
}

/// What is wrong where; an empty path is the app's own folder.
pub(super) fn problem_at(path: &str, reason: &str) -> String {
    if path.is_empty() { reason.to_owned() } else { format!("{path}: {reason}") }
}
