//! What the services need from outside. The adapters implement these; tests may too.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::domain::{AppName, Failure, FailureClass, KeyName, ObjectId, TreeEntry};

mod records;

pub use records::{Added, Canary, KeyRecords, KeyRow, MasterKeysInUse, NewKey, SealedKey, SealedMaterial};

// ---------------------------------------------------------------- keys

/// A key that a name was resolved to, with its private half.
#[derive(Clone)]
pub struct ResolvedKey {
    /// The name it was asked for by.
    pub name: KeyName,
    /// Counts up with each rotation; a session belongs to one generation.
    pub generation: u32,
    /// The private key as unencrypted OpenSSH PEM.
    pub private_pem: SecretString,
    /// The public key line, `ssh-ed25519 AAAA… name`.
    pub public_line: String,
    /// The fingerprint, `SHA256:…`.
    pub fingerprint: String,
    /// Where it came from, for the status: `store`.
    pub source: &'static str,
}

/// Finds keys by name.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// The key of exactly this name.
    ///
    /// # Errors
    /// [`FailureClass::Key`], naming the keys there are and a near miss.
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure>;

    /// Notes that a key was used for a login: one row a login, not a poll.
    async fn record_use(&self, name: &KeyName, used: KeyUse);
}

/// One use of a key, for the audit log.
#[derive(Clone, Debug)]
pub struct KeyUse {
    /// What for, and where: `git git@host:22`.
    pub purpose: String,
    /// The fingerprint of the host key that the server proved.
    pub host_key: Option<String>,
    /// `ok`, or the failure's class in words.
    pub outcome: String,
}

// ---------------------------------------------------------------- SSH

/// Where an SSH session goes and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SshTarget {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The account on that host.
    pub user: String,
    /// The stored key to log in with.
    pub key: KeyName,
}

/// What a session carries. Classes have connections of their own: one unread channel stalls all others of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionClass {
    /// Polls and short commands.
    Control,
    /// Fetches and pushes.
    Bulk,
}

/// A command running on a remote host.
///
/// Dropping it closes the channel; the session stays.
pub struct RemoteProcess {
    /// What is written here is the command's standard input; shut it down to send end-of-file.
    pub stdin: Pin<Box<dyn AsyncWrite + Send>>,
    /// The command's standard output.
    pub stdout: Pin<Box<dyn AsyncRead + Send>>,
    /// Resolves when the peer closed the channel or the connection was lost. Resolves even if nobody reads `stdout`
    /// to its end only after `stdout` is dropped.
    pub ended: Pin<Box<dyn Future<Output = ProcessEnd> + Send>>,
    /// Whether the channel had been opened ahead, so that the command went out at once.
    pub preopened: bool,
}

/// How a remote command ended.
#[derive(Clone, Debug, Default)]
pub struct ProcessEnd {
    /// The exit status, if the server sent one.
    pub exit_status: Option<u32>,
    /// The signal that ended it, without `SIG`, if the server said so.
    pub signal: Option<String>,
    /// The first 64 KiB of standard error.
    pub stderr: Vec<u8>,
    /// The connection was lost before the channel was closed.
    pub connection_lost: bool,
}

/// Runs commands on remote hosts over warm sessions.
#[async_trait]
pub trait SshSessions: Send + Sync {
    /// Starts `command` (one string, as RFC 4254 section 6.5 sends it) with the environment variables `env` asked for
    /// (servers may ignore them). Connects first if no session is warm.
    ///
    /// # Errors
    /// A [`Failure`] of the classes name lookup, connect, time-out, host key, authentication, channel refused, key.
    async fn exec(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure>;

    /// Opens a channel ahead on the warm session, so that the next [`exec`](Self::exec) of that class starts at once.
    /// Does nothing when no session is warm or one is already open ahead. Never fails: it is a wish.
    async fn open_ahead(&self, target: &SshTarget, class: SessionClass);
}

// ---------------------------------------------------------------- the local repository

/// A commit, as far as the services look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The root tree.
    pub tree: ObjectId,
    /// Parents, first parent first.
    pub parents: Vec<ObjectId>,
    /// Who made the change.
    pub author: Signature,
    /// Who recorded it.
    pub committer: Signature,
    /// The whole message.
    pub message: String,
}

/// Name, address and time of an author or committer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Seconds since the Unix epoch.
    pub seconds: i64,
    /// Minutes east of UTC.
    pub offset_minutes: i32,
}

