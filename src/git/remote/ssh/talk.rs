//! One Git command on a remote host, with its streams and its end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::super::error::{Asking, WireError, explain};
use super::super::pkt_line::PacketReader;
use crate::domain::Failure;
use crate::ports::{Pair, ProcessEnd, RemoteProcess, SessionClass, SshSessions, SshTarget, UsedKey};

/// How long a command that failed may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The command's standard input.
pub(super) struct Input {
    stream: Pin<Box<dyn AsyncWrite + Send>>,
    idle: Duration,
}

impl Input {
    /// Sends all of `bytes` on their way.
    ///
    /// # Errors
    /// [`WireError::Stalled`], [`WireError::Io`].
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let work = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        Ok(tokio::time::timeout(self.idle, work).await.map_err(|_| WireError::Stalled(self.idle))??)
    }
}

/// A command that did not do what was asked.
pub(super) struct Failed {
    pub(super) failure: Failure,
    unanswered: bool,
}

impl Failed {
    /// Whether to start the command again: once, if the server has not answered it at all. The channel or the session was
    /// gone before, and a question does no harm when it is asked twice.
    ///
    /// # Errors
    /// The failure, if not.
    pub(super) fn start_again(self, started_again: &mut bool) -> Result<(), Failure> {
        if !self.unanswered || std::mem::replace(started_again, true) {
            return Err(self.failure);
        }
        tracing::debug!(failure = %self.failure, "the server did not answer the command: starting it again");
        Ok(())
    }
}

/// A running command.
pub(super) struct Talk {
    pub(super) input: Input,
    pub(super) output: PacketReader<Pin<Box<dyn AsyncRead + Send>>>,
    ended: Pin<Box<dyn Future<Output = ProcessEnd> + Send>>,
    pub(super) asking: Asking,
    /// The key pair that let it in.
    pub(super) key: Option<UsedKey>,
    /// The service has begun to answer.
    pub(super) answered: bool,
}

impl Talk {
    /// Starts `asking`'s command on the repository at `path`, let in by `pair`.
    ///
    /// # Errors
    /// That of the session.
    pub(super) async fn start(
        sessions: &dyn SshSessions,
        (target, class, pair): (&SshTarget, SessionClass, Pair),
        (asking, path): (Asking, &str),
        version_2: bool,
        idle: Duration,
    ) -> Result<Self, Failure> {
        let command = format!("{} {}", asking.service(), quoted(path));
        let env: &[(&str, &str)] = if version_2 { &[("GIT_PROTOCOL", "version=2")] } else { &[] };
        let started = match pair {
            Pair::Current => sessions.exec(target, class, &command, env).await,
            Pair::Previous => sessions.exec_with_previous(target, class, &command, env).await,
        };
        let RemoteProcess { stdin, stdout, ended, preopened, key } = started?;
        tracing::debug!(service = asking.service(), preopened, "started");
        let output = PacketReader::new(stdout, idle);
        Ok(Self { input: Input { stream: stdin, idle }, output, ended, asking, key, answered: false })
    }

    /// Ends the command, and says what its failure means, in its own words where it has some.
    pub(super) async fn explain(self, error: WireError) -> Failed {
        let asking = self.asking;
        let end = self.end().await;
        Failed { unanswered: end.unanswered, failure: explain(error, asking, &end) }
    }

    /// Ends the command, and waits a little for how it ended.
    pub(super) async fn end(self) -> ProcessEnd {
        let Self { input, output, ended, .. } = self;
        // The end is only reported once nobody can read the output any more.
        drop((input, output));
        tokio::time::timeout(LAST_WORDS, ended).await.unwrap_or_default()
    }
}

/// `path` as one word of a POSIX shell, quoted as Git quotes it (`sq_quote_buf` in git's `quote.c`).
fn quoted(path: &str) -> String {
    let mut word = String::with_capacity(path.len() + 2);
    word.push('\'');
    for c in path.chars() {
        if matches!(c, '\'' | '!') {
            word.extend(['\'', '\\', c, '\'']);
        } else {
            word.push(c);
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        assert_eq!(quoted("team/apps.git"), "'team/apps.git'");
        assert_eq!(quoted("it's; rm -rf $HOME!"), r"'it'\''s; rm -rf $HOME'\!''");
    }
}
