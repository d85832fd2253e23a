//! The engine of one repository: it compares the disk with the branch, app by app, and carries plans out.
//!
//! Everything here blocks, and nothing here waits for the network: the [worker](super::worker) brings what the remote
//! said and takes away what shall be pushed. A pass is: look at the disk, take over the remote's tip, then
//! [`advance`](Engine::advance) until nothing moves.

mod arrival;
mod ask;
mod brought;
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
mod landed;
mod mend;
mod outgoing;
mod pass;
mod protected;
mod removal;
mod renamed_conflict;
mod renames;
mod report;
mod rest;
mod save;
mod settings;
mod shelf;
mod tip;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::{Arrived, LocalRepository, Signature, Workspace};

pub use arrival::Arrival;
pub use ask::{Begun, Difference};
pub use inspection::InputRules;
pub use keep::KeptAside;
pub use outgoing::{Outgoing, PushEffect};
pub use pass::{Look, Progress};
pub use report::Report;
pub use save::{Condition, Save, SaveRefusal, Saved};
pub use settings::{Now, Settings};
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
use view::{Knowledge, Refusal, RemoteView};

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
    /// What installs brought and is not taken over yet, in its order.
    untaken: VecDeque<Arrived>,
    /// Nothing of what is noted as brought has a journal any more.
    journals_removed: bool,
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
            untaken: VecDeque::new(),
            journals_removed: false,
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
        self.take_arrived(Now::read())?;
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
