//! [`AppsFolder`]: the [`Workspace`] of a real folder.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::input::size::FileSize;
use crate::domain::patterns::{AppFilter, Patterns};
use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::{AppOnDisk, Arrived, FolderOnDisk, Installed, LocalRepository, Workspace};

use super::cache;
use super::content::Reader;
use super::dir::Dir;
use super::ignored::Ignored;
use super::install::{self, Manner, Outcome, Site};
use super::journal::{Journals, Pending};
use super::leftovers::sweep_out;
use super::mount::{Mount, our_folder};
use super::network::network_file_system;
use super::quiet::Waiting;
use super::renames::Renames;
use super::stamp::Stamp;

/// What an [`AppsFolder`] must know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder shared with the builder.
    pub apps_dir: PathBuf,
    /// Where journals and the stat cache go.
    pub data: PathBuf,
    /// How long an app must have been quiet.
    pub debounce: Duration,
    /// The mode of new files.
    pub file_mode: u32,
    /// The mode of new folders.
    pub dir_mode: u32,
    /// What in an app's folder is not looked at unless Git has it.
    pub ignore: Patterns,
    /// The size above which a new file holds its app.
    pub largest_file: FileSize,
}

/// The folder that the builder and this service share.
pub struct AppsFolder {
    pub(super) settings: Settings,
    pub(super) reader: Reader,
    pub(super) mount: Mount,
    pub(super) journals: Journals,
    /// What came from the branch and was not told yet.
    arrived: Vec<Arrived>,
    /// What was told, and has its journal until it is known elsewhere.
    told: BTreeSet<AppName>,
    pub(super) apps: cache::Apps,
    /// The cache differs from its file.
    pub(super) changed: bool,
    pub(super) waiting: HashMap<AppName, Waiting>,
    pub(super) nature: Option<Nature>,
    pub(super) ignored: Ignored,
    /// The apps that are looked at.
    pub(super) filter: AppFilter,
    /// What is in files over the limit.
    pub(super) large: HashMap<Stamp, ObjectId>,
    renames: Renames,
    /// The name of our staging folder.
    staging: String,
    repo: Arc<dyn LocalRepository>,
}

/// What the file system is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    /// Another machine's clock may have set the times.
    pub(super) network: bool,
    /// The executable bit is kept (FAT and some SMB mounts show the same mode for every file).
    pub(super) trusts_mode: bool,
}

impl AppsFolder {
    /// Reads cache and journals. A missing apps folder is no error: looks say so until it is there.
    ///
    /// Call [`recover`](Workspace::recover) before the first look.
    ///
    /// # Errors
    /// [`FailureClass::Disk`] if the data folder cannot be used.
    pub fn open(settings: Settings, repo: Arc<dyn LocalRepository>) -> Result<Self, Failure> {
        let journals = Journals::open(&settings.data)?;
        let apps = cache::load(&settings.data.join(CACHE));
        Ok(Self {
            reader: Reader::new(Arc::clone(&repo)),
            mount: Mount::new(settings.apps_dir.clone()),
            journals,
            arrived: Vec::new(),
            told: BTreeSet::new(),
            apps,
            changed: false,
            waiting: HashMap::new(),
            nature: None,
            ignored: Ignored::new(settings.ignore.clone()),
            filter: AppFilter::default(),
            large: HashMap::new(),
            renames: Renames { with_flags: true },
            staging: STAGING.to_owned(),
            repo,
            settings,
        })
    }

    /// Does without `renameat2`'s flags, as on file systems that lack them: a replaced file is then guarded by a stat
    /// recheck alone.
    #[must_use]
    pub fn without_exchange(mut self) -> Self {
        self.renames.with_flags = false;
        self
    }

    /// Looks at these apps only; the others cost nothing.
    #[must_use]
    pub fn only(self, filter: AppFilter) -> Self {
        Self { filter, ..self }
    }

    /// Shares the folder with others who look after other apps: installs are staged apart from theirs.
    #[must_use]
    pub fn shared_as(mut self, name: &str) -> Self {
        self.staging = format!("{STAGING}-{name}");
        self
    }

