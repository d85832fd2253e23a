//! The adapters, built from the configuration.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::home::Home;
use crate::config::{Config, Credential, HostKeyPolicy, Provider, RepositoryConfig, SyncConfig, TokenSource};
use crate::domain::merge::{IdentityFields, VolatileKeys};
use crate::domain::plan::Mode;
use crate::domain::status::KeyStatus;
use crate::domain::{AppName, Failure, KeyName};
use crate::git::local::LocalRepo;
use crate::git::remote::{self, Access, Proxy, TimeLimits, Token, Web};
use crate::keys::KeyService;
use crate::ports::{AuditLog, ChangeHints, EventLog, Hint, Keyring, LocalRepository, Remote, SshSessions, Workspace};
use crate::ssh::{HostKeys, Sessions};
use crate::sync::engine::{Engine, InputRules, Settings};
use crate::sync::single::{OneApp, single_prefix};
use crate::sync::worker::{Face, Handle, Pace, Turns, Worker};
use crate::watch::{Hints, WatchMode, Watcher, Watching};
use crate::workspace::{self, AppsFolder};

const PRUNE_EVERY: Duration = Duration::from_hours(24);
/// A push may come hours after the one before it, and shall find its connection warm.
const IDLE_CLOSE: Duration = Duration::from_hours(12);

/// Opens the key store, and says what is worth saying about it.
///
/// # Errors
/// That the store or its master keys cannot be used.
pub(super) async fn open_keys(config: &Config, home: &Home) -> anyhow::Result<KeyService> {
    let (keys, notices) = KeyService::open(&config.keys, &format!("instance {}", home.instance())).await?;
    for notice in notices {
        tracing::warn!("{notice}");
    }
    Ok(keys)
}

/// The service, knowing the passphrases that are given for the keys of these repositories.
#[must_use]
pub fn with_given_passphrases(keys: KeyService, repositories: &[RepositoryConfig]) -> KeyService {
    repositories.iter().fold(keys, |keys, repository| match &repository.sync.credential {
        Credential::Key { name, passphrase: Some(passphrase) } => {
            keys.with_passphrase(name.clone(), passphrase.clone())
        }
        _ => keys,
    })
}

/// The key that opens a repository, if one does.
pub(super) fn key_name(sync: &SyncConfig) -> Option<&KeyName> {
    match &sync.credential {
        Credential::Key { name, .. } => Some(name),
        Credential::Token(_) | Credential::None => None,
    }
}

/// The host keys that are trusted. `who` is who trusts the first key of an unknown host, where that is allowed.
#[must_use]
pub fn host_keys(config: &Config, keys: &KeyService, who: &str) -> HostKeys {
    let first_use_by = (config.host_keys == HostKeyPolicy::AcceptNew).then(|| who.to_owned());
    HostKeys::new(config.known_hosts.clone()).with_store(keys.host_trust(), first_use_by)
}

/// The pool of SSH sessions, for repositories that are asked for at least every `poll_interval`.
#[must_use]
pub fn open_sessions(poll_interval: Duration, keyring: Arc<dyn Keyring>, host_keys: HostKeys) -> Sessions {
    let idle_close = IDLE_CLOSE.max(poll_interval * 3);
    let settings = crate::ssh::Settings { idle_close, ..crate::ssh::Settings::default() };
    Sessions::new(keyring, host_keys, settings)
}

/// What the status says of a repository and what does not change.
pub(super) fn face(repository: &RepositoryConfig) -> Face {
    let sync = &repository.sync;
    Face {
        name: repository.name.clone(),
        url: sync.url.to_string(),
        branch: sync.branch.to_string(),
        apps_dir: sync.apps_dir.display().to_string(),
        prefix: sync.prefix.clone(),
        locked: sync.locked,
        key: key_name(sync).map(|name| KeyStatus { name: name.to_string(), ..KeyStatus::default() }),
    }
}

