//! What the tests want of any SSH server that offers Git repositories on loopback.

use std::path::{Path, PathBuf};

use appferry::domain::RepoUrl;
use appferry::ports::SshTarget;
use appferry::ssh::HostKeys;

use super::asyncssh::Asyncssh;
use super::dropbear::Dropbear;
use super::gitolite::Gitolite;
use super::remote::RemoteRepo;
use super::sshd::{KeyPair, Setup, Sshd, current_user};

/// A real server, ended when it is dropped.
pub trait Host: Send + Sync {
    /// A folder that lives as long as the server.
    fn folder(&self) -> &Path;

    /// The port on 127.0.0.1.
    fn port(&self) -> u16;

    /// The account of its URLs.
    fn user(&self) -> String;

    /// The key type and the key, as `known_hosts` wants them, of each host key.
    fn host_keys(&self) -> Vec<String>;

    /// Lets a key in that may do everything.
    fn authorize(&self, public_line: &str);

    /// How often a key was let in.
    fn logins(&self) -> usize;

    /// Where the repository lies whose path in a URL is [`path_of`](Self::path_of) of the same name.
    fn folder_of(&self, repository: &str) -> PathBuf;

    /// How a URL calls the repository.
    fn path_of(&self, repository: &str) -> String {
        self.folder_of(repository).display().to_string()
    }

    /// A new repository, empty.
    fn repository(&self, name: &str) -> RemoteRepo {
        RemoteRepo::init(self.folder_of(name))
    }
}

impl dyn Host + '_ {
    /// Where a session with this server goes.
    pub fn target(&self, key: &KeyPair) -> SshTarget {
        SshTarget { host: "127.0.0.1".into(), port: self.port(), user: self.user(), key: key.name.clone() }
    }

    /// The URL of a repository.
    pub fn url(&self, repository: &str) -> RepoUrl {
        let path = self.path_of(repository);
        RepoUrl::Ssh { user: self.user(), host: "127.0.0.1".into(), port: self.port(), path }
    }

    /// The same, as somebody would write it.
    pub fn url_text(&self, repository: &str) -> String {
        let path = self.path_of(repository);
        format!("ssh://{}@127.0.0.1:{}/{}", self.user(), self.port(), path.trim_start_matches('/'))
    }

    /// Its `known_hosts` lines.
    pub fn known_hosts(&self) -> String {
        let line = |key: &String| format!("[127.0.0.1]:{} {key}", self.port());
        self.host_keys().iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
    }

    /// Trust in this server alone.
    pub fn trust(&self) -> HostKeys {
        let file = self.folder().join("trusted");
        std::fs::write(&file, self.known_hosts()).expect("write known_hosts");
        HostKeys::new(Some(file))
    }
}

/// Which server.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `sshd` as Debian sets it up: it does not accept `GIT_PROTOCOL`.
    OpenSsh,
    Dropbear,
    Asyncssh,
    Gitolite,
}

impl Kind {
    /// `None` when the server is not installed and this is not CI.
    pub fn start(self) -> Option<Box<dyn Host>> {
        Some(match self {
            Self::OpenSsh => Box::new(Sshd::start_with(Setup::default())?),
            Self::Dropbear => Box::new(Dropbear::start()?),
            Self::Asyncssh => Box::new(Asyncssh::start()?),
            Self::Gitolite => Box::new(Gitolite::start()?),
        })
    }
}

impl Host for Sshd {
    fn folder(&self) -> &Path {
        Sshd::folder(self)
    }

    fn port(&self) -> u16 {
        Sshd::port(self)
    }

    fn user(&self) -> String {
        current_user()
    }

    fn host_keys(&self) -> Vec<String> {
        let without_host = |line: String| line.split_once(' ').expect("a host and its key").1.to_owned();
        self.host_key_lines().into_iter().map(without_host).collect()
    }

    fn authorize(&self, public_line: &str) {
        Sshd::authorize(self, public_line);
    }

    fn logins(&self) -> usize {
        Sshd::logins(self)
    }

    fn folder_of(&self, repository: &str) -> PathBuf {
        Sshd::folder(self).join(repository)
    }
}
