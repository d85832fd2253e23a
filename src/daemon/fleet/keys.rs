//! The key store, as the repositories use it: together, and each under its own name.

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::config::RepositoryConfig;
use crate::daemon::parts;
use crate::domain::{Failure, KeyName};
use crate::keys::KeyService;
use crate::ports::{
    GitService, KeyUse, KeyVersion, Keyring, RemoteProcess, ResolvedKey, SessionClass, SshSessions, SshTarget, UsedKey,
};
use crate::ssh::Sessions;

/// The key store, with the passphrases that are given now.
pub(in crate::daemon) struct FleetKeys {
    plain: KeyService,
    now: RwLock<KeyService>,
}

impl FleetKeys {
    pub(in crate::daemon) fn new(keys: KeyService) -> Self {
        Self { now: RwLock::new(keys.clone()), plain: keys }
    }

    pub(super) fn know_passphrases(&self, repositories: &[RepositoryConfig]) {
        let known = parts::with_given_passphrases(self.plain.clone(), repositories);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    pub(in crate::daemon) fn service(&self) -> KeyService {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Keyring for FleetKeys {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        self.service().resolve(name).await
    }

    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        self.service().version(name).await
    }

    async fn record_use(&self, name: &KeyName, used: KeyUse) {
        self.service().record_use(name, used).await;
    }

    async fn record_answer(&self, name: &KeyName, version: &KeyVersion, service: GitService) {
        self.service().record_answer(name, version, service).await;
    }
}

/// The sessions of all, as one repository uses them: what its remote answered counts for it alone (rule 23).
pub(super) struct OwnSessions {
    pool: Arc<Sessions>,
    keys: Arc<FleetKeys>,
    user: String,
}

impl OwnSessions {
    pub(super) fn new(pool: Arc<Sessions>, keys: Arc<FleetKeys>, user: String) -> Self {
        Self { pool, keys, user }
    }
}

#[async_trait]
impl SshSessions for OwnSessions {
    async fn exec(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        self.pool.exec(target, class, command, env).await
    }

    async fn exec_with_previous(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        self.pool.exec_with_previous(target, class, command, env).await
    }

    async fn answered(&self, target: &SshTarget, used: &UsedKey, service: GitService) {
        if used.is_being_proved() {
            let keys = self.keys.service().on_behalf_of(&self.user);
            keys.record_answer(&target.key, &used.version, service).await;
        }
    }

    fn try_at_once(&self, target: &SshTarget) {
        self.pool.try_at_once(target);
    }

    async fn open_ahead(&self, target: &SshTarget, class: SessionClass) {
        self.pool.open_ahead(target, class).await;
    }
}
