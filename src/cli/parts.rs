//! The real adapters, for `appferry check`.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::check::CheckParts;
use crate::config::{BaseConfig, Config, SyncConfig, account_name};
use crate::daemon::{host_keys, open_remote, open_sessions, with_given_passphrases};
use crate::domain::{Failure, FailureClass, KeyName};
use crate::git::local::LocalRepo;
use crate::keys::KeyService;
use crate::ports::{KeyUse, Keyring, LocalRepository, Remote, ResolvedKey};
use crate::ssh::{HostKeys, Sessions};

/// Opens the real key store and the real remote. A worker may run beside it: its repository is not touched.
pub(super) struct RealParts {
    base: BaseConfig,
    config: Option<Config>,
    /// Empty repositories for the time of the check: each remote needs one, though nothing is fetched.
    scratch: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    keys: Option<KeyService>,
    sessions: Option<Arc<Sessions>>,
    remotes: usize,
}

impl RealParts {
    /// For this data folder; `config` is there when the whole environment is right.
    pub(super) fn new(base: &BaseConfig, config: Option<&Config>) -> Self {
        let scratch = base.data_dir.join(format!("check-{}", std::process::id()));
        Self { base: base.clone(), config: config.cloned(), scratch, opened: Mutex::default() }
    }
}

#[async_trait]
impl CheckParts for RealParts {
    async fn keyring(&self) -> Result<Arc<dyn Keyring>, Failure> {
        let (keys, _notices) = KeyService::open(&self.base.keys, &account_name()).await?;
        let repositories = self.config.as_ref().map(Config::all_repositories).unwrap_or_default();
        let keys = with_given_passphrases(keys, &repositories);
        self.opened.lock().await.keys = Some(keys.clone());
        Ok(Arc::new(keys))
    }

    async fn remote(&self, sync: &SyncConfig, keyring: Option<Arc<dyn Keyring>>) -> Result<Arc<dyn Remote>, Failure> {
        let config =
            self.config.as_ref().ok_or_else(|| Failure::internal("a check of the remote needs a configuration"))?;
        let mut opened = self.opened.lock().await;
        let sessions = if let Some(sessions) = &opened.sessions {
            Arc::clone(sessions)
        } else {
            let host_keys = match &opened.keys {
                Some(keys) => host_keys(config, keys, &format!("check by {}", account_name())),
                None => HostKeys::new(config.known_hosts.clone()),
            };
            let keyring = keyring.unwrap_or_else(|| Arc::new(NoKeys));
            Arc::new(open_sessions(sync.poll_interval, keyring, host_keys))
        };
        opened.sessions = Some(Arc::clone(&sessions));
        opened.remotes += 1;
        let scratch = self.scratch.join(format!("{}.git", opened.remotes));
        drop(opened);
        let path = scratch.clone();
        let opened = tokio::task::spawn_blocking(move || LocalRepo::open_or_create(&path)).await;
        let local: Arc<dyn LocalRepository> = Arc::new(opened.map_err(Failure::internal)??);
        open_remote(sync, scratch, local, sessions)
    }

    async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().await);
        if let Some(sessions) = opened.sessions {
            sessions.shutdown().await;
        }
        if let Some(keys) = opened.keys {
            keys.close().await;
        }
        // Made by `remote`, if it came to that.
        let _absent = tokio::fs::remove_dir_all(&self.scratch).await;
    }
}

/// For a remote that needs no key: HTTPS, or a path.
struct NoKeys;

#[async_trait]
impl Keyring for NoKeys {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        Err(Failure::new(
            FailureClass::Key,
            format!("the key {name} cannot be read: the store is not open"),
            "mend the store first",
        ))
    }

    async fn record_use(&self, _name: &KeyName, _used: KeyUse) {}
}
