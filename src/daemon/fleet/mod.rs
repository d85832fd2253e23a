//! The repositories of this service, by name: what is wanted, and what runs.
//!
//! Each has a task of its own ([`member`]) that nobody waits for. What they share is the machine (turns), the sessions and
//! the key store.

mod keys;
mod member;
mod reload;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::home::Home;
use super::open_files::OpenFiles;
use crate::config::{ConfigFile, RepositoryConfig};
use crate::domain::input::size::FileSize;
use crate::domain::status::{ConfigFileStatus, RepositoryStatus, Status};
use crate::domain::{Failure, FailureClass};
use crate::http::PollHint;
use crate::ports::{AuditLog, EventLog};
use crate::ssh::Sessions;
use crate::sync::worker::{Handle, Turns};
use crate::watch::Watching;

pub(super) use keys::FleetKeys;
pub(super) use reload::follow;

use member::{Member, Opened};

/// Changes of the status that come so close to each other are told of together.
const TOGETHER: Duration = Duration::from_millis(20);
/// With more repositories than this they start one after the other, so that their polls are spread, too.
const START_AT_ONCE: usize = 16;
/// The time that the starts are spread over, at most.
const LONGEST_SPREAD: Duration = Duration::from_secs(10);

/// Every repository.
pub(super) struct Fleet {
    common: Arc<Common>,
    running: Mutex<Running>,
    file: Mutex<Option<ConfigFileStatus>>,
    changes: watch::Sender<Status>,
}

/// What the repositories share.
pub(super) struct Common {
    pub(super) home: Home,
    pub(super) files: Arc<OpenFiles>,
    pub(super) keys: Arc<FleetKeys>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) audit: Arc<dyn AuditLog>,
    pub(super) events: Arc<dyn EventLog>,
    pub(super) turns: Turns,
    pub(super) watching: Watching,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Rings when the status of any repository changed.
    pub(super) bell: Notify,
    /// With nothing but the environment's own repository, what ends that ends the service.
    pub(super) alone: bool,
}

#[derive(Default)]
struct Running {
    /// In the order of the configuration.
    order: Vec<String>,
    members: BTreeMap<String, Member>,
    /// Those that were told to stop and may still be at it.
    leaving: Vec<Member>,
}

impl Fleet {
    /// No repository yet.
    pub(super) fn new(common: Common, file: Option<&ConfigFile>) -> Arc<Self> {
        let file = file.map(|file| ConfigFileStatus {
            path: file.path.display().to_string(),
            read: jiff::Timestamp::now().to_string(),
            errors: Vec::new(),
        });
        let fleet = Self {
            common: Arc::new(common),
            running: Mutex::default(),
            file: Mutex::new(file),
            changes: watch::Sender::new(Status::default()),
        };
        let fleet = Arc::new(fleet);
        let telling = Arc::clone(&fleet);
        fleet.common.tasks.spawn(async move { telling.tell_of_changes().await });
        fleet
    }

    /// Starts the environment's repository when it is the only one there will be: what is wrong with it ends the start.
    pub(super) async fn start_alone(&self, repository: RepositoryConfig) -> Result<(), Failure> {
        self.common.keys.know_passphrases(std::slice::from_ref(&repository));
        let opened = member::open(&self.common, &repository).await?;
        self.start(repository, Some(opened), Duration::ZERO);
        Ok(())
    }

    /// Makes `wanted` the repositories that run. Those that stay as they are notice nothing.
    pub(super) async fn become_these(&self, wanted: Vec<RepositoryConfig>) {
        self.common.files.are_for_repositories(wanted.len());
        self.common.keys.know_passphrases(&wanted);
        self.let_go(&wanted);
        let known: Vec<String> = self.running().members.keys().cloned().collect();
        let new: Vec<RepositoryConfig> = wanted.iter().filter(|one| !known.contains(&one.name)).cloned().collect();
        users::note(&self.common, &wanted).await;
        let step = step_between_starts(&new);
        self.running().order = wanted.into_iter().map(|repository| repository.name).collect();
        for (number, repository) in (0_u32..).zip(new) {
            self.start(repository, None, step * number);
        }
        self.common.bell.notify_one();
    }