/// The worker of a repository, with everything it needs. Nothing is asked of the remote yet.
pub(super) async fn worker(
    repository: &RepositoryConfig,
    home: &Home,
    sessions: Arc<dyn SshSessions>,
    (audit, events): (Arc<dyn AuditLog>, Arc<dyn EventLog>),
    (turns, watching): (&Turns, &Watching),
) -> Result<(Worker, Handle), Failure> {
    let sync = &repository.sync;
    let folder = repository_folder(repository, home);
    let mut settings = engine_settings(repository, home);
    if let Some(app) = &repository.single {
        settings.prefix = single_prefix(&settings.prefix, app);
    }
    let disk = disk_settings(sync, &folder);
    let (path, single) = (folder.join("repo.git"), repository.single.clone());
    let opened = turns.run(move || open_engine(&path, disk, settings, single)).await;
    let (engine, local) = opened.map_err(|_| Failure::internal("opening the repository broke off"))??;
    let remote = open_remote(sync, folder.join("repo.git"), local, sessions)?;
    let (watcher, hints) =
        watching.watch(sync.apps_dir.clone()).map_err(|error| Failure::disk("cannot watch the apps folder", &error))?;
    let pace = Pace { poll_interval: sync.poll_interval, debounce: sync.debounce };
    let hints = Box::new(FolderHints { watcher, hints, only: repository.single.clone() });
    let (worker, handle) = Worker::new(engine, (remote, audit, events), hints, face(repository), pace);
    Ok((worker.in_turns(turns.clone()), handle))
}

/// State is kept by URL, branch, prefix and folder: with another of any of them, the bases mean nothing (rule 1).
pub(super) fn repository_folder(repository: &RepositoryConfig, home: &Home) -> PathBuf {
    let sync = &repository.sync;
    let apps_dir = std::path::absolute(&sync.apps_dir).unwrap_or_else(|_| sync.apps_dir.clone());
    let mut identity = format!("{}\n{}\n{}\n{}", sync.url, sync.branch, sync.prefix, apps_dir.display());
    if let Some(app) = &repository.single {
        identity = format!("{identity}\n{app}");
    }
    let digest = Sha256::digest(identity.as_bytes());
    let short = digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    home.folder().join("repositories").join(format!("{short:016x}"))
}

/// Somebody may ask or save meanwhile, and shall not wait longer.
const INSTALL_FOR: Duration = Duration::from_secs(2);

fn engine_settings(repository: &RepositoryConfig, home: &Home) -> Settings {
    let sync = &repository.sync;
    let instance = home.instance().to_owned();
    Settings {
        mode: Mode {
            locked: sync.locked,
            auto_save: sync.auto_save,
            auto_add: sync.auto_add,
            auto_pull: sync.auto_pull.by_itself(sync.locked),
        },
        branch: sync.branch.clone(),
        prefix: sync.prefix.clone(),
        author_name: sync.author_name.clone().unwrap_or_else(|| "appferry".to_owned()),
        author_email: sync.author_email.clone().unwrap_or_else(|| format!("appferry@{instance}")),
        instance,
        debounce: sync.debounce,
        install_for: INSTALL_FOR,
        volatile_keys: VolatileKeys::new(sync.volatile_keys.clone()),
        identity_fields: IdentityFields::new(sync.identity_fields.clone()),
        kept_days: sync.kept_days,
        filter: repository.filter.clone(),
        input: InputRules {
            skip_volatile_saves: sync.input.skip_volatile_saves,
            largest_file: sync.input.max_file_size,
            allow_secrets: sync.input.allow_secrets.clone(),
        },
        on_protected: sync.on_protected,
    }
}

fn disk_settings(sync: &SyncConfig, folder: &std::path::Path) -> workspace::Settings {
    workspace::Settings {
        apps_dir: sync.apps_dir.clone(),
        data: folder.join("disk"),
        debounce: sync.debounce,
        file_mode: sync.file_mode,
        dir_mode: sync.dir_mode,
        ignore: sync.input.ignore.clone(),
        largest_file: sync.input.max_file_size,
    }
}

