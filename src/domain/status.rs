//! What a person or a program is told about the service: the shapes of `GET /api/v1/status`.

use serde::{Deserialize, Serialize};

use super::Failure;

/// The name of the repository that the environment gives.
pub const GLOBAL: &str = "global";

/// The whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The name of this instance.
    pub instance: String,
    /// Whether Git Sync is switched on.
    pub sync_enabled: bool,
    /// The file of `APPFERRY_CONFIG`, where one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigFileStatus>,
    /// One entry a repository.
    pub repositories: Vec<RepositoryStatus>,
}

/// The file that names more repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFileStatus {
    /// Where it is.
    pub path: String,
    /// When the version was read that counts now (RFC 3339).
    pub read: String,
    /// What is wrong with the version that is there now, if something is; the one before stays.
    pub errors: Vec<String>,
}

/// One repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryStatus {
    /// What it is called here: `global` for the one that the environment gives.
    #[serde(default)]
    pub name: String,
    /// The URL, without secrets.
    pub url: String,
    /// The branch that this instance follows.
    pub branch: String,
    /// The folder of the apps on this machine.
    pub apps_dir: String,
    /// The folder of the apps in the repository.
    pub prefix: String,
    /// Whether apps in Git are read-only on this instance.
    pub locked: bool,
    /// The key that opens it; `None` for a token or a path.
    pub key: Option<KeyStatus>,
    /// What it is doing.
    pub state: RepositoryState,
    /// `state` and its reason, in a sentence for people.
    pub summary: String,
    /// The newest commit here, pushed or not.
    pub local_tip: Option<String>,
    /// The newest commit known of the remote's branch.
    pub remote_tip: Option<String>,
    /// Commits made here that the remote does not have yet.
    pub unpushed: usize,
    /// When the last pass that reached the remote ended (RFC 3339).
    pub last_sync: Option<String>,
    /// The last error, as long as it stands.
    pub last_error: Option<ErrorStatus>,
    /// Things that work, but not as they should: `inotify` limits, a loose file mode, …
    pub notices: Vec<String>,
    /// One entry an app, sorted by name.
    pub apps: Vec<AppStatus>,
}

/// The key of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatus {
    /// Its name.
    pub name: String,
    /// `SHA256:…`; `None` while the name is not in the store.
    pub fingerprint: Option<String>,
    /// Where the name was found: `store`, `folder`, `vault`.
    pub source: Option<String>,
    /// While the key is being rotated: the fingerprint of the key before, which stays valid.
    #[serde(default)]
    pub previous: Option<String>,
}

/// What a repository is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepositoryState {
    /// The first pass has not ended yet.
    #[default]
    Starting,
    /// Both sides of every app are equal.
    InSync,
    /// All is well but for apps that wait: held, in conflict, changed here, behind. Each says why.
    AppsWaiting,
    /// Work is under way.
    Syncing,
    /// The remote does not answer; it is tried again.
    Offline,
    /// The host key, the key or the token is not accepted; it waits for a person.
    Blocked,
    /// The branch is not there although others are, or it was there before.
    BranchAbsent,
    /// The remote refuses what we push.
    Refused,
    /// The apps folder is not mounted, or the disk is full or not readable.
    DiskTrouble,
    /// Deletions wait for a person.
    HeldDeletions,
}

impl RepositoryState {
    /// Whether a failure stands.
    #[must_use]
    pub const fn is_failing(self) -> bool {
        matches!(self, Self::Offline | Self::Blocked | Self::BranchAbsent | Self::Refused | Self::DiskTrouble)
    }
}

/// An error, with when it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorStatus {
    /// Class, message and remedy.
    #[serde(flatten)]
    pub failure: Failure,
    /// Since when it stands (RFC 3339).
    pub since: String,
    /// When it is tried again (RFC 3339); `None` when that needs a person.
    pub next_try: Option<String>,
}

/// One app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatus {
    /// The name of its folder.
    pub name: String,
    /// How its two sides stand.
    pub state: AppState,
    /// Why, for the states that need a reason; also the second half of *modified, behind*.
    pub reason: Option<String>,
}

/// How the two sides of an app stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// Equal, but for volatile values.
    InSync,
    /// Changed here, not pushed yet.
    Modified,
    /// Here, not in Git, and not added by itself.
    Untracked,
    /// Changed in Git, not installed yet.
    Behind,
    /// Waits for something that the reason names.
    Held,
    /// Both sides changed the same thing; both are kept.
    Conflict,
    /// The history in Git was rewritten, and what was changed here does not merge with it; both are kept.
    Diverged,
    /// Changed here although the instance is locked.
    Drift,
}
