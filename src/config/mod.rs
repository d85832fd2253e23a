//! The only reader of the environment. A validated [`Config`] comes out, or every error at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::input::size::FileSize;
use crate::domain::patterns::Patterns;
use crate::domain::shell::RunsKept;
use crate::domain::tunnel::AllowedTargets;
use crate::domain::{BranchName, KeyName, OnProtected, RepoUrl};

mod account;
mod environment;
mod error;
mod events;
mod file;
mod input;
mod key_sources;
mod near;
mod reader;
mod sync;
mod tunnels;
mod variables;
mod web;

pub use account::account_name;
pub use environment::{DiskFiles, Environment};
pub use error::{ConfigError, ConfigErrors};
pub use file::{ConfigFile, FileContent, RepositoryConfig};
pub use reader::Files;
pub use tunnels::{TunnelConfig, not_allowed, parse_time};
pub use variables::{VARIABLES, Variable, own_variables_table};

/// Everything that can be set, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `APPFERRY_DATA_DIR`: store, local repositories, caches, journal.
    pub data_dir: PathBuf,
    /// `APPFERRY_LISTEN`: where the API listens, loopback by default.
    pub listen: SocketAddr,
    /// `APPFERRY_KNOWN_HOSTS`: a `known_hosts` file to trust beside the built-in keys.
    pub known_hosts: Option<PathBuf>,
    /// `APPFERRY_HOST_KEYS`: what becomes of a host that nobody has said anything of.
    pub host_keys: HostKeyPolicy,
    /// `APPFERRY_INSTANCE`: the name of this instance; `None` means the host's name at the first start.
    pub instance: Option<String>,
    /// `APPFERRY_LOG_FORMAT`: human-readable or JSON.
    pub log_format: LogFormat,
    /// Where the keys are, and what opens them.
    pub keys: KeyStoreConfig,
    /// Git Sync of the environment, when it is on.
    pub sync: Option<SyncConfig>,
    /// `APPFERRY_CONFIG`: more repositories, read again when the file changes.
    pub file: Option<ConfigFile>,
    /// What the file holds now.
    pub repositories: Vec<RepositoryConfig>,
    /// Tunnels: `APPFERRY_TUNNEL_<NAME>`, then those of the file as it is now.
    pub tunnels: Vec<TunnelConfig>,
    /// `APPFERRY_TUNNELS_ALLOWED`: where tunnels may lead to.
    pub allowed_targets: AllowedTargets,
    /// `APPFERRY_SHELL_RUNS_DAYS`, `APPFERRY_SHELL_RUNS_KEPT`: which past runs of shell commands are kept.
    pub shell_runs: RunsKept,
    /// `APPFERRY_UPLOAD_LIMIT`: the largest app that the API takes, in MiB.
    pub upload_mib: u32,
    /// Who is told of what happens, and who may hint.
    pub events: EventsConfig,
    /// Worth saying at the start, but no reason to stop.
    pub warnings: Vec<String>,
}

/// The part of the environment that commands need which do not sync: `keys`, `hosts`, `status`.
#[derive(Clone, Debug)]
pub struct BaseConfig {
    /// As [`Config::data_dir`].
    pub data_dir: PathBuf,
    /// As [`Config::known_hosts`], but the file may be missing.
    pub known_hosts: Option<PathBuf>,
    /// As [`Config::log_format`].
    pub log_format: LogFormat,
    /// As [`Config::keys`].
    pub keys: KeyStoreConfig,
    /// As [`Config::warnings`].
    pub warnings: Vec<String>,
}

impl Config {
    /// All repositories, that of the environment first.
    #[must_use]
    pub fn all_repositories(&self) -> Vec<RepositoryConfig> {
        let global = self.sync.clone().map(RepositoryConfig::of_the_environment);
        global.into_iter().chain(self.repositories.iter().cloned()).collect()
    }

    /// Reads the environment of this process.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::from_environment(&Environment::of_this_process(), &DiskFiles)
    }

    /// As [`from_env`](Self::from_env), but only what concerns the data folder: problems of `GIT_SYNC_…` do not matter.
    ///
    /// # Errors
    /// Everything that is wrong with that part, at once.
    pub fn for_keys() -> Result<BaseConfig, ConfigErrors> {
        BaseConfig::from_environment(&Environment::of_this_process(), &DiskFiles)
    }
}