    /// The open folder and what its file system is like.
    pub(super) fn mounted(&mut self) -> Result<Result<(Dir, Nature), String>, Failure> {
        let root = match self.mount.look()? {
            Ok(root) => root,
            Err(reason) => return Ok(Err(reason)),
        };
        let path = self.mount.path();
        let nature = *self.nature.get_or_insert_with(|| Nature {
            network: network_file_system(path).is_some(),
            trusts_mode: keeps_executable_bit(&root),
        });
        Ok(Ok((root, nature)))
    }

    fn certainly_mounted(&mut self) -> Result<(Dir, Nature), Failure> {
        self.mounted()?.map_err(not_mounted)
    }

    /// Finishes an install that an error or a crash interrupted.
    pub(super) fn roll_forward(&mut self, root: &Dir, nature: Nature, app: &AppName) -> Result<(), Failure> {
        let Some(pending) = self.journals.of(app).cloned() else { return Ok(()) };
        if pending.over {
            self.note_came(app);
            return Ok(());
        }
        self.follow_both(&pending)?;
        match self.run(root, nature, &pending, Manner::RollForward) {
            Ok(outcome) if outcome.disturbed => Ok(()),
            Ok(outcome) => self.confirm(root, nature, app, pending.to, &outcome.own).map(|_| ()),
            Err(failure) if matches!(failure.class, FailureClass::Disk | FailureClass::Damaged) => Err(failure),
            Err(failure) => {
                tracing::warn!(app = %app, %failure, "an interrupted install cannot be finished; the app stays as it is");
                self.journals.end(app)
            }
        }
    }

    /// What either tree holds belongs to the app while it is installed.
    fn follow_both(&mut self, pending: &Pending) -> Result<(), Failure> {
        let trees: Vec<ObjectId> = pending.from.into_iter().chain(pending.to).collect();
        self.ignored.follow(self.repo.as_ref(), &pending.app, &trees)
    }

    fn run(&mut self, root: &Dir, nature: Nature, pending: &Pending, manner: Manner) -> Result<Outcome, Failure> {
        let site = Site {
            repo: self.repo.as_ref(),
            root,
            staging: staging(root, &self.staging)?,
            renames: self.renames,
            trusts_mode: nature.trusts_mode,
            file_mode: self.settings.file_mode,
            dir_mode: self.settings.dir_mode,
        };
        let before = self.journals.of(&pending.app).cloned();
        let outcome = install::run(&site, &mut self.journals, pending, manner)?;
        if self.journals.of(&pending.app) != before.as_ref() {
            self.told.remove(&pending.app);
            self.note_came(&pending.app);
        }
        Ok(outcome)
    }

    /// Remembers to tell of an app whose install is over.
    fn note_came(&mut self, app: &AppName) {
        let Some(pending) = self.journals.of(app).filter(|pending| pending.over) else { return };
        if self.told.insert(app.clone()) {
            self.arrived.push(Arrived {
                app: app.clone(),
                id: pending.id.clone(),
                tree: pending.to,
                left: pending.left.clone(),
            });
        }
    }

    fn install_as(&mut self, pending: &Pending) -> Result<Installed, Failure> {
        let (root, nature) = self.certainly_mounted()?;
        self.roll_forward(&root, nature, &pending.app)?;
        self.follow_both(pending)?;
        let outcome = self.run(&root, nature, pending, Manner::Install)?;
        if outcome.disturbed || !self.confirm(&root, nature, &pending.app, pending.to, &outcome.own)? {
            return Ok(Installed::Disturbed);
        }
        Ok(Installed::Done)
    }
}

const CACHE: &str = "stat-cache";

impl Workspace for AppsFolder {
    fn look_at_all(&mut self) -> Result<FolderOnDisk, Failure> {
        match self.mounted()? {
            Ok((root, nature)) => self.look_everywhere(&root, nature),
            Err(reason) => Ok(FolderOnDisk::NotMounted(reason)),
        }
    }

