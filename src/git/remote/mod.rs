//! Remote Git repositories, spoken to by hand.
//!
//! | file | what |
//! |---|---|
//! | `pkt_line`, `advertisement`, `ls_refs`, `side_band` | the wire's framing and first words |
//! | `upload_pack`, `indexer` | fetching: one request, one pack, stored whole or not at all |
//! | `receive_pack`, `outcome`, `pack` | pushing: commands, pack, report |
//! | `ssh`, `https`, `path` | the three ways to a repository, each a [`Remote`] |
//! | `error`, `words` | what went wrong, in words that say what to do |
//!
//! libgit2 stores and reads objects; its own transports are not used. One fetch request of our own costs one round trip
//! after the refs, serves SSH and HTTPS alike, and needs no unsafe registration of a transport.

mod advertisement;
mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod https;
mod indexer;
mod ls_refs;
mod oid;
mod outcome;
mod pack;
mod path;
mod pkt_line;
mod receive_pack;
mod refs;
mod side_band;
mod ssh;
mod upload_pack;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::domain::{BranchName, Failure, FailureClass, KeyName, RepoUrl};
use crate::ports::{LocalRepository, Remote, SshSessions, SshTarget};

/// How we name ourselves on the wire.
const AGENT: &str = concat!("appferry/", env!("CARGO_PKG_VERSION"));

/// What opens a remote repository.
#[derive(Clone, Debug)]
pub enum Access {
    /// A stored key, for SSH.
    Key(KeyName),
    /// An access token, for HTTPS.
    Token {
        /// Where it is.
        token: Token,
        /// The user name that goes with it: `x-access-token` for GitHub, `oauth2` for GitLab, `x-token-auth` for Bitbucket.
        /// `None` chooses by the host's name.
        user: Option<String>,
    },
    /// Nothing: a path, or a public repository.
    Nothing,
}

/// Where an access token comes from.
#[derive(Clone, Debug)]
pub enum Token {
    /// The token itself.
    Value(SecretString),
    /// A file that holds it, read again for each request.
    File(PathBuf),
}

/// How HTTPS is spoken.
#[derive(Clone, Debug, Default)]
pub struct Web {
    /// Certificates (DER) of authorities to trust beside those of the system.
    pub authorities: Vec<Vec<u8>>,
    /// What HTTPS goes through.
    pub proxy: Option<Proxy>,
}

/// A proxy: HTTP with `CONNECT`, or SOCKS.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its URL, perhaps with user name and password.
    pub url: SecretString,
    /// Its URL without them, for messages.
    pub shown: String,
    /// The hosts that are reached without it, as `NO_PROXY` lists them.
    pub except: String,
}

/// How long the other side may take.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// A whole poll, or a check of write access.
    pub poll: Duration,
    /// Between two signs of life while objects are on their way.
    pub idle: Duration,
    /// From the end of a pack to the server's report: hooks run in between.
    pub report: Duration,
    /// How long a push that was prepared ahead waits for its use.
    pub prepared: Duration,
    /// After a service refused the new pair of a key that is being rotated, how long the pair before is used there, and how
    /// long an answer to the new pair is not told again.
    pub rotation: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(30),
            idle: Duration::from_mins(2),
            report: Duration::from_mins(10),
            prepared: Duration::from_secs(10),
            rotation: Duration::from_mins(5),
        }
    }
}

/// All that a remote needs to know.
#[derive(Clone)]
pub struct Settings {
    /// The repository.
    pub url: RepoUrl,
    /// The branch to follow.
    pub branch: BranchName,
    /// The path of the bare repository here, which fetched objects go to and pushed ones come from.
    pub repository: PathBuf,
    /// The same repository, to be flushed before a push.
    pub local: Arc<dyn LocalRepository>,
    /// What SSH goes through.
    pub sessions: Arc<dyn SshSessions>,
    /// What opens the repository.
    pub access: Access,
    /// Whether pushes will ever come; else a rotated key works when it may read.
    pub writes: bool,
    /// How HTTPS is spoken.
    pub web: Web,
    /// How long things may take.
    pub limits: TimeLimits,
}

/// Opens a remote. Nothing is sent yet.
///
/// # Errors
/// [`FailureClass::Key`] when the credential does not fit the URL, [`FailureClass::RepositoryAbsent`] when the URL
/// cannot be used.
pub fn open(settings: Settings) -> Result<Arc<dyn Remote>, Failure> {
    match (settings.url.clone(), settings.access.clone()) {
        (RepoUrl::Ssh { user, host, port, path }, Access::Key(key)) => {
            Ok(Arc::new(ssh::SshRemote::new(settings, SshTarget { host, port, user, key }, &path)))
        }
        (RepoUrl::Ssh { .. }, _) => Err(Failure::new(
            FailureClass::Key,
            format!("{} is reached over SSH, and no key is named for it", settings.url),
            "name a stored key, or use the repository's https:// URL with a token",
        )),
        (RepoUrl::Https { url }, access) => Ok(Arc::new(https::HttpsRemote::new(settings, &url, access)?)),
        (RepoUrl::Path(path), _) => Ok(Arc::new(path::PathRemote::new(settings, path))),
    }
}

/// Runs what blocks on a thread where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::internal(format!("a blocking task broke: {error}"))))
}

/// Runs `work` for at most the time of a poll.
async fn within_poll_limit<T>(
    limits: TimeLimits,
    work: impl Future<Output = Result<T, Failure>> + Send,
) -> Result<T, Failure> {
    tokio::time::timeout(limits.poll, work)
        .await
        .unwrap_or_else(|_| Err(error::stalled(error::Asking::Read, limits.poll)))
}