/// What becomes of the key of a host that nobody has said anything of. A changed key is never trusted by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// It is refused until a person trusts it.
    #[default]
    Strict,
    /// It is trusted on first use.
    AcceptNew,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Where the keys are, and what opens them.
#[derive(Clone, Debug)]
pub struct KeyStoreConfig {
    /// As [`Config::data_dir`]: where the embedded store and its master key are, unless others are given.
    pub data_dir: PathBuf,
    /// `APPFERRY_DATABASE_URL(_FILE)`: a `PostgreSQL` database in place of the embedded store. It may hold a password.
    pub database: Option<SecretString>,
    /// Where the master keys are.
    pub master_keys: MasterKeySources,
    /// Where keys are found beside the store.
    pub sources: KeySourcesConfig,
}

impl KeyStoreConfig {
    /// The embedded store and master key of a data folder.
    #[must_use]
    pub fn embedded(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            database: None,
            master_keys: MasterKeySources::default(),
            sources: KeySourcesConfig::default(),
        }
    }
}

/// Where master keys are looked for, in this order.
#[derive(Clone, Debug, Default)]
pub struct MasterKeySources {
    /// `APPFERRY_MASTER_KEY_FILE`: one or more paths, separated by `:`.
    pub files: Vec<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY/appferry-master-key` of systemd, if that file is there.
    pub credential: Option<PathBuf>,
    /// `APPFERRY_MASTER_KEY`: hex or base64; works, and warns.
    pub variable: Option<SecretString>,
}

/// Where keys are found beside the store; both are only ever read.
#[derive(Clone, Debug, Default)]
pub struct KeySourcesConfig {
    /// `APPFERRY_KEYS_DIR`, or `/run/secrets` if it is there.
    pub folder: Option<PathBuf>,
    /// The key-value engine of a Vault or `OpenBao`, when `APPFERRY_VAULT_ADDR` is set.
    pub vault: Option<VaultSettings>,
}

/// A key-value engine (version 2) of `HashiCorp` Vault or `OpenBao`.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// `APPFERRY_VAULT_ADDR`: HTTPS, or plain HTTP on loopback; no user name, no query.
    pub address: String,
    /// `APPFERRY_VAULT_TOKEN(_FILE)`.
    pub token: TokenSource,
    /// `APPFERRY_VAULT_MOUNT`: one or more names, separated by `/`.
    pub mount: String,
    /// `APPFERRY_VAULT_PATH`: one or more names, separated by `/`.
    pub path: String,
    /// `APPFERRY_VAULT_NAMESPACE`: printable ASCII.
    pub namespace: Option<String>,
    /// The certificates (DER) in `APPFERRY_CA_FILE`, trusted beside those of the system.
    pub authorities: Vec<Vec<u8>>,
}

/// Git Sync for one repository.
#[derive(Clone, Debug)]
pub struct SyncConfig {
    /// The repository.
    pub url: RepoUrl,
    /// The branch this instance follows.
    pub branch: BranchName,
    /// What opens it.
    pub credential: Credential,
    /// Every local change is committed and pushed by itself.
    pub auto_save: bool,
    /// Apps that are in Git are read-only on this instance.
    pub locked: bool,
    /// A new app is added to Git by itself.
    pub auto_add: bool,
    /// `APPFERRY_AUTO_PULL`: where what arrives from Git is installed by itself.
    pub auto_pull: AutoPull,
    /// `APPFERRY_APPS_DIR`: the folder shared with the builder.
    pub apps_dir: PathBuf,
    /// `APPFERRY_PREFIX`: the folder of the apps in the repository; empty for its root.
    pub prefix: String,
    /// `APPFERRY_POLL_INTERVAL`: how often the branch is asked for.
    pub poll_interval: Duration,
    /// `APPFERRY_DEBOUNCE`: how long a file must have been quiet.
    pub debounce: Duration,
    /// `APPFERRY_FILE_MODE` for new files.
    pub file_mode: u32,
    /// `APPFERRY_DIR_MODE` for new folders.
    pub dir_mode: u32,
    /// `APPFERRY_AUTHOR_NAME`; `None` means `appferry`.
    pub author_name: Option<String>,
    /// `APPFERRY_AUTHOR_EMAIL`; `None` means `appferry@<instance>`.
    pub author_email: Option<String>,
    /// `GIT_PROVIDER`: chooses the HTTPS user name and the hints.
    pub provider: Option<Provider>,
    /// `APPFERRY_VOLATILE_KEYS`: top-level JSON keys whose newest value wins; `updated_time` by default.
    pub volatile_keys: Vec<String>,
    /// `APPFERRY_IDENTITY_FIELDS`: fields that name the elements of JSON arrays, the most telling first.
    pub identity_fields: Vec<String>,
    /// `APPFERRY_KEPT_DAYS`: days after which a kept-aside ref expires.
    pub kept_days: u32,
    /// What the builder writes: what is ignored, what is too large, what is secret.
    pub input: InputConfig,
    /// `APPFERRY_ON_PROTECTED`: what becomes of commits that the followed branch does not take.
    pub on_protected: OnProtected,
    /// How an HTTPS repository is reached.
    pub web: WebConfig,
}

/// What becomes of what the builder writes.
#[derive(Clone, Debug)]
pub struct InputConfig {
    /// `APPFERRY_SKIP_VOLATILE_SAVES`: a save that changes only volatile values waits for the next real one.
    pub skip_volatile_saves: bool,
    /// `APPFERRY_MAX_FILE_SIZE`: a new file above this holds its app.
    pub max_file_size: FileSize,
    /// What editors leave behind, and `APPFERRY_IGNORE`.
    pub ignore: Patterns,
    /// `APPFERRY_ALLOW_SECRETS`: files, as `app/path`, that may hold secrets.
    pub allow_secrets: Patterns,
}

/// Who is told of what happens, and who may hint that a branch moved.
#[derive(Clone, Debug, Default)]
pub struct EventsConfig {
    /// `APPFERRY_WEBHOOK_URL`.
    pub webhooks: Vec<WebhookConfig>,
    /// `APPFERRY_WEBHOOK_SECRET(_FILE)`.
    pub webhook_secret: Option<SecretString>,
    /// `APPFERRY_EVENT_COMMAND`.
    pub command: Option<CommandConfig>,
    /// `APPFERRY_EVENTS`: the kinds that webhooks and the program get; empty for all.
    pub kinds: BTreeSet<String>,
    /// `APPFERRY_HOOK_SECRET(_FILE)`.
    pub hook_secret: Option<SecretString>,
    /// How HTTPS receivers are reached.
    pub web: WebConfig,
}

/// Where events are posted to.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Its URL, in which there may be a secret.
    pub url: SecretString,
    /// Scheme, host and port.
    pub shown: String,
}

/// A program that is run for each event.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// Its path or name.
    pub program: String,
    /// What comes after it.
    pub arguments: Vec<String>,
    /// `APPFERRY_EVENT_TIMEOUT`.
    pub timeout: Duration,
    /// The names of the variables that it does not see.
    pub hidden: Vec<String>,
}

/// Where what arrives from Git is installed by itself; elsewhere it waits for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoPull {
    /// Everywhere.
    #[default]
    Always,
    /// On locked instances.
    Locked,
    /// Nowhere.
    Never,
}

impl AutoPull {
    /// Whether an instance that is `locked`, or not, installs by itself.
    #[must_use]
    pub const fn by_itself(self, locked: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Locked => locked,
            Self::Never => false,
        }
    }
}

/// How HTTPS remotes are reached.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// The certificates (DER) in `APPFERRY_CA_FILE`, trusted beside those of the system.
    pub authorities: Vec<Vec<u8>>,
    /// The proxy that `https_proxy`, `all_proxy` or the same in capitals name.
    pub proxy: Option<ProxyConfig>,
}

/// A proxy for HTTPS.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Its URL, which may hold a user name and a password.
    pub url: SecretString,
    /// Its URL without them.
    pub shown: String,
    /// `no_proxy`: the hosts that are reached without it.
    pub except: String,
}

/// What opens a repository.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A named key of the store (SSH), with the passphrase that its variable gave, if any.
    Key {
        /// Its name.
        name: KeyName,
        /// `GIT_SYNC_AUTH_SSH_KEY_PASSPHRASE(_FILE)`.
        passphrase: Option<SecretString>,
    },
    /// An access token (HTTPS).
    Token(TokenSource),
    /// Nothing (a path).
    None,
}

/// Where an access token comes from; a file is read again at each attempt.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// The variable's value.
    Value(SecretString),
    /// The file that `…_FILE` names.
    File(PathBuf),
}

/// A provider named by `GIT_PROVIDER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// GitHub: HTTPS user `x-access-token`.
    GitHub,
    /// GitLab: HTTPS user `oauth2`.
    GitLab,
    /// Bitbucket: HTTPS user `x-token-auth`.
    Bitbucket,
}
