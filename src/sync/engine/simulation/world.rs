//! Instances and the remote that they share.

use crate::domain::BranchName;
use crate::domain::merge::{IdentityFields, VolatileKeys};
use crate::domain::patterns::AppFilter;
use crate::domain::plan::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::*;
use super::memory::{Files, MemoryFolder, MemoryRepository};
use crate::domain::status::AppState;
use crate::ports::{RefOutcome, RemoteTip};
use crate::sync::trees::app_trees;

/// The remote's refs; its objects are everybody's.
pub(super) type RemoteRefs = Arc<Mutex<BTreeMap<String, ObjectId>>>;

pub(super) struct Instance {
    pub(super) engine: Option<Engine>,
    pub(super) settings: Settings,
    pub(super) repo: MemoryRepository,
    pub(super) folder: MemoryFolder,
    pub(super) remote: RemoteRefs,
    pub(super) now: Now,
    /// The answer to the next push does not come.
    pub(super) loses_answer: bool,
    /// An app, a key and its value that are saved through the API while the next push is under way.
    pub(super) saves_during_push: Option<(usize, usize, u32)>,
    /// The remote refuses updates of the branch whose commit changes an app of this name.
    pub(super) refused_app: Option<String>,
}

impl Instance {
    pub(super) fn new(name: &str, world: &MemoryRepository, remote: &RemoteRefs, mode: Mode) -> Self {
        let repo = world.beside();
        let folder = MemoryFolder {
            repo: repo.reliable(),
            apps: Arc::default(),
            came: Arc::default(),
            told: BTreeSet::default(),
            keeps_journals: Arc::default(),
            saved_meanwhile: Arc::default(),
            looks: Arc::default(),
        };
        let settings = Settings {
            mode,
            branch: BranchName::new("main").unwrap(),
            prefix: "App".to_owned(),
            instance: name.to_owned(),
            author_name: "appferry".to_owned(),
            author_email: format!("appferry@{name}"),
            debounce: Duration::ZERO,
            // One app at a time on some instances, all at once on others.
            install_for: if name.ends_with(['0', '2', '4']) { Duration::ZERO } else { Duration::MAX },
            volatile_keys: VolatileKeys::default(),
            identity_fields: IdentityFields::default(),
            kept_days: 90,
            on_protected: crate::domain::OnProtected::Hold,
            filter: AppFilter::default(),
            input: InputRules::default(),
        };
        let now = Now { instant: Instant::now(), unix_seconds: 1_700_000_000 };
        let mut instance = Self {
            engine: None,
            settings,
            repo,
            folder,
            remote: Arc::clone(remote),
            now,
            loses_answer: false,
            saves_during_push: None,
            refused_app: None,
        };
        instance.start();
        instance
    }

    /// Starts it, or starts it again as after a kill.
    pub(super) fn start(&mut self) {
        let repo: Arc<dyn LocalRepository> = Arc::new(self.repo.clone());
        let engine = Engine::open(repo, Box::new(self.folder.clone()), self.settings.clone());
        self.engine = Some(engine.unwrap());
    }