/// One ref to move, all or nothing with the others of the same call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEdit {
    /// The full name, `refs/…`.
    pub name: String,
    /// Where it shall point; `None` deletes it.
    pub to: Option<ObjectId>,
}

/// The bare repository in the data folder. All calls block: use them from a blocking thread.
///
/// What is written becomes durable at the next [`flush`](Self::flush) or [`edit_refs`](Self::edit_refs), and can be read back at once.
/// Errors are of class [`FailureClass::Disk`] (full, read-only, not readable) or [`FailureClass::Internal`] (an object is
/// missing or damaged).
pub trait LocalRepository: Send + Sync {
    /// The entries of a tree, in Git's order.
    ///
    /// # Errors
    /// Disk or internal.
    fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, Failure>;

    /// The bytes of a blob.
    ///
    /// # Errors
    /// Disk or internal.
    fn blob(&self, id: ObjectId) -> Result<Vec<u8>, Failure>;

    /// A commit.
    ///
    /// # Errors
    /// Disk or internal.
    fn commit(&self, id: ObjectId) -> Result<Commit, Failure>;

    /// Whether the object is here.
    ///
    /// # Errors
    /// Disk.
    fn contains(&self, id: ObjectId) -> Result<bool, Failure>;

    /// Stores a blob, unless it is here already.
    ///
    /// # Errors
    /// Disk.
    fn write_blob(&self, bytes: &[u8]) -> Result<ObjectId, Failure>;

    /// Stores a tree, unless it is here already. The entries may come in any order.
    ///
    /// # Errors
    /// Disk; internal if a name is empty or given twice.
    fn write_tree(&self, entries: &[TreeEntry]) -> Result<ObjectId, Failure>;

    /// Stores a commit.
    ///
    /// # Errors
    /// Disk.
    fn write_commit(&self, commit: &Commit) -> Result<ObjectId, Failure>;

    /// Makes all that was written durable.
    ///
    /// # Errors
    /// Disk: what was written stays readable and is tried again at the next call.
    fn flush(&self) -> Result<(), Failure>;

    /// Where a ref points.
    ///
    /// # Errors
    /// Disk.
    fn find_ref(&self, name: &str) -> Result<Option<ObjectId>, Failure>;

    /// All refs below `prefix` (which ends with `/`), sorted by name.
    ///
    /// # Errors
    /// Disk.
    fn list_refs(&self, prefix: &str) -> Result<Vec<(String, ObjectId)>, Failure>;

    /// Flushes, then moves the refs, in the order given.
    ///
    /// # Errors
    /// Disk: a tail of the edits may not have been made.
    fn edit_refs(&self, edits: &[RefEdit]) -> Result<(), Failure>;

    /// Whether `descendant` is `ancestor` or has it among its ancestors.
    ///
    /// # Errors
    /// Disk or internal.
    fn descends_from(&self, descendant: ObjectId, ancestor: ObjectId) -> Result<bool, Failure>;

    /// Packs what is reachable and deletes what that covers, when there is much of it (above 2,000 loose objects or 20
    /// packs). Answers whether it did.
    ///
    /// # Errors
    /// Disk: the repository stays as it was.
    fn maintain(&self) -> Result<bool, Failure>;
}

// ---------------------------------------------------------------- the remote

/// What a poll of the branch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteTip {
    /// The branch points here.
    At(ObjectId),
    /// The repository has no branch at all.
    Unborn,
    /// The branch is not there, but these are (short names, sorted).
    Absent(Vec<String>),
}

/// One ref of a push: a compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name, `refs/heads/…`.
    pub name: String,
    /// Where the remote's ref must point for the update to happen; `None`: it must not exist.
    pub expected: Option<ObjectId>,
    /// Where it shall point.
    pub new: ObjectId,
}

/// What became of one ref of a push, by the server's own report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefOutcome {
    /// The ref points at the new commit.
    Accepted,
    /// Somebody else moved the ref first: fetch, merge, try again.
    Moved,
    /// The server refused, in these words (report and hook output, without colours and control characters).
    Refused(String),
}

/// Why a push has no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushError {
    /// Nothing reached the server's refs.
    NotSent(Failure),
    /// The connection was lost after the pack was sent: whether the refs moved is only known after a fetch.
    Unknown(Failure),
}

