//! What came of a run.

use serde::{Deserialize, Serialize};

use super::output::Output;
use super::rows::Row;
use crate::domain::Failure;

/// What came of one run on one host. The default is one that has not begun.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Its number among the past runs; `None` if it could not be written down yet.
    pub id: Option<i64>,
    /// The saved command; `None` for one that was given with the question.
    pub command: Option<String>,
    /// The host.
    pub host: String,
    /// Who asked: `admin` or `runner`.
    pub by: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// How long it took, waiting for its turn left out.
    pub duration_ms: u64,
    /// How it ended.
    pub ended: HowEnded,
    /// Why it counts as failed, in words; `None` if all is well.
    pub reason: Option<String>,
    /// The exit code, where there is one.
    pub exit_code: Option<u32>,
    /// The signal that ended it, without `SIG`.
    pub signal: Option<String>,
    /// Standard output as rows.
    pub rows: Vec<Row>,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// Why it did not run, or what became of the connection.
    pub failure: Option<Failure>,
}

/// Which past runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunsKept {
    /// Those of so many days.
    pub days: u32,
    /// The newest, at most so many.
    pub most: u32,
}

impl Default for RunsKept {
    fn default() -> Self {
        Self { days: 30, most: 10_000 }
    }
}

/// How a run ended, if it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HowEnded {
    /// It exited, and nothing counts as failure.
    Ok,
    /// It exited, and something counts as failure.
    Failed,
    /// A signal ended it.
    Killed,
    /// It took too long, and was ended.
    TimedOut,
    /// appferry was stopped while it ran, and ended it.
    Stopped,
    /// The connection was lost while it ran: it may go on there.
    ConnectionLost,
    /// It did not begin.
    #[default]
    NotRun,
    /// It has not ended.
    Running,
    /// appferry ended while it ran, or what came of it could not be written: it may have run to its end there.
    NotKnown,
}

impl HowEnded {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::TimedOut => "timed out",
            Self::Stopped => "stopped",
            Self::ConnectionLost => "connection lost",
            Self::NotRun => "not run",
            Self::Running => "running",
            Self::NotKnown => "not known",
        }
    }
}

impl RunReport {
    /// Whether nothing counts as failure.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.ended == HowEnded::Ok
    }
}
