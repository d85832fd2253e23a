//! One repository: opened, worked for until it is to stop, and opened again after it failed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::Common;
use super::keys::OwnSessions;
use crate::config::RepositoryConfig;
use crate::daemon::home::Home;
use crate::daemon::parts;
use crate::domain::status::RepositoryStatus;
use crate::domain::{Backoff, Failure};
use crate::sync::worker::{self, Handle, Worker};

/// How long after a failure it is opened again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_mins(5);
/// What worked for this long failed for a new reason.
const WORKED: Duration = Duration::from_mins(10);

/// A worker that is ready to run.
pub(super) type Opened = (Worker, Handle);

/// One repository that runs.
pub(super) struct Member {
    config: RepositoryConfig,
    status: watch::Receiver<RepositoryStatus>,
    handle: watch::Receiver<Option<Handle>>,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// Opens a repository. Nothing is asked of the remote yet.
pub(super) async fn open(common: &Common, config: &RepositoryConfig) -> Result<Opened, Failure> {
    let user = common.home.key_user(&config.name);
    let sessions = Arc::new(OwnSessions::new(Arc::clone(&common.sessions), Arc::clone(&common.keys), user));
    let logs = (Arc::clone(&common.audit), Arc::clone(&common.events));
    parts::worker(config, &common.home, sessions, logs, (&common.turns, &common.watching)).await
}

impl Member {
    /// Starts it, once those `before` it that have what it needs have ended, and after a wait.
    pub(super) fn start(
        common: &Arc<Common>,
        config: RepositoryConfig,
        opened: Option<Opened>,
        (before, after): (Vec<CancellationToken>, Duration),
    ) -> Self {
        let first = match &opened {
            Some((_, handle)) => handle.status().borrow().clone(),
            None => worker::starting(&parts::face(&config)),
        };
        let (status, shown) = watch::channel(first);
        let (handle_sender, handle) = watch::channel(None);
        let (stop, ended) = (common.stop.child_token(), CancellationToken::new());
        let life = Life {
            common: Arc::clone(common),
            config: config.clone(),
            status,
            handle: handle_sender,
            stop: stop.clone(),
        };
        let at_the_end = ended.clone().drop_guard();
        common.tasks.spawn(async move {
            let _at_the_end = at_the_end;
            for other in before {
                life.stop.run_until_cancelled(other.cancelled()).await;
            }
            if life.stop.run_until_cancelled(tokio::time::sleep(after)).await.is_some() {
                Box::pin(life.live(opened)).await;
            }
        });
        Self { config, status: shown, handle, stop, ended }
    }

    pub(super) fn config(&self) -> &RepositoryConfig {
        &self.config
    }

    pub(super) fn status(&self) -> RepositoryStatus {
        self.status.borrow().clone()
    }

    /// `None` while it is not open.
    pub(super) fn handle(&self) -> Option<Handle> {
        self.handle.borrow().clone()
    }

    /// Tells it to finish its push and end.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Fires when it has ended.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Whether `other` needs the same folder, here or in the data folder.
    pub(super) fn is_in_the_way_of(&self, other: &RepositoryConfig, home: &Home) -> bool {
        let overlap = |a: &Path, b: &Path| a.starts_with(b) || b.starts_with(a);
        self.config.name == other.name
            || overlap(&self.config.folder(), &other.folder())
            || parts::repository_folder(&self.config, home) == parts::repository_folder(other, home)
    }
}

/// What the task of a member has.
struct Life {
    common: Arc<Common>,
    config: RepositoryConfig,
    status: watch::Sender<RepositoryStatus>,
    handle: watch::Sender<Option<Handle>>,
    stop: CancellationToken,
}

impl Life {
    async fn live(&self, mut opened: Option<Opened>) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        while !self.stop.is_cancelled() {
            let begun = tokio::time::Instant::now();
            let ready = match opened.take() {
                Some(ready) => Ok(ready),
                None => open(&self.common, &self.config).await,
            };
            let ended = match ready {
                Ok(ready) => self.work(ready).await,
                Err(failure) => Err(failure),
            };
            let Err(failure) = ended else { return };
            if begun.elapsed() > WORKED {
                backoff.reset();
            }
            let wait = backoff.after_failure(rand::random());
            self.show_failure(&failure, wait);
            if self.common.alone {
                self.common.stop.cancel();
            }
            let _ = self.stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// Lets the worker work until it is to stop; an error is a defect.
    async fn work(&self, (worker, handle): Opened) -> Result<(), Failure> {
        let status = handle.status();
        self.handle.send_replace(Some(handle));
        // In a task of its own: what breaks in it breaks nothing else.
        let name = (!self.common.alone).then_some(self.config.name.as_str());
        let span = name.map_or_else(tracing::Span::none, |name| tracing::info_span!("repository", name));
        let mut working = self.common.tasks.spawn(worker.run(self.stop.clone()).instrument(span));
        let ended = tokio::select! {
            ended = &mut working => ended,
            () = self.follow(status) => working.await,
        };
        self.handle.send_replace(None);
        ended.unwrap_or_else(|_| Err(Failure::internal("the worker of this repository stopped after a defect")))
    }

    /// Passes the worker's status on, with what the store knows of the key now.
    async fn follow(&self, mut status: watch::Receiver<RepositoryStatus>) {
        loop {
            let mut shown = status.borrow_and_update().clone();
            if let Some(key) = &mut shown.key {
                parts::describe_key(key, &self.common.keys.service()).await;
            }
            self.show(shown);
            if status.changed().await.is_err() {
                return;
            }
        }
    }

    fn show_failure(&self, failure: &Failure, wait: Duration) {
        let repository = self.config.name.as_str();
        tracing::error!(repository, %failure, retry_in_ms = wait.as_millis(), "the repository is not worked for");
        let next_try = jiff::Timestamp::now().checked_add(wait).ok().map(|time| time.to_string());
        self.show(worker::unopened(&parts::face(&self.config), failure, next_try));
    }

    fn show(&self, status: RepositoryStatus) {
        self.status.send_replace(status);
        self.common.bell.notify_one();
    }
}
