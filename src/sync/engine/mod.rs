//! The engine of one repository: it compares the disk with the branch, app by app, and carries plans out.
//!
//! Everything here blocks, and nothing here waits for the network: the [worker](super::worker) brings what the remote
//! said and takes away what shall be pushed. A pass is: look at the disk, take over the remote's tip, then
//! [`advance`](Engine::advance) until nothing moves.

mod arrival;
mod ask;
mod clock;
mod collision;
mod commit;
pub mod conflict;
mod conflict_view;
mod disk;
mod diverged;
pub mod done;
mod finding;
pub mod incoming;
mod inspection;
mod install;
mod keep;
mod mend;
mod outgoing;
mod protected;
mod removal;
mod renamed_conflict;
mod renames;
mod report;
mod rest;
mod save;
mod shelf;
mod tip;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::merge::{IdentityFields, MergeRules, VolatileKeys};
use crate::domain::patterns::AppFilter;
use crate::domain::plan::Mode;
use crate::domain::{AppName, BranchName, Failure, FailureClass, ObjectId, OnProtected};
use crate::ports::{FolderOnDisk, LocalRepository, Signature, Workspace};

pub use arrival::Arrival;
pub use ask::{Begun, Difference};
pub use inspection::InputRules;
pub use keep::KeptAside;
pub use outgoing::{Outgoing, PushEffect};
pub use report::Report;
pub use save::{Condition, Save, SaveRefusal, Saved};
pub use shelf::{Shelf, Shelved};

use super::action::RefReport;
use super::compare::Comparer;
use super::history::KnownCommits;
use super::hostile::Inspector;
use super::kinship::Kinship;
use super::state::{State, StateFile};
use ask::Tagging;
use clock::Clock;
use disk::Disk;
use finding::Finding;
use inspection::Inspections;
use protected::Protection;
use renames::Rename;
use rest::Rest;

/// What does not change while the engine runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it may do by itself.
    pub mode: Mode,
    /// The branch that is followed.
    pub branch: BranchName,
    /// The folder of the apps in the repository; empty for its root.
    pub prefix: String,
    /// The name of this instance, for trailers and conflict branches.
    pub instance: String,
    /// Author of the commits made by themselves.
    pub author_name: String,
    /// See `author_name`.
    pub author_email: String,
    /// How long a file must have been quiet.
    pub debounce: Duration,
    /// JSON keys whose newest value wins.
    pub volatile_keys: VolatileKeys,
    /// Fields that name the elements of JSON arrays.
    pub identity_fields: IdentityFields,
    /// Days after which what was kept aside expires.
    pub kept_days: u32,
    /// Which apps are followed; the others are as if they were on neither side.
    pub filter: AppFilter,
    /// What may go out.
    pub input: InputRules,
    /// What becomes of commits that the branch does not take.
    pub on_protected: OnProtected,
}

impl Settings {
    fn comparer(&self) -> Comparer {
        let (volatile, identity) = (self.volatile_keys.clone(), self.identity_fields.clone());
        Comparer::new(MergeRules { volatile, identity })
    }
}

/// One moment, on both clocks: the steady one for waits, the wall's for records.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For measuring waits.
    pub instant: Instant,
    /// Seconds since the Unix epoch.
    pub unix_seconds: i64,
}

impl Now {
    /// Reads the clocks.
    #[must_use]
    pub fn read() -> Self {
        Self { instant: Instant::now(), unix_seconds: jiff::Timestamp::now().as_second() }
    }
}

/// The engine of one repository.
pub struct Engine {
    repo: Arc<dyn LocalRepository>,
    workspace: Box<dyn Workspace>,
    settings: Settings,
    state: State,
    state_file: StateFile,
    comparer: Comparer,
    inspector: Inspector,
    inspections: Inspections,
    disk: Disk,
    remote: RemoteView,
    /// The apps whose tree at `head` differs from that at the tip: what the unpushed commits made of them.
    ahead: BTreeMap<AppName, Option<ObjectId>>,
    /// What the last planning found, for every app.
    findings: BTreeMap<AppName, Finding>,
    /// The renamed apps that the last planning found, for the commits.
    renames: Vec<Rename>,
    /// Apps whose removal in Git is half of a rename: it counts as none.
    renamed_away: BTreeSet<AppName>,
    kinship: Kinship,
    /// Apps that the remote refused, until something changes or the time has come to try again.
    refused: BTreeMap<AppName, Refusal>,
    /// The remote refused a push of several apps: they are pushed one by one.
    one_by_one: bool,
    /// The local repository is being built anew.
    mending: bool,
    /// When that was begun lately.
    mended: mend::Mended,
    /// What apps without a base were on disk before the repository was damaged.
    last_seen: BTreeMap<AppName, ObjectId>,
    /// Whether the branch takes our commits at all.
    protection: Protection,
    /// Whether the wall clock can be believed.
    clock: Clock,
    /// The pairs of snapshot and tip for which history was searched for a base in vain.
    searched: BTreeMap<AppName, (ObjectId, ObjectId)>,
    /// Apps whose install failed, and why.
    install_failures: BTreeMap<AppName, Failure>,
    /// What the last planning was made from, if it left nothing to do.
    rest: Option<Rest>,
    /// What became of each ref that was pushed since somebody asked for something.
    told: Vec<RefReport>,
    /// The tag that somebody asked for.
    tagging: Option<Tagging>,
    /// What is known of the apps' last commits.
    last_commits: Arc<KnownCommits>,
    /// What can be read of the apps without asking.
    shelves: shelf::Shelves,
    /// Saves through the API whose push somebody may wait for.
    awaited: arrival::Awaited,
}

