//! Looking at one app and at all.

use std::time::{Duration, Instant};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::{AppOnDisk, FolderOnDisk};

use super::dir::{Dir, Entry};
use super::folder::{AppsFolder, Found, Nature};
use super::ignored::Skip;
use super::quiet::{Verdict, judge};
use super::record::DirRecord;
use super::scan::{Lens, Own, Stop, Swept, not_an_app_file, sweep};
use super::store::store;

/// Made by `mkfs` at the root of a volume: never an app.
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// A file of ours that is younger than this when the app is swept is hashed once more: two ticks of a slow kernel clock.
const TICKS_NS: i64 = 20_000_000;

/// On a network file system the clock's grain is not known.
const COARSE_NS: i64 = 2_000_000_000;

impl AppsFolder {
    pub(super) fn look_everywhere(&mut self, root: &Dir, nature: Nature) -> Result<FolderOnDisk, Failure> {
        let entries = root.list().map_err(|errno| Failure::disk("listing the apps folder", &errno.into()))?;
        let (mut names, mut refused) = (self.journals.apps(), Vec::new());
        for entry in entries {
            match app_name(root, &entry) {
                Some(Ok(app)) if self.filter.takes(&app) => names.push(app),
                Some(Ok(_)) | None => {}
                Some(Err(refusal)) => refused.push(refusal),
            }
        }
        let mut found = Found::new();
        names.sort_unstable();
        names.dedup();
        for app in names {
            let seen = self.look_in(root, nature, &app)?;
            found.insert(app, seen);
        }
        found.retain(|_, seen| *seen != AppOnDisk::Absent);
        let before = self.apps.len();
        self.apps.retain(|app, _| found.contains_key(app));
        self.changed |= self.apps.len() != before;
        self.waiting.retain(|app, _| found.contains_key(app));
        self.ignored.forget_all_but(|app| found.contains_key(app));
        Ok(FolderOnDisk::Apps { apps: found.into_iter().collect(), refused })
    }

