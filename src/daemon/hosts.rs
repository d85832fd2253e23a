//! Setting up servers and checking logins: each time over sessions of its own, so that nothing warm hides what is wrong, and nothing
//! that failed a moment ago is in the way.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host_keys;
use crate::config::Config;
use crate::domain::{Failure, FailureClass};
use crate::http::{HostControl, KeyList};
use crate::keys::{KeyRecord, KeyService};
use crate::ports::{Forwarding, Keyring, SshSessions};
use crate::setup::{CheckReport, CheckRequest, HostSetup, Order, SetupAnswer};
use crate::ssh::{HostKeys, Purpose, Sessions, Settings};

/// Does something with the service, and closes its sessions.
pub async fn with_host_setup<T, F>(
    keyring: Arc<dyn Keyring>,
    host_keys: HostKeys,
    work: impl FnOnce(HostSetup) -> F,
) -> T
where
    F: Future<Output = T>,
{
    let settings = Settings { purpose: Purpose::HostSetup, ..Settings::default() };
    let sessions = Arc::new(Sessions::new(Arc::clone(&keyring), host_keys, settings));
    let forwarding: Arc<dyn Forwarding> = Arc::<Sessions>::clone(&sessions);
    let setup = HostSetup::new(keyring, Arc::<Sessions>::clone(&sessions) as Arc<dyn SshSessions>, forwarding);
    let done = work(setup).await;
    sessions.shutdown().await;
    done
}

/// The same, for the API. What was begun goes on when the caller loses patience, but not beyond the end of the service.
pub(super) struct Hosts {
    pub(super) config: Config,
    pub(super) keys: KeyService,
    pub(super) instance: String,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
}

impl Hosts {
    fn parts(&self) -> (Arc<dyn Keyring>, HostKeys, CancellationToken) {
        let host_keys = host_keys(&self.config, &self.keys, &format!("instance {}", self.instance));
        (Arc::new(self.keys.clone()), host_keys, self.stop.clone())
    }
}

#[async_trait]
impl HostControl for Hosts {
    async fn setup(&self, order: Order) -> Result<SetupAnswer, Failure> {
        let (keyring, host_keys, stop) = self.parts();
        let work = move |setup: HostSetup| async move { stop.run_until_cancelled(setup.setup(&order)).await };
        let begun = self.tasks.spawn(with_host_setup(keyring, host_keys, work));
        begun.await.ok().flatten().ok_or_else(ending)?
    }

    async fn check(&self, request: CheckRequest) -> Result<CheckReport, Failure> {
        let (keyring, host_keys, stop) = self.parts();
        let work = move |setup: HostSetup| async move { stop.run_until_cancelled(setup.check(&request)).await };
        let begun = self.tasks.spawn(with_host_setup(keyring, host_keys, work));
        begun.await.ok().flatten().ok_or_else(ending)
    }
}

#[async_trait]
impl KeyList for KeyService {
    async fn keys(&self) -> Result<Vec<KeyRecord>, Failure> {
        Ok(self.list().await?)
    }
}

fn ending() -> Failure {
    Failure::new(FailureClass::ConnectionLost, "the service is ending", "ask again when it is back")
}