/// What is known of the branch.
#[derive(Clone, Debug, Default)]
struct RemoteView {
    knowledge: Knowledge,
    /// The apps at the tip.
    apps: BTreeMap<AppName, ObjectId>,
    /// Entries of the apps' folder that cannot be apps.
    refused_names: Vec<(String, String)>,
    /// Apps whose tree may not be written, and why.
    hostile: BTreeMap<AppName, String>,
}

/// How much is known of the branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Knowledge {
    /// Never reached yet.
    #[default]
    Nothing,
    /// The repository has no branch at all, and never had: the first push makes ours.
    Unborn,
    /// The branch is at the tip that the state names.
    Tip,
    /// The branch is not there, but these are; or none although ours was seen before.
    Absent(Vec<String>),
}

/// A refusal by the remote.
#[derive(Clone, Debug)]
struct Refusal {
    words: String,
    local: Option<ObjectId>,
    tip: Option<ObjectId>,
    retry_at: Instant,
    attempts: u32,
}

/// What [`Engine::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something waits to be pushed: see [`Engine::outgoing`].
    Push,
    /// Something moved; call again.
    Moved,
    /// Nothing more to do now.
    Rest,
}

/// What to look at on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Every app.
    All,
    /// These apps.
    Apps(BTreeSet<AppName>),
}

impl Engine {
    /// Reads the state and rolls interrupted installs forward.
    ///
    /// # Errors
    /// Disk, or internal if the state is damaged.
    pub fn open(
        repo: Arc<dyn LocalRepository>,
        workspace: Box<dyn Workspace>,
        settings: Settings,
    ) -> Result<Self, Failure> {
        let comparer = settings.comparer();
        let mut engine = Self {
            repo,
            workspace,
            settings,
            state: State::default(),
            state_file: StateFile::default(),
            comparer,
            inspector: Inspector::default(),
            inspections: Inspections::default(),
            disk: Disk::default(),
            remote: RemoteView::default(),
            ahead: BTreeMap::new(),
            findings: BTreeMap::new(),
            renames: Vec::new(),
            renamed_away: BTreeSet::new(),
            kinship: Kinship::default(),
            refused: BTreeMap::new(),
            one_by_one: false,
            mending: false,
            mended: Vec::new(),
            last_seen: BTreeMap::new(),
            protection: Protection::default(),
            clock: Clock::default(),
            searched: BTreeMap::new(),
            install_failures: BTreeMap::new(),
            rest: None,
            told: Vec::new(),
            tagging: None,
            last_commits: Arc::default(),
            shelves: shelf::Shelves::default(),
            awaited: arrival::Awaited::default(),
        };
        if engine.repo.is_mending() {
            engine.go_on_mending();
            return Ok(engine);
        }
        match engine.read_state() {
            Err(damage) if damage.class == FailureClass::Damaged => engine.begin_mending(&damage, Now::read())?,
            read => read?,
        }
        Ok(engine)
    }

    fn read_state(&mut self) -> Result<(), Failure> {
        self.state = self.state_file.load(&*self.repo)?;
        let recovered = self.workspace.recover()?;
        if !recovered.is_empty() {
            tracing::info!(apps = recovered.len(), "rolled interrupted installs forward");
        }
        self.take_arrived()?;
        self.restore_view()
    }

    /// Whether local changes are pushed without being asked for.
    #[must_use]
    pub fn pushes_by_itself(&self) -> bool {
        self.settings.mode.auto_save && !self.settings.mode.locked
    }

    /// The newest commit known of the remote's branch.
    #[must_use]
    pub fn tip(&self) -> Option<ObjectId> {
        self.state.notes.tip
    }

    /// Looks at the disk.
    ///
    /// # Errors
    /// Disk.
    pub fn look(&mut self, look: &Look, now: Now) -> Result<(), Failure> {
        match look {
            Look::All => {
                self.follow_all()?;
                let mut folder = self.workspace.look_at_all()?;
                if let FolderOnDisk::Apps { apps, .. } = &mut folder {
                    apps.retain(|(app, _)| self.settings.filter.takes(app));
                }
                self.disk.take_all(folder, now);
            }
            Look::Apps(apps) => {
                for app in apps {
                    if !self.settings.filter.takes(app) {
                        continue;
                    }
                    self.follow(app)?;
                    let found = self.workspace.look_at(app)?;
                    self.disk.take_one(app, found, now);
                }
            }
        }
        self.take_arrived() // a look ends installs that an error interrupted
    }