    pub(super) fn look_in(&mut self, root: &Dir, nature: Nature, app: &AppName) -> Result<AppOnDisk, Failure> {
        if let Err(failure) = self.roll_forward(root, nature, app) {
            let reason = format!("an install of it could not be finished: {failure}");
            return Ok(AppOnDisk::Unreadable { path: String::new(), reason });
        }
        let dir = match root.child(app.as_str()) {
            Ok(dir) => dir,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                self.changed |= self.apps.remove(app).is_some();
                self.waiting.remove(app);
                return Ok(AppOnDisk::Absent);
            }
            Err(errno) => return Ok(unopened(errno)),
        };
        let device = root.stat().map_err(|errno| Failure::disk("asking for the apps folder", &errno.into()))?.device;
        let skip = self.ignored.in_app(app);
        match self.look_through(&dir, self.lens(nature, device, None, &skip), nature, app) {
            Ok(seen) => Ok(seen),
            Err(Stop::Moved) => Ok(AppOnDisk::Busy(self.pause())),
            Err(Stop::Unreadable { path, reason }) => Ok(AppOnDisk::Unreadable { path, reason }),
            Err(Stop::Failed(failure)) => Err(failure),
        }
    }

    fn look_through(&mut self, dir: &Dir, lens: Lens<'_>, nature: Nature, app: &AppName) -> Result<AppOnDisk, Stop> {
        let known = self.known(app).map_err(Stop::Failed)?;
        let mut swept = sweep(dir, known, lens)?;
        let nothing_new = swept.fresh.is_nothing();
        if nothing_new && (swept.root.tree != ObjectId::ZERO || swept.root.is_empty()) {
            self.waiting.remove(app);
            return Ok(settled(&swept.root));
        }
        let verdict = self.judge(app, &swept, nature);
        if let Verdict::Wait(remaining) = verdict {
            return Ok(AppOnDisk::Busy(remaining));
        }
        self.refuse_large(dir, &swept.large)?;
        let before = swept.fresh.fingerprint();
        store(&mut self.reader, dir, &mut swept, lens)?;
        if swept.fresh.fingerprint() != before
            && let Verdict::Wait(remaining) = self.judge(app, &swept, nature)
        {
            return Ok(AppOnDisk::Busy(remaining)); // it changed within the grain of the clock
        }
        if verdict == Verdict::Insist && !sweep(dir, Some(&swept.root), lens)?.fresh.is_nothing() {
            return Ok(AppOnDisk::Busy(self.pause()));
        }
        self.waiting.remove(app);
        let seen = settled(&swept.root);
        self.remember(app, swept.root);
        Ok(seen)
    }

    /// Looks at an app that was just installed, and remembers it; `false` if it is not what was wanted.
    pub(super) fn confirm(
        &mut self,
        root: &Dir,
        nature: Nature,
        app: &AppName,
        to: Option<ObjectId>,
        own: &Own,
    ) -> Result<bool, Failure> {
        let Ok(dir) = root.child(app.as_str()) else {
            self.changed |= self.apps.remove(app).is_some();
            return Ok(to.is_none_or(|to| self.is_empty_tree(to)));
        };
        let skip = self.ignored.in_app(app);
        let device = root.stat().map_err(|errno| Failure::disk("asking for the apps folder", &errno.into()))?.device;
        let lens = self.lens(nature, device, Some(own), &skip);
        let known = self.known(app)?;
        let mut swept = match sweep(&dir, known, lens) {
            Ok(swept) => swept,
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(_) => return Ok(false),
        };
        match store(&mut self.reader, &dir, &mut swept, lens) {
            Ok(()) => {}
            Err(Stop::Failed(failure)) => return Err(failure),
            Err(_) => return Ok(false),
        }
        let as_wanted = match to {
            // Only what is ignored may be left of an app that is gone.
            to if swept.root.is_empty() => to.is_none_or(|to| self.is_empty_tree(to)),
            to => to == Some(swept.root.tree),
        };
        if as_wanted {
            self.waiting.remove(app);
            self.remember(app, swept.root);
        }
        Ok(as_wanted)
    }

    fn is_empty_tree(&self, tree: ObjectId) -> bool {
        self.reader.repo().tree(tree).is_ok_and(|entries| entries.is_empty())
    }

    fn lens<'a>(&self, nature: Nature, device: (u32, u32), own: Option<&'a Own>, skip: &'a Skip) -> Lens<'a> {
        let own_racy_ns = if nature.network { COARSE_NS } else { TICKS_NS };
        let largest_file = self.settings.largest_file;
        Lens { device, trusts_mode: nature.trusts_mode, own, own_racy_ns, skip, largest_file }
    }

    /// What is remembered of the app, if the repository still has it.
    fn known(&self, app: &AppName) -> Result<Option<&DirRecord>, Failure> {
        match self.apps.get(app) {
            Some(known) if known.is_empty() || self.reader.repo().contains(known.tree)? => Ok(Some(known)),
            _ => Ok(None),
        }
    }

    fn judge(&mut self, app: &AppName, swept: &Swept, nature: Nature) -> Verdict {
        let mut waiting = self.waiting.remove(app);
        let verdict = judge(&mut waiting, &swept.fresh, Instant::now(), self.settings.debounce, !nature.network);
        if let Some(waiting) = waiting {
            self.waiting.insert(app.clone(), waiting);
        }
        verdict
    }

    fn remember(&mut self, app: &AppName, record: DirRecord) {
        self.changed = true;
        self.apps.insert(app.clone(), record);
    }

    fn pause(&self) -> Duration {
        self.settings.debounce.max(Duration::from_millis(10))
    }
}

fn settled(root: &DirRecord) -> AppOnDisk {
    if root.is_empty() { AppOnDisk::Empty } else { AppOnDisk::Settled(root.tree) }
}

fn unopened(errno: Errno) -> AppOnDisk {
    let reason = match errno {
        Errno::LOOP => not_an_app_file(FileType::Symlink).to_owned(),
        Errno::ACCESS | Errno::PERM => {
            "appferry may not read it; give the user that it runs as access to it".to_owned()
        }
        errno => format!("it cannot be opened ({errno}); check the file system"),
    };
    AppOnDisk::Unreadable { path: String::new(), reason }
}

/// The app that an entry of the apps folder is, or why it cannot be one; `None` for what is not meant to be one: files,
/// and whatever is hidden.
fn app_name(root: &Dir, entry: &Entry) -> Option<Result<AppName, (String, String)>> {
    if entry.name.starts_with(b".") || entry.name == LOST_AND_FOUND {
        return None;
    }
    let shown = String::from_utf8_lossy(&entry.name).escape_debug().to_string();
    let Ok(name) = std::str::from_utf8(&entry.name) else {
        let is_folder = matches!(entry.file_type, FileType::Directory | FileType::Unknown);
        return is_folder.then(|| Err((shown, "its name is not UTF-8; rename it".to_owned())));
    };
    let file_type = match entry.file_type {
        FileType::Unknown => root.stat_of(name).ok()?.file_type(),
        known => known,
    };
    match file_type {
        FileType::Directory => Some(AppName::new(name).map_err(|error| (shown, format!("{}; rename it", error.rule)))),
        FileType::Symlink => Some(Err((shown, "it is a symbolic link; put the folder itself there".to_owned()))),
        _ => None,
    }
}
