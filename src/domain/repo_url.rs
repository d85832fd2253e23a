//! The address of a repository, in every form that people write.

use std::fmt;
use std::path::PathBuf;

use super::failure::{Failure, FailureClass};

mod authority;
mod parse;
mod percent;
mod secret;

/// The address of a repository. It holds no secret, and nothing in it can be taken for an option or a shell word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RepoUrl {
    /// `user@host:path` or `ssh://[user@]host[:port]/path`.
    Ssh {
        /// The account; `git` when the URL names none.
        user: String,
        /// Name or address, without brackets, in lower case.
        host: String,
        /// 22 when the URL names none.
        port: u16,
        /// The path exactly as the server shall get it: `team/apps.git`, `/srv/apps.git`, `~user/apps.git`.
        path: String,
    },
    /// `https://host[:port]/path`, without user or password.
    Https {
        /// The whole URL.
        url: String,
    },
    /// `file:///path`, or a plain path.
    Path(PathBuf),
}

/// Why a text is not the address of a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a repository URL: {problem}")]
pub struct RepoUrlError {
    /// The text as given, without a password.
    pub shown: String,
    /// What is wrong, and what to write instead.
    pub problem: &'static str,
}

impl RepoUrl {
    /// Reads `text` as Git does, but refuses what could be taken for an option, and what holds a password.
    ///
    /// The forms are those of git-clone(1), "GIT URLS"; as there, `ssh://` and `file://` URLs are percent-decoded and
    /// `/~user` is sent as `~user`.
    ///
    /// # Errors
    /// [`RepoUrlError`] says what is wrong and what to write instead, and never shows a password.
    pub fn parse(text: &str) -> Result<Self, RepoUrlError> {
        parse::parse(text).map_err(|problem| RepoUrlError { shown: secret::without_secret(text), problem })
    }
}

impl From<RepoUrlError> for Failure {
    fn from(error: RepoUrlError) -> Self {
        Self::new(FailureClass::RepositoryAbsent, error.to_string(), "correct the URL")
    }
}

/// The form that parses to the same address again.
impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh { user, host, port, path } if path.starts_with('/') => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let port = if *port == 22 { String::new() } else { format!(":{port}") };
                write!(f, "ssh://{user}@{host}{port}{}", path.replace('%', "%25").replace(' ', "%20"))
            }
            // A path below the account's home on another port has no `ssh://` form, but this one (see connect.c of Git).
            Self::Ssh { user, host, port, path } => match (host.contains(':'), *port) {
                // With a colon in the path, host and path together may look like an address.
                (false, 22) if path.contains(':') => write!(f, "{user}@[{host}]:{path}"),
                (false, 22) => write!(f, "{user}@{host}:{path}"),
                (true, 22) => write!(f, "{user}@[{host}]:{path}"),
                (false, port) => write!(f, "{user}@[{host}:{port}]:{path}"),
                (true, port) => write!(f, "{user}@[[{host}]:{port}]:{path}"),
            },
            Self::Https { url } => f.write_str(url),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