    fn take_arrived(&mut self) -> Result<(), Failure> {
        let arrived = self.workspace.take_arrived();
        self.take_for_bases(arrived)
    }

    /// How long until a look at the disk may find more: an app that is being written, or a folder that is gone and soon
    /// counts as removed. Each app that shall be looked at again comes with its wait.
    #[must_use]
    pub fn waits(&self, now: Now) -> Vec<(AppName, Duration)> {
        self.disk.waits(&self.settings, now)
    }

    /// Plans every app and carries out what can be: commits first; when nothing waits to be pushed (or it `can_push` not),
    /// installs.
    ///
    /// # Errors
    /// Disk or internal. What was not done is planned again.
    pub fn advance(&mut self, can_push: bool, now: Now) -> Result<Progress, Failure> {
        if self.disk.not_looked() || matches!(self.remote.knowledge, Knowledge::Nothing | Knowledge::Absent(_)) {
            return Ok(Progress::Rest);
        }
        if self.is_at_rest() {
            self.prepare_tag()?;
            let waits = can_push && !self.outgoing(now).is_empty();
            return Ok(if waits { Progress::Push } else { Progress::Rest });
        }
        self.rest = None;
        self.find_all(now)?;
        let adopted = self.adopt_agreed();
        let committed = self.commit_found(now)? | self.propose_directly(now)?;
        self.prepare_tag()?;
        if can_push && !self.outgoing(now).is_empty() {
            return Ok(Progress::Push);
        }
        let installed = self.install_found(now)?;
        if adopted || committed || installed {
            return Ok(Progress::Moved);
        }
        self.come_to_rest(now);
        Ok(Progress::Rest)
    }

    /// Makes the state durable.
    ///
    /// # Errors
    /// Disk: the former state stays.
    pub fn save(&mut self, now: Now) -> Result<(), Failure> {
        if self.mending {
            return Ok(());
        }
        let signature = self.committer(now);
        self.state_file.save(&*self.repo, &self.state, signature)?;
        self.workspace.note_arrived()
    }

    /// Work for quiet times: the stat cache, packing, and forgetting what was kept aside long ago.
    ///
    /// # Errors
    /// Disk.
    pub fn tidy(&mut self, now: Now) -> Result<(), Failure> {
        if self.mending {
            return Ok(());
        }
        self.workspace.save_cache()?;
        self.expire_kept(now)?;
        self.repo.maintain().map(|_| ())
    }

    /// Records the bases of apps whose sides agree. Answers whether there were any.
    fn adopt_agreed(&mut self) -> bool {
        let agreed: Vec<AppName> = self.findings_of(|finding| matches!(finding, Finding::Adopt));
        for app in &agreed {
            self.note_adopted(app);
            self.set_base(app, self.remote.apps.get(app).copied());
            self.state.notes.wordings.remove(app);
            self.state.notes.wanted.remove(app);
            self.state.notes.confirmed.remove(app);
            self.state.notes.accepted.remove(app);
        }
        !agreed.is_empty()
    }

    fn findings_of(&self, matches: impl Fn(&Finding) -> bool) -> Vec<AppName> {
        self.findings.iter().filter(|(_, finding)| matches(finding)).map(|(app, _)| app.clone()).collect()
    }

    /// Those that `matches`, to work on while the findings change.
    fn findings_with(&self, matches: impl Fn(&Finding) -> bool) -> Vec<(AppName, Finding)> {
        let found = self.findings.iter().filter(|(_, finding)| matches(finding));
        found.map(|(app, finding)| (app.clone(), finding.clone())).collect()
    }

    fn set_base(&mut self, app: &AppName, base: Option<ObjectId>) {
        match base {
            Some(tree) => self.state.bases.insert(app.clone(), tree),
            None => self.state.bases.remove(app),
        };
        self.end_conflict(app);
        self.state.notes.merged.remove(app);
        self.awaited.note(app, base);
        self.state.notes.rewritten.remove(app);
        if let Some(proposal) = &mut self.state.notes.proposal {
            proposal.apps.remove(app); // it arrived, or is no longer what waits there
        }
        self.rest = None;
    }

    fn committer(&self, now: Now) -> Signature {
        Signature {
            name: "appferry".to_owned(),
            email: format!("appferry@{}", self.settings.instance),
            seconds: now.unix_seconds,
            offset_minutes: 0,
        }
    }

    fn author(&self, now: Now) -> Signature {
        Signature {
            name: self.settings.author_name.clone(),
            email: self.settings.author_email.clone(),
            ..self.committer(now)
        }
    }
}

#[cfg(test)]
mod simulation;