    fn look_at(&mut self, app: &AppName) -> Result<AppOnDisk, Failure> {
        let (root, nature) = self.certainly_mounted()?;
        self.look_in(&root, nature, app)
    }

    fn follow(&mut self, app: &AppName, trees: &[ObjectId]) -> Result<(), Failure> {
        self.ignored.follow(self.repo.as_ref(), app, trees)
    }

    fn ignores(&self, app: &AppName, path: &str) -> bool {
        self.ignored.in_app(app).ignores(path)
    }

    fn install(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        self.install_as(&Pending::new(app.clone(), from, to, false))
    }

    fn bring(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure> {
        self.install_as(&Pending::new(app.clone(), from, to, true))
    }

    fn take_arrived(&mut self) -> Vec<Arrived> {
        std::mem::take(&mut self.arrived)
    }

    fn note_arrived(&mut self) -> Result<(), Failure> {
        let untold: BTreeSet<AppName> = self.arrived.iter().map(|arrived| arrived.app.clone()).collect();
        while let Some(app) = self.told.difference(&untold).next().cloned() {
            self.journals.end(&app)?; // if that fails it was told all the same, and is not told again as if it were new
            self.told.remove(&app);
        }
        Ok(())
    }

    fn recover(&mut self) -> Result<Vec<AppName>, Failure> {
        let mut pending = self.journals.apps();
        let Ok((root, nature)) = self.mounted()? else { return Ok(Vec::new()) };
        let mut failed = None;
        pending.retain(|app| {
            let is_over = self.journals.of(app).is_some_and(|pending| pending.over);
            if is_over {
                self.note_came(app);
            }
            !is_over
        });
        for app in &pending {
            if let Err(failure) = self.roll_forward(&root, nature, app) {
                failed.get_or_insert(failure);
            }
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        if let Ok(staging) = root.child(super::mount::OURS).and_then(|ours| ours.child(&self.staging)) {
            sweep_out(self.repo.as_ref(), &staging)?;
        }
        Ok(pending)
    }

    fn save_cache(&mut self) -> Result<(), Failure> {
        if self.changed {
            self.repo.flush()?; // the cache must not outlive the objects that it names
            cache::save(&self.settings.data.join(CACHE), &self.apps)?;
            self.changed = false;
        }
        Ok(())
    }

    fn forget(&mut self) -> Vec<(AppName, ObjectId)> {
        self.waiting.clear();
        (self.told, self.arrived) = (BTreeSet::new(), Vec::new()); // the state that noted it is gone: it is told again
        self.reader = Reader::new(Arc::clone(&self.repo));
        self.changed = true;
        let seen = std::mem::take(&mut self.apps);
        seen.into_iter().map(|(app, root)| (app, root.tree)).filter(|(_, tree)| *tree != ObjectId::ZERO).collect()
    }
}

const STAGING: &str = "staging";

fn staging(root: &Dir, name: &str) -> Result<Dir, Failure> {
    let open = || {
        let ours = our_folder(root)?;
        match ours.make_dir(name, 0o700) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => ours.child(name),
            Err(errno) => Err(errno),
        }
    };
    open().map_err(|errno| Failure::disk("opening the staging folder in the apps folder", &errno.into()))
}

/// Tries it out; a folder that cannot be written to is believed.
fn keeps_executable_bit(root: &Dir) -> bool {
    const PROBE: &str = "mode-probe";
    let Ok(ours) = our_folder(root) else { return true };
    let _ = ours.remove_file(PROBE);
    let Ok(file) = ours.create(PROBE) else { return true };
    let kept = [0o755, 0o644].into_iter().all(|mode| {
        let set = rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(mode));
        set.is_ok() && ours.stat_of(PROBE).is_ok_and(|stat| stat.stamp.is_executable() == (mode == 0o755))
    });
    let _ = ours.remove_file(PROBE);
    kept
}

fn not_mounted(reason: String) -> Failure {
    Failure::new(FailureClass::Disk, reason, "nothing is deleted meanwhile, and work goes on by itself once it is back")
}

/// The results of a look, by name.
pub(super) type Found = BTreeMap<AppName, AppOnDisk>;
