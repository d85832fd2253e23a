//! What shell commands need from outside: processes whose streams come as they are written, and a place for what is saved.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use super::{AuditEntry, ProcessEnd, SshTarget};
use crate::domain::Failure;
use crate::domain::shell::{RunReport, RunsKept, SavedCommand, ShellHost, ShellName};

/// A command that runs on a host, with both of its streams.
///
/// Dropping `output` and `steps` closes the channel; the session stays.
pub struct ShellProcess {
    /// What it writes, in the order in which it came. Ends with the last of it. Who does not read holds up the others of
    /// the session.
    pub output: mpsc::Receiver<Piece>,
    /// What is to be done with it, in this order.
    pub steps: mpsc::Sender<Step>,
    /// Resolves when the channel is closed or the connection lost; its `stderr` is empty.
    pub ended: Pin<Box<dyn Future<Output = ProcessEnd> + Send>>,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Of standard output.
    Stdout(Bytes),
    /// Of standard error.
    Stderr(Bytes),
    /// It exited, or a signal ended it. Its streams may be open still: something that it started has them.
    Exited,
}

/// What is done with a command that takes too long. A server may not pass signals on: OpenSSH does not to root's commands
/// and to forced ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `SIGTERM` (RFC 4254 section 6.9).
    Terminate,
    /// `SIGKILL`.
    Kill,
    /// The channel is closed, whatever runs there.
    Close,
}

/// What a command is given on standard input, and from when on.
#[derive(Clone)]
pub struct Input {
    /// All of it.
    pub bytes: Arc<Zeroizing<Vec<u8>>>,
    /// It is sent once this is true; not at all when nobody can say so any more.
    pub may_go: watch::Receiver<bool>,
}

/// Runs commands with both streams, on sessions of their own class.
#[async_trait]
pub trait ShellSessions: Send + Sync {
    /// Starts `command` and gives it `input` to the end. Connects first if no session is warm; where the server allows no
    /// more channels, waits for one to be given back.
    ///
    /// # Errors
    /// As [`SshSessions::exec`](super::SshSessions::exec).
    async fn start(&self, target: &SshTarget, command: &str, input: Input) -> Result<ShellProcess, Failure>;
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellChanged {
    /// It is durable.
    Done,
    /// There is none of that name; nothing was changed.
    Absent,
    /// There is one of that name already; nothing was changed.
    NameTaken,
    /// These commands use the host; nothing was changed.
    InUse(Vec<String>),
    /// There is no such host; nothing was changed.
    NoHost,
}

/// Which past runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only those of this command.
    pub command: Option<String>,
    /// Only those on this host.
    pub host: Option<String>,
    /// Only those with a smaller number.
    pub before: Option<i64>,
    /// At most so many (100 when not given).
    pub limit: Option<u32>,
}

/// A past run, without its output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct RunRow {
    /// Its number.
    pub id: i64,
    /// When it began, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// See [`RunReport::command`].
    pub command: Option<String>,
    /// See [`RunReport::host`].
    pub host: String,
    /// See [`RunReport::by`].
    pub by: String,
    /// See [`HowEnded`](crate::domain::shell::HowEnded), in `snake_case`.
    pub ended: String,
    /// See [`RunReport::reason`].
    pub reason: Option<String>,
    /// See [`RunReport::duration_ms`].
    pub duration_ms: i64,
    /// The instance that had it run, where it was noted ahead; for whoever reads the store.
    #[serde(skip)]
    pub owner: Option<String>,
}

/// Keeps hosts and saved commands, and the runs. Every change of a host or a command comes with its audit row.
///
/// Errors are those of [`KeyRecords`](super::KeyRecords).
#[async_trait]
pub trait ShellRecords: RunRecords {
    /// Adds a host, which then uses its key; [`ShellChanged::NameTaken`].
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn add_host(&self, host: &ShellHost) -> Result<ShellChanged, Failure>;

    /// Changes a host; [`ShellChanged::Absent`].
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn change_host(&self, host: &ShellHost) -> Result<ShellChanged, Failure>;

    /// Removes a host; [`ShellChanged::InUse`] while commands are saved on it.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn remove_host(&self, name: &ShellName) -> Result<ShellChanged, Failure>;

    /// All hosts, sorted by name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn hosts(&self) -> Result<Vec<ShellHost>, Failure>;

    /// Saves a command: a new one ([`ShellChanged::NameTaken`]), or with `replace` one that is there
    /// ([`ShellChanged::Absent`]). [`ShellChanged::NoHost`].
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn save_command(&self, command: &SavedCommand, replace: bool) -> Result<ShellChanged, Failure>;

    /// Removes a command; its past runs stay.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn remove_command(&self, name: &ShellName) -> Result<ShellChanged, Failure>;

    /// All saved commands, sorted by name.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn commands(&self) -> Result<Vec<SavedCommand>, Failure>;

    /// The saved command of this name if there is one, with the host that it is saved on, or with all hosts.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn command_with_hosts(
        &self,
        name: &ShellName,
        all_hosts: bool,
    ) -> Result<(Option<SavedCommand>, Vec<ShellHost>), Failure>;
}

/// A run that begins.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// Tells it from all others: the name of the service that has it run, and a number of its own there. Noted twice with the
    /// same, it is noted once.
    pub key: &'a str,
    /// In milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// By then it has ended (milliseconds since the Unix epoch).
    pub until_ms: i64,
    /// The instance whose service it is.
    pub owner: &'a str,
    /// Its report, with what is known.
    pub report: &'a RunReport,
    /// Its audit row, as far as it is known.
    pub entry: &'a AuditEntry,
}

/// Keeps runs: that they began, durably before they can do anything, and what came of them, with an audit row each.
#[async_trait]
pub trait RunRecords: Send + Sync {
    /// Notes that a run begins. Answers its number, which is larger than those before.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn begin_run(&self, run: &NewRun<'_>) -> Result<i64, Failure>;

    /// Writes down what came of the run `id`, with its audit row; nothing if that is there already, unless it is
    /// [not known](crate::domain::shell::HowEnded::NotKnown). All see it at once, and a kill does not undo it; a power cut
    /// right after it may, and then it is not known.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn end_run(&self, id: i64, report: &RunReport, entry: &AuditEntry) -> Result<(), Failure>;

    /// Ends the runs of which nobody says any more what came of them, with an audit row each: those that other services of
    /// `owner` than `service` had run (one is there at a time), and those of other instances whose time is over.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn settle_runs(&self, owner: &str, service: &str) -> Result<(), Failure>;

    /// Forgets past runs that are not to be kept any more; never one under way.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn forget_runs(&self, kept: RunsKept) -> Result<(), Failure>;

    /// Past runs, newest first.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Failure>;

    /// What came of a past run.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn run(&self, id: i64) -> Result<Option<RunReport>, Failure>;
}
