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
    /// Where it came from, for the status: `store`.
    pub source: &'static str,
}

/// Finds keys by name.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// The key of exactly this name.
    ///
    /// # Errors
    /// [`FailureClass::Key`](crate::domain::FailureClass::Key), naming the keys there are and a near miss.
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
