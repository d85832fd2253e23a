//! Builds the adapters, starts the tasks, and drains them.

mod apps;
mod audit;
mod control;
mod events;
mod fleet;
mod home;
mod hosts;
mod incoming;
mod open_files;
mod parts;
mod shell;
mod tunnels;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, RepositoryConfig};
use crate::domain::status::Status;
use crate::http;
use crate::keys::KeyService;
use crate::ssh::Sessions;
use crate::store::EventStore;
use crate::watch::Watching;

use audit::AuditQueue;
use control::Whole;
use fleet::{Fleet, FleetKeys};
use home::{Home, Lock};
use open_files::OpenFiles;

pub(crate) use home::INSTANCE_ID;
pub use hosts::with_host_setup;
pub use parts::{host_keys, open_remote, open_sessions, with_given_passphrases};

/// How long the end may take: a push under way is finished.
///
/// Docker kills after 10 s by default, and what was cut off is taken up at the next start.
const DRAIN_LIMIT: Duration = Duration::from_secs(7);
/// How long the rest may take once its connections are closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A running service.
pub struct Daemon {
    fleet: Arc<Fleet>,
    address: SocketAddr,
    data_dir: PathBuf,
    sessions: Arc<Sessions>,
    keys: KeyService,
    audit: Arc<AuditQueue>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _lock: Lock,
}

impl Daemon {
    /// Starts everything that `config` asks for.
    ///
    /// # Errors
    /// What makes a start pointless: the data folder is in use or not writable, the key store cannot be opened, the address is
    /// taken, the only repository cannot be opened. What a remote may do later is a state, not an error.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let limits = config.tunnels.iter().map(|one| one.tunnel.limit);
        let files = OpenFiles::new(config.all_repositories().len(), limits);
        let (home, lock) = Home::take(&config.data_dir, config.instance.as_deref())?;
        let instance = home.instance().to_owned();
        let owner = home.id().to_owned();
        let place = tunnels::Place { instance: instance.clone(), id: owner.clone() };
        let keys = parts::open_keys(&config, &home).await?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(parts::prune_daily(keys.audit_log(), stop.clone()));
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another APPFERRY_LISTEN", config.listen))?;
        let address = listener.local_addr()?;
        let events = events::open(&config, &home, &tasks, &stop).await?;
        let audit = Arc::new(AuditQueue::new(keys.audit_log()));
        let (noting, until) = (Arc::clone(&audit), stop.clone());
        tasks.spawn(async move { noting.work(until).await });
        let fleet = assemble(&config, (home, &files), (&keys, &audit, &events), &tasks, &stop)?;
        let sessions = fleet.sessions();
        let trusted = host_keys(&config, &keys, &format!("instance {instance}"));
        let house = tunnels::House::open(&config, trusted, (fleet.keys(), place, files), &tasks, &stop).await?;
        set_out(&fleet, &config, &house, (&tasks, &stop)).await?;
        let shell = shell::feed(&config, &owner, &keys, &sessions, &tasks, &stop).await?;
        let hosts = hosts::Hosts {
            config: config.clone(),
            keys: keys.clone(),
            instance: instance.clone(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let feeds = http::Feeds {
            keys: Some(Arc::new(hosts.keys.clone())),
            hosts: Some(Arc::new(hosts)),
            tunnels: Some(house),
            ..events::feeds(&config, events, &fleet, shell)
        };
        let uploads = http::apps::Uploads::open(&config.data_dir, apps::limits(&config))?;
        let control = Arc::new(Whole::new(Arc::clone(&fleet), stop.clone(), uploads));
        let token = http::api_token(&config.data_dir)?;
        http::announce(&config.data_dir, address)?;
        let serving = http::serve(listener, control, token, feeds, stop.clone());
        tasks.spawn(async move {
            if let Err(failure) = serving.await {
                tracing::error!(%failure, "the API ended");
            }
        });
        tracing::info!(%address, instance, "started");
        Ok(Self { fleet, address, data_dir: config.data_dir, sessions, keys, audit, tasks, stop, _lock: lock })
    }

    /// How everything stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.fleet.status()
    }

