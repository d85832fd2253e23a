//! Keys, found by name.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::domain::{Failure, KeyName};

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
    /// Where it came from, for the status: `store`, `folder`, `vault`.
    pub source: &'static str,
    /// While the key is being rotated: the key pair before, to be tried when this one is not let in.
    pub previous: Option<Box<ResolvedKey>>,
}

/// What tells one state of a name from another: its key pair, and the one before while a rotation is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// As [`ResolvedKey::generation`].
    pub generation: u32,
    /// As [`ResolvedKey::fingerprint`].
    pub fingerprint: String,
    /// The fingerprint of [`ResolvedKey::previous`].
    pub previous: Option<String>,
    /// As [`ResolvedKey::source`].
    pub source: &'static str,
}

impl ResolvedKey {
    /// Its version, without the secrets.
    #[must_use]
    pub fn version(&self) -> KeyVersion {
        KeyVersion {
            generation: self.generation,
            fingerprint: self.fingerprint.clone(),
            previous: self.previous.as_ref().map(|previous| previous.fingerprint.clone()),
            source: self.source,
        }
    }
}

/// The two services of a Git host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GitService {
    /// `git-upload-pack`: polls and fetches.
    Read,
    /// `git-receive-pack`: pushes.
    Write,
}

impl GitService {
    /// `read` or `write`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Finds keys by name.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// The key of exactly this name.
    ///
    /// # Errors
    /// [`FailureClass::Key`](crate::domain::FailureClass::Key), naming the keys there are and a near miss.
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure>;

    /// Which key pair the name stands for now. Opens no private key: cheap enough to ask before a command.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), but for what is only found out by opening the key.
    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        Ok(self.resolve(name).await?.version())
    }

    /// Notes that a key was used for a login: one row a login, not a poll.
    async fn record_use(&self, name: &KeyName, used: KeyUse);

    /// Notes that a remote let the key pair of `version` through to `service`. When both services have answered for all
    /// that uses the key, a rotation has been seen to work, and the key pair before is dropped. Does nothing when no
    /// rotation is under way.
    async fn record_answer(&self, _name: &KeyName, _version: &KeyVersion, _service: GitService) {}
}

/// One use of a key, for the audit log.
#[derive(Clone, Debug)]
pub struct KeyUse {
    /// What for, and where: `git git@host:22`.
    pub purpose: String,
    /// The fingerprint of the key pair that was used.
    pub fingerprint: String,
    /// The fingerprint of the host key that the server proved.
    pub host_key: Option<String>,
    /// `ok`, or the failure's class in words.
    pub outcome: String,
    /// The algorithms that were negotiated: `kex … host-key … cipher … mac …`.
    pub algorithms: Option<String>,
}
