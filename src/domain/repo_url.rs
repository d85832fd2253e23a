//! The address of a repository, in every form that people write.

use std::fmt;
use std::path::PathBuf;

use super::failure::{Failure, FailureClass};

/// The address of a repository. It holds no secret, and nothing in it can be taken for an option or a shell word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RepoUrl {
    /// `user@host:path` or `ssh://[user@]host[:port]/path`.
    Ssh {
        /// The account; `git` when the URL names none.
        user: String,
        /// Name or address, without brackets.
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

impl From<RepoUrlError> for Failure {
    fn from(error: RepoUrlError) -> Self {
        Self::new(FailureClass::RepositoryAbsent, error.to_string(), "correct the URL")
    }
}

impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh { user, host, port: 22, path } if !path.starts_with('/') && !host.contains(':') => {
                write!(f, "{user}@{host}:{path}")
            }
            Self::Ssh { user, host, port, path } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let slash = if path.starts_with('/') { "" } else { "/" };
                let port = if *port == 22 { String::new() } else { format!(":{port}") };
                write!(f, "ssh://{user}@{host}{port}{slash}{path}")
            }
            Self::Https { url } => f.write_str(url),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}
