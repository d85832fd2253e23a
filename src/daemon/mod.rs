//! Builds the adapters, starts the tasks, and drains them.

mod apps;
mod control;
mod events;
mod home;
mod incoming;
mod parts;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, SyncConfig};
use crate::domain::status::{RepositoryStatus, Status};
use crate::http;
use crate::keys::KeyService;
use crate::ssh::Sessions;
use crate::store::EventStore;
use crate::sync::worker::{Handle, Worker};

use control::Whole;
use home::Home;

pub use parts::{host_keys, open_remote, open_sessions, with_given_passphrase};

/// How long the end may take: a push under way is finished.
///
/// Docker kills after 10 s by default, and what was cut off is taken up at the next start.
const DRAIN_LIMIT: Duration = Duration::from_secs(7);
/// How long the rest may take once its connections are closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// A running service.
pub struct Daemon {
    status: watch::Receiver<Status>,
    address: SocketAddr,
    data_dir: PathBuf,
    sessions: Option<Arc<Sessions>>,
    keys: KeyService,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Held for its lock.
    _home: Home,
}

impl Daemon {
    /// Starts everything that `config` asks for.
    ///
    /// # Errors
    /// What makes a start pointless: the data folder is in use or not writable, the key store cannot be opened, the address is
    /// taken, the apps folder is unusable. What a remote may do later is a state, not an error.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let home = Home::take(&config.data_dir, config.instance.as_deref())?;
        let (user, before) = home.key_user();
        let keys = parts::open_keys(&config, &home, &user).await?;
        if parts::mark_used(&keys, (&user, before.as_deref()), config.sync.as_ref()).await {
            home.keep_key_user(&user);
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(parts::prune_daily(keys.audit_log(), stop.clone()));
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}; choose another APPFERRY_LISTEN", config.listen))?;
        let address = listener.local_addr()?;
        let events = events::open(&config, &home, &tasks, &stop).await?;
        let mut empty = Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: home.instance().to_owned(),
            sync_enabled: config.sync.is_some(),
            repositories: Vec::new(),
        };
        let (sessions, handle) = if let Some(sync) = &config.sync {
            let (sessions, worker, handle) = start_sync(&config, sync, &home, (&keys, &events), &tasks).await?;
            tasks.spawn(run_worker(worker, stop.clone()));
            empty.repositories.push(handle.status().borrow().clone());
            (Some(sessions), Some(handle))
        } else {
            tracing::info!("Git Sync is off (GIT_SYNC_IS_GLOBAL is not true): nothing to do but to answer");
            (None, None)
        };
        let status = follow_status(empty, handle.as_ref().map(Handle::status), keys.clone(), &tasks, &stop);
        let feeds = events::feeds(&config, events, handle.as_ref());
        let uploads = http::apps::Uploads::open(&config.data_dir, apps::limits(config.sync.as_ref()))?;
        let control = Arc::new(Whole::new(status.clone(), handle, stop.clone(), uploads));
        let token = http::api_token(&config.data_dir)?;
        http::announce(&config.data_dir, address)?;
        let serving = http::serve(listener, control, token, feeds, stop.clone());
        tasks.spawn(async move {
            if let Err(failure) = serving.await {
                tracing::error!(%failure, "the API ended");
            }
        });
        tracing::info!(%address, instance = home.instance(), "started");
        Ok(Self { status, address, data_dir: config.data_dir, sessions, keys, tasks, stop, _home: home })
    }

    /// How everything stands.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The status, and its changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Status> {
        self.status.clone()
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
        if let Some(sessions) = self.sessions {
            sessions.shutdown().await;
        }
        let closed = tokio::time::timeout(CLOSE_LIMIT, self.tasks.wait()).await;
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

async fn run_worker(worker: Worker, stop: CancellationToken) {
    if let Err(failure) = worker.run(stop.clone()).await {
        tracing::error!(%failure, "the sync worker ended");
        stop.cancel();
    }
}

async fn start_sync(
    config: &Config,
    sync: &SyncConfig,
    home: &Home,
    (keys, events): (&KeyService, &Arc<EventStore>),
    tasks: &TaskTracker,
) -> anyhow::Result<(Arc<Sessions>, Worker, Handle)> {
    let host_keys = host_keys(config, keys, &format!("instance {}", home.instance()));
    let sessions = Arc::new(open_sessions(sync, Arc::new(keys.clone()), host_keys));
    let (worker, handle) =
        parts::worker(sync, home, &sessions, (keys.audit_log(), Arc::<EventStore>::clone(events)), tasks).await?;
    Ok((sessions, worker, handle))
}

/// The status of all, kept true by a task.
fn follow_status(
    mut whole: Status,
    repository: Option<watch::Receiver<RepositoryStatus>>,
    keys: KeyService,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> watch::Receiver<Status> {
    let (sender, receiver) = watch::channel(whole.clone());
    let Some(mut repository) = repository else { return receiver };
    let stop = stop.clone();
    tasks.spawn(async move {
        while let Some(Ok(())) = stop.run_until_cancelled(repository.changed()).await {
            let mut shown = repository.borrow_and_update().clone();
            if let Some(key) = &mut shown.key {
                parts::describe_key(key, &keys).await;
            }
            whole.repositories = vec![shown];
            sender.send_replace(whole.clone());
        }
    });
    receiver
}