    /// Stops what is not wanted any more, or otherwise.
    fn let_go(&self, wanted: &[RepositoryConfig]) {
        let mut running = self.running();
        running.leaving.retain(|member| !member.has_ended());
        let stays = |member: &Member| wanted.contains(member.config());
        let gone: Vec<String> =
            running.members.iter().filter(|(_, member)| !stays(member)).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(member) = running.members.remove(&name) {
                tracing::info!(repository = name, "stops: its entry was changed or taken out");
                member.stop();
                running.leaving.push(member);
            }
        }
    }

    fn start(&self, repository: RepositoryConfig, opened: Option<Opened>, after: Duration) {
        let mut running = self.running();
        let before = running.leaving.iter().filter(|member| member.is_in_the_way_of(&repository, &self.common.home));
        let before = before.map(Member::ended).collect();
        let name = repository.name.clone();
        if !running.order.contains(&name) {
            running.order.push(name.clone());
        }
        let member = Member::start(&self.common, repository, opened, (before, after));
        running.members.insert(name, member);
    }

    /// Whether there is nothing to change.
    pub(super) fn runs_exactly(&self, wanted: &[RepositoryConfig]) -> bool {
        let running = self.running();
        let same = |(name, one): (&String, &RepositoryConfig)| {
            running.members.get(name).is_some_and(|member| member.config() == one)
        };
        running.order.len() == wanted.len() && running.order.iter().zip(wanted).all(same)
    }

    /// How everything stands, as of now.
    pub(super) fn status(&self) -> Status {
        let repositories = self.repositories();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: self.common.home.instance().to_owned(),
            sync_enabled: !repositories.is_empty(),
            config: self.file().clone(),
            repositories,
        }
    }

    pub(super) fn keys(&self) -> Arc<FleetKeys> {
        Arc::clone(&self.common.keys)
    }

    pub(super) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.common.sessions)
    }

    /// The changes of that; as long as nobody follows them, nothing is put together.
    pub(super) fn changes(&self) -> watch::Receiver<Status> {
        self.changes.send_replace(self.status());
        self.changes.subscribe()
    }

    pub(super) fn repositories(&self) -> Vec<RepositoryStatus> {
        let running = self.running();
        running.order.iter().filter_map(|name| Some(running.members.get(name)?.status())).collect()
    }

    /// The worker of the repository of this name, and how large its files may be; without a name, that of the only one.
    pub(super) fn handle(&self, name: Option<&str>) -> Result<(Handle, FileSize), Failure> {
        let running = self.running();
        let refused = |message: String, remedy: &str| Failure::new(FailureClass::Refused, message, remedy);
        let member = match (name, running.order.as_slice()) {
            (_, []) => {
                let remedy = "set GIT_SYNC_IS_GLOBAL=true, or name repositories in the file of APPFERRY_CONFIG";
                return Err(refused("Git Sync is off".to_owned(), remedy));
            }
            (None, [only]) => running.members.get(only),
            (None, several) => {
                let message = format!("there are several repositories: {}", listed(several));
                return Err(refused(message, "say which one, with `--repository NAME` (API: `?repository=NAME`)"));
            }
            (Some(name), there) => {
                let found = running.members.get(name);
                if found.is_none() {
                    let message = format!("there is no repository {name:?}; there are: {}", listed(there));
                    return Err(refused(message, "give one of these names"));
                }
                found
            }
        };
        let member = member.ok_or_else(|| Failure::internal("a repository is listed, but not there"))?;
        let handle = member.handle().ok_or_else(|| {
            let status = member.status();
            refused(format!("the repository {:?} is not open: {}", status.name, status.summary), "try again when it is")
        })?;
        Ok((handle, member.config().sync.input.max_file_size))
    }

    /// A new version of the file was refused, for these reasons; or what stood against it is gone. Answers whether that is news.
    pub(super) fn file_is_wrong(&self, errors: &[String]) -> bool {
        let is_news = self.file().as_mut().is_some_and(|file| {
            let is_news = file.errors != errors;
            file.errors = errors.to_vec();
            is_news
        });
        self.common.bell.notify_one();
        is_news
    }

    pub(super) fn file_was_read(&self) {
        if let Some(file) = &mut *self.file() {
            file.read = jiff::Timestamp::now().to_string();
            file.errors.clear();
        }
    }

    async fn tell_of_changes(&self) {
        let common = &self.common;
        while common.stop.run_until_cancelled(common.bell.notified()).await.is_some() {
            if self.changes.receiver_count() > 0 {
                self.changes.send_replace(self.status());
                let _ = common.stop.run_until_cancelled(tokio::time::sleep(TOGETHER)).await;
            }
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self) -> MutexGuard<'_, Option<ConfigFileStatus>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hooks reach the repositories as they are now, also those of a file that was read again.
impl PollHint for Fleet {
    fn repositories(&self) -> BTreeSet<String> {
        let running = self.running();
        running.members.values().map(|member| member.config().sync.url.to_string()).collect()
    }

    fn poll_soon(&self, urls: &BTreeSet<String>) -> usize {
        let running = self.running();
        let meant = running.members.values().filter(|member| urls.contains(&member.config().sync.url.to_string()));
        meant.map(|member| member.handle().iter().for_each(Handle::poll_soon)).count()
    }
}

/// A thousand first polls shall not come at once, and neither shall those that follow.
fn step_between_starts(new: &[RepositoryConfig]) -> Duration {
    let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
    let spread = new.iter().map(|repository| repository.sync.poll_interval).min().unwrap_or_default();
    if new.len() > START_AT_ONCE { spread.min(LONGEST_SPREAD) / count } else { Duration::ZERO }
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let shown = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{shown}, and {} more", names.len() - MOST) } else { shown }
}

/// Half as many threads again would only wait for each other's disk.
pub(super) fn turns() -> Turns {
    Turns::new(std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2)))
}
