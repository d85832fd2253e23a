//! Host keys that people have trusted.

use async_trait::async_trait;
use serde::Serialize;

use crate::domain::Failure;

/// A host key that somebody has trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrustedHostKey {
    /// The host as `known_hosts` calls it: `host`, or `[host]:port` at another port than 22; in lower case.
    pub host: String,
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    pub kind: String,
    /// The public key in base64, as it stands in a `known_hosts` line.
    pub key: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// When it was trusted, in milliseconds since the Unix epoch.
    pub trusted_ms: i64,
    /// Who trusted it: an account and where, or `first use`.
    pub trusted_by: String,
}

/// Keeps the host keys that people have trusted. Every call sees what other processes have written.
///
/// Errors are those of [`KeyRecords`](super::KeyRecords).
#[async_trait]
pub trait HostTrust: Send + Sync {
    /// All trusted keys, sorted by host and type, or those of one host.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn trusted(&self, host: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure>;

    /// Trusts `key`, with an audit row `host_key_trusted`. One that is trusted already stays as it is. Where `replace` is
    /// given, the other keys of that host and of the same type are forgotten in the same step. Answers the keys that
    /// were replaced.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn trust(&self, key: &TrustedHostKey, replace: bool) -> Result<Vec<TrustedHostKey>, Failure>;

    /// Trusts `key` if the host has none yet, in one step with looking: of several that do so at once, in this process or
    /// another, one wins. Answers the keys that the host has now.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn trust_first(&self, key: &TrustedHostKey) -> Result<Vec<TrustedHostKey>, Failure>;

    /// Forgets the keys of a host (all, or the one of this fingerprint), with an audit row `host_key_forgotten` each.
    /// Answers what was forgotten.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn forget(&self, host: &str, fingerprint: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure>;

    /// Notes in the audit log (`host_key_changed`) that a host showed a key that is not the trusted one, once for each
    /// key shown in a row.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn note_changed(&self, host: &str, shown: &str, known: &[String]) -> Result<(), Failure>;
}