    pub(super) fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().unwrap()
    }

    pub(super) fn save(&self, app: &str, file: &str, text: &str) {
        let mut apps = self.folder.apps.lock().unwrap();
        apps.entry(AppName::new(app).unwrap()).or_default().insert(file.to_owned(), text.to_owned());
    }

    pub(super) fn delete(&self, app: &str) {
        self.folder.apps.lock().unwrap().remove(&AppName::new(app).unwrap());
    }

    /// Renames an app's folder, as a person does it; over nothing that is there.
    pub(super) fn rename(&self, old: &str, new: &str) {
        let mut apps = self.folder.apps.lock().unwrap();
        let (old, new) = (AppName::new(old).unwrap(), AppName::new(new).unwrap());
        if !apps.contains_key(&new)
            && let Some(files) = apps.remove(&old)
        {
            apps.insert(new, files);
        }
    }

    pub(super) fn apps(&self) -> BTreeMap<AppName, Files> {
        self.folder.apps.lock().unwrap().clone()
    }

    pub(super) fn text(&self, app: &str, file: &str) -> Option<String> {
        self.apps().get(&AppName::new(app).unwrap())?.get(file).cloned()
    }

    pub(super) fn state(&mut self, app: &str) -> (AppState, String) {
        let report = self.engine().report();
        let status = report.apps.into_iter().find(|status| status.name == app).unwrap();
        (status.state, status.reason.unwrap_or_default())
    }

    pub(super) fn fetch(&mut self) {
        let tip = self.remote.lock().unwrap().get("refs/heads/main").copied();
        let tip = tip.map_or(RemoteTip::Unborn, RemoteTip::At);
        let now = self.now;
        self.may_fail(|engine| engine.take_tip(&tip, now).map(|_| ()));
    }

    /// A failure of the disk is all that may happen; the next pass tries again.
    pub(super) fn may_fail(&mut self, work: impl FnOnce(&mut Engine) -> Result<(), Failure>) -> bool {
        match work(self.engine()) {
            Ok(()) => true,
            Err(failure) => {
                assert_eq!(failure.class, crate::domain::FailureClass::Disk, "{failure}");
                false
            }
        }
    }

    /// A whole pass; `moment` is called before each step, as the world does not wait.
    ///
    /// Answers whether all of it could be saved.
    pub(super) fn pass(&mut self, online: bool, mut moment: impl FnMut(&Self)) -> bool {
        self.now.instant += Duration::from_secs(10);
        self.now.unix_seconds += 10;
        let now = self.now;
        if online {
            self.fetch();
        }
        self.engine().look(&Look::All, now).unwrap();
        for _ in 0..100 {
            moment(self);
            match self.engine().advance(online, now) {
                Ok(Progress::Rest) => {
                    self.prove_rest(online);
                    break;
                }
                Err(_) => break,
                Ok(Progress::Moved) => {}
                Ok(Progress::Push) => {
                    moment(self);
                    if !self.push() {
                        break;
                    }
                }
            }
        }
        self.may_fail(|engine| engine.save(now))
    }

    /// A rest that the engine relies on is one: planning anew finds the same, also a minute later.
    pub(super) fn prove_rest(&mut self, online: bool) {
        let mut later = self.now;
        later.instant += Duration::from_mins(1);
        let engine = self.engine();
        if engine.is_at_rest() {
            let found = engine.findings.clone();
            engine.rest = None;
            if let Ok(progress) = engine.advance(online, later) {
                assert_eq!(progress, Progress::Rest);
                assert_eq!(engine.findings, found);
            }
        }
    }

    /// Answers whether it went on: not when the disk failed, or no answer came.
    pub(super) fn push(&mut self) -> bool {
        let now = self.now;
        let outgoing = match self.engine().set_out(now) {
            Ok(outgoing) => outgoing,
            Err(failure) => {
                assert_eq!(failure.class, crate::domain::FailureClass::Disk, "{failure}");
                return false;
            }
        };
        let outcomes: Vec<RefOutcome> = outgoing.updates.iter().map(|update| self.answer(update)).collect();
        if let Some((app, key, value)) = self.saves_during_push.take() {
            super::moves::put_key(self, app, key, value);
        }
        if std::mem::take(&mut self.loses_answer) {
            return false;
        }
        match self.engine().take_outcomes(&outgoing, &outcomes, now) {
            Ok(PushEffect::FetchFirst) => self.fetch(),
            Ok(_) => {}
            Err(failure) => assert_eq!(failure.class, crate::domain::FailureClass::Disk, "{failure}"),
        }
        true
    }

    pub(super) fn answer(&self, update: &crate::ports::RefUpdate) -> RefOutcome {
        let mut refs = self.remote.lock().unwrap();
        if refs.get(&update.name).copied() != update.expected {
            return RefOutcome::Moved;
        }
        if let Some(app) = &self.refused_app {
            let root = self.repo.commit(update.new).unwrap().tree;
            let apps = app_trees(&self.repo, Some(root), "App").unwrap().apps;
            if apps.contains_key(&AppName::new(app.as_str()).unwrap()) {
                return RefOutcome::Refused("policy says no".to_owned());
            }
        }
        refs.insert(update.name.clone(), update.new);
        RefOutcome::Accepted
    }

    /// Subjects of the branch, newest first.
    pub(super) fn log(&self) -> Vec<String> {
        let tip = self.remote.lock().unwrap()["refs/heads/main"];
        let subject = |id| self.repo.commit(id).unwrap().message.lines().next().unwrap_or_default().to_owned();
        self.repo.ancestors(tip).into_iter().map(subject).collect()
    }
}

pub(super) const EDITING: Mode = Mode { locked: false, auto_save: true, auto_add: true, auto_pull: true };
pub(super) const LOCKED: Mode = Mode { locked: true, auto_save: false, auto_add: false, auto_pull: true };

pub(super) fn world(modes: &[Mode]) -> Vec<Instance> {
    let objects = MemoryRepository::default();
    let remote = RemoteRefs::default();
    let name = |number| format!("i{number}");
    modes.iter().enumerate().map(|(i, mode)| Instance::new(&name(i), &objects, &remote, *mode)).collect()
}

pub(super) fn quiet(_: &Instance) {}
