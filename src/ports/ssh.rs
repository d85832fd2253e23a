//! Commands on remote hosts over warm sessions.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{GitService, KeyVersion};
use crate::domain::{Failure, FailureClass, KeyName};

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
    /// Commands of people.
    Shell,
}

/// Which of the key pairs of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pair {
    /// The one that the name stands for.
    Current,
    /// The one before, which is there while a rotation is under way.
    Previous,
}

/// The key pair that let a command in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedKey {
    /// Which one.
    pub pair: Pair,
    /// Of which state of its name.
    pub version: KeyVersion,
}

impl UsedKey {
    /// Whether this is the new pair of a key that is being rotated, so that the one before could be used instead.
    #[must_use]
    pub const fn is_being_proved(&self) -> bool {
        matches!(self.pair, Pair::Current) && self.version.previous.is_some()
    }
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
    /// The key pair that the session was logged in with, where there is one.
    pub key: Option<UsedKey>,
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
    /// The server has not answered the command in any way. If only the channel was closed, it did not run; if the
    /// connection was lost, it may have run.
    pub unanswered: bool,
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

    /// As [`exec`](Self::exec), but as who the key pair before logs in, while the key is being rotated: for a command that was
    /// refused to the new pair.
    ///
    /// # Errors
    /// As [`exec`](Self::exec).
    async fn exec_with_previous(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        self.exec(target, class, command, env).await
    }

    /// Notes that the remote let the key pair `used` through to `service`: a rotation may have been seen to work.
    /// Does nothing for a key that is not being rotated, or for the pair before.
    async fn answered(&self, _target: &SshTarget, _used: &UsedKey, _service: GitService) {}

    /// A person asks for something now: what failed a moment ago is tried at once, though not more than once a second.
    fn try_at_once(&self, _target: &SshTarget) {}

    /// Opens a channel ahead on the warm session, so that the next [`exec`](Self::exec) of that class starts at once.
    /// Does nothing when no session is warm or one is already open ahead. Never fails: it is a wish.
    async fn open_ahead(&self, target: &SshTarget, class: SessionClass);
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