/// The branch of a repository somewhere else.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Where the branch is now: one cheap question.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    async fn poll(&self) -> Result<RemoteTip, Failure>;

    /// Brings the branch's commit, and all that it reaches, into the local repository. Answers what the branch was at
    /// when the objects were sent, which may be newer than the last poll. Moves no ref of ours.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    async fn fetch(&self) -> Result<RemoteTip, Failure>;

    /// Sends the objects that the remote lacks and asks it to move the refs. The caller has proved that each `new`
    /// descends from its `expected`.
    ///
    /// Answers one outcome for each update, in the same order.
    ///
    /// # Errors
    /// [`PushError`] tells a push that was never sent from one whose outcome is unknown.
    async fn push(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError>;

    /// A push is likely within seconds: lets the remote get ready for it, in the background. Never fails: it is a wish.
    async fn prepare_push(&self) {}

    /// Asks the remote whether this credential may push, without pushing.
    ///
    /// # Errors
    /// A [`Failure`], mostly [`FailureClass::Refused`].
    async fn check_write(&self) -> Result<(), Failure>;
}

// ---------------------------------------------------------------- the apps folder

/// What a look at one app's folder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppOnDisk {
    /// No such folder.
    Absent,
    /// A folder without a single file.
    Empty,
    /// Something was written within the debounce time; look again after this long.
    Busy(Duration),
    /// Quiet, and stored in the local repository as this tree.
    Settled(ObjectId),
    /// It cannot be read as an app: the path inside the app, and why (a link, a name that is not UTF-8, …).
    Unreadable {
        /// Relative to the app's folder.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// What a look at the whole apps folder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderOnDisk {
    /// The folder is there; these are its apps.
    Apps {
        /// Every folder with a valid name, sorted by name.
        apps: Vec<(AppName, AppOnDisk)>,
        /// Names that cannot be apps, each with what is wrong.
        refused: Vec<(String, String)>,
    },
    /// The folder is missing, or another file system than before is (or was) mounted there: what is gone is not deleted.
    NotMounted(String),
}

/// What may have changed in the apps folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// These apps.
    Apps(BTreeSet<AppName>),
    /// Anything.
    Everything,
}

/// Tells of changes in the apps folder. A hint may be missing: a rescan finds what it did not tell of.
#[async_trait]
pub trait ChangeHints: Send {
    /// The next hint; waits for it. Safe to be dropped while it waits.
    async fn next(&mut self) -> Hint;

    /// How often the whole folder is to be looked at beside the hints.
    fn rescan_every(&self) -> Duration;

    /// Why changes are found by scanning alone, if they are.
    fn notice(&self) -> Option<String>;
}

/// How an install ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The app's folder is wholly at the wanted tree.
    Done,
    /// Somebody saved in between; what they saved is untouched. Look and plan again.
    Disturbed,
}

/// The folder that the builder and this service share. All calls block.
pub trait Workspace: Send {
    /// Looks at every app.
    ///
    /// # Errors
    /// [`FailureClass::Disk`].
    fn look_at_all(&mut self) -> Result<FolderOnDisk, Failure>;

    /// Looks at one app.
    ///
    /// # Errors
    /// [`FailureClass::Disk`].
    fn look_at(&mut self, app: &AppName) -> Result<AppOnDisk, Failure>;

    /// Brings the app's folder from tree `from` (what the plan was made from; `None`: no folder) to tree `to` (`None`: delete it).
    ///
    /// # Errors
    /// [`FailureClass::Disk`]: the journal keeps the rest for [`recover`](Self::recover) or the next call.
    fn install(&mut self, app: &AppName, from: Option<ObjectId>, to: Option<ObjectId>) -> Result<Installed, Failure>;

    /// Rolls forward the installs that a crash interrupted. Answers the apps that were touched.
    ///
    /// # Errors
    /// [`FailureClass::Disk`].
    fn recover(&mut self) -> Result<Vec<AppName>, Failure>;

    /// Writes the stat cache, if it changed.
    ///
    /// # Errors
    /// [`FailureClass::Disk`]: only time is lost.
    fn save_cache(&mut self) -> Result<(), Failure>;
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        match error {
            PushError::NotSent(failure) | PushError::Unknown(failure) => failure,
        }
    }
}

/// A failure of class [`FailureClass::ConnectionLost`].
#[must_use]
pub fn connection_lost(doing: &str) -> Failure {
    Failure::new(
        FailureClass::ConnectionLost,
        format!("the connection was lost while {doing}"),
        "nothing to do: it is tried again by itself",
    )
}