fn open_engine(
    path: &std::path::Path,
    disk: workspace::Settings,
    settings: Settings,
    single: Option<AppName>,
) -> Result<(Engine, Arc<dyn LocalRepository>), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::disk(format!("cannot make {}", folder.display()), &error))?;
    }
    let local: Arc<dyn LocalRepository> = Arc::new(LocalRepo::open_or_create(path)?);
    let folder = AppsFolder::open(disk, Arc::clone(&local))?.only(settings.filter.clone());
    let workspace: Box<dyn Workspace> = match single {
        None => Box::new(folder),
        Some(app) => {
            let name = path.parent().and_then(|folder| folder.file_name()).unwrap_or_default().to_string_lossy();
            Box::new(OneApp::new(Box::new(folder.shared_as(&name)), Arc::clone(&local), app))
        }
    };
    let engine = Engine::open(Arc::clone(&local), workspace, settings)?;
    Ok((engine, local))
}

/// The remote that the configuration names. Nothing is sent yet.
///
/// # Errors
/// That the URL or the credential cannot be used.
pub fn open_remote(
    sync: &SyncConfig,
    repository: PathBuf,
    local: Arc<dyn LocalRepository>,
    sessions: Arc<dyn SshSessions>,
) -> Result<Arc<dyn Remote>, Failure> {
    remote::open(remote::Settings {
        url: sync.url.clone(),
        branch: sync.branch.clone(),
        repository,
        local,
        sessions,
        access: access(sync),
        writes: !sync.locked,
        web: web(sync),
        limits: TimeLimits::default(),
    })
}

fn access(sync: &SyncConfig) -> Access {
    let user = sync.provider.map(|provider| match provider {
        Provider::GitHub => "x-access-token".to_owned(),
        Provider::GitLab => "oauth2".to_owned(),
        Provider::Bitbucket => "x-token-auth".to_owned(),
    });
    match &sync.credential {
        Credential::Key { name, .. } => Access::Key(name.clone()),
        Credential::Token(TokenSource::Value(token)) => Access::Token { token: Token::Value(token.clone()), user },
        Credential::Token(TokenSource::File(path)) => Access::Token { token: Token::File(path.clone()), user },
        Credential::None => Access::Nothing,
    }
}

fn web(sync: &SyncConfig) -> Web {
    let proxy = sync.web.proxy.clone();
    Web {
        authorities: sync.web.authorities.clone(),
        proxy: proxy.map(|proxy| Proxy { url: proxy.url, shown: proxy.shown, except: proxy.except }),
    }
}

/// Adds to the status what the store knows of the key now: it may be made, or rotated, at any time.
pub(super) async fn describe_key(key: &mut KeyStatus, keys: &KeyService) {
    let Ok(name) = KeyName::new(key.name.as_str()) else { return };
    if let Ok(found) = keys.version(&name).await {
        key.fingerprint = Some(found.fingerprint);
        key.source = Some(found.source.to_owned());
        key.previous = found.previous;
    }
}

/// Deletes audit rows that are old enough, once a day: the service may run for years.
pub(super) async fn prune_daily(audit: Arc<dyn AuditLog>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(PRUNE_EVERY)).await.is_some() {
        if let Err(failure) = audit.prune().await {
            tracing::warn!(%failure, "old rows of the audit log could not be deleted; it is tried again tomorrow");
        }
    }
}

/// The watcher of the apps folder, as the worker wants it.
struct FolderHints {
    watcher: Watcher,
    hints: Hints,
    /// The app that the repository is, where it is one.
    only: Option<AppName>,
}

#[async_trait]
impl ChangeHints for FolderHints {
    async fn next(&mut self) -> Hint {
        loop {
            match (self.hints.next().await, &self.only) {
                (Hint::Apps(apps), Some(only)) if !apps.contains(only) => {}
                (Hint::Apps(_), Some(only)) => return Hint::Apps(BTreeSet::from([only.clone()])),
                (hint, _) => return hint,
            }
        }
    }

    fn rescan_every(&self) -> Duration {
        self.watcher.mode().interval()
    }

    fn notice(&self) -> Option<String> {
        match self.watcher.mode() {
            WatchMode::Inotify => None,
            WatchMode::Polling { reason, every } => {
                Some(format!("changes are found by scanning every {} s: {reason}", every.as_secs()))
            }
        }
    }
}