    /// The status, and its changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Status> {
        self.fleet.changes()
    }

    /// Where the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Fires when a task ended the service from inside.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
    }

    /// Ends everything. A push under way is finished first, if the other side answers in time; if not, the next start finds out
    /// what became of it.
    ///
    /// # Errors
    /// That something did not end although its connections were closed.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.tasks.close();
        http::withdraw(&self.data_dir);
        if tokio::time::timeout(DRAIN_LIMIT, self.tasks.wait()).await.is_err() {
            let limit_s = DRAIN_LIMIT.as_secs();
            tracing::warn!(
                limit_s,
                "the remote did not finish in time; its connections are closed, the next start goes on"
            );
        }
        self.sessions.shutdown().await;
        let closed = tokio::time::timeout(CLOSE_LIMIT, self.tasks.wait()).await;
        self.audit.finish(CLOSE_LIMIT).await;
        if tokio::time::timeout(CLOSE_LIMIT, self.keys.close()).await.is_err() {
            tracing::warn!("the key store does not answer; left without closing it");
        }
        closed.map_err(|_| anyhow::anyhow!("{} tasks did not end; left all the same", self.tasks.len()))
    }
}

/// Runs the service until SIGTERM or SIGINT; a second signal ends it at once.
///
/// # Errors
/// As [`Daemon::start`] and [`Daemon::stop`].
pub async fn run(config: Config) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let daemon = Daemon::start(config).await?;
    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: ending"),
        _ = interrupt.recv() => tracing::info!("SIGINT: ending"),
        () = daemon.ended() => {
            daemon.stop().await?;
            anyhow::bail!("ended after a defect; see the log above");
        }
    }
    tokio::select! {
        stopped = daemon.stop() => stopped,
        _ = terminate.recv() => anyhow::bail!("second signal: left at once"),
        _ = interrupt.recv() => anyhow::bail!("second signal: left at once"),
    }
}

/// What the repositories share, and none of them yet.
fn assemble(
    config: &Config,
    (home, files): (Home, &Arc<OpenFiles>),
    (keys, audit, events): (&KeyService, &Arc<AuditQueue>, &Arc<EventStore>),
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<Fleet>> {
    let host_keys = host_keys(config, keys, &format!("instance {}", home.instance()));
    let longest_poll = config.all_repositories().iter().map(|repository| repository.sync.poll_interval).max();
    let fleet_keys = Arc::new(FleetKeys::new(keys.clone()));
    let keyring: Arc<FleetKeys> = Arc::clone(&fleet_keys);
    let sessions = Arc::new(open_sessions(longest_poll.unwrap_or_default(), keyring, host_keys));
    let common = fleet::Common {
        home,
        files: Arc::clone(files),
        keys: fleet_keys,
        sessions,
        audit: Arc::<AuditQueue>::clone(audit),
        events: Arc::<EventStore>::clone(events),
        turns: fleet::turns(),
        watching: Watching::new()
            .context("cannot start a thread to watch the apps folders; raise the limit of processes")?,
        tasks: tasks.clone(),
        stop: stop.clone(),
        bell: tokio::sync::Notify::new(),
        alone: config.file.is_none(),
    };
    Ok(Fleet::new(common, config.file.as_ref()))
}

/// Starts the repositories, and follows the file that names them.
async fn set_out(
    fleet: &Arc<Fleet>,
    config: &Config,
    house: &Arc<tunnels::House>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<()> {
    let all = config.all_repositories();
    if all.is_empty() {
        tracing::info!("Git Sync is off (GIT_SYNC_IS_GLOBAL is not true): nothing to do but to answer");
    }
    if let (None, Some(global)) = (&config.file, all.first()) {
        fleet.start_alone(global.clone()).await?;
    }
    fleet.become_these(all).await;
    if let Some(file) = &config.file {
        let global = config.sync.clone().map(RepositoryConfig::of_the_environment);
        let all = (Arc::clone(fleet), Arc::clone(house));
        tasks.spawn(fleet::follow(all, file.clone(), global, stop.clone()));
    }
    Ok(())
}
