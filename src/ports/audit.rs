//! The append-only log of what was done with keys, hosts and apps.

use async_trait::async_trait;
use serde::Serialize;

use crate::domain::Failure;

/// A row to append. Nothing in it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditEntry {
    /// `ssh_key_added`, `ssh_key_updated`, `ssh_key_deleted`, `ssh_key_used`, `app_git_sync`, `host_key_trusted`, …
    pub event: &'static str,
    /// The key's id, if it is about a stored key.
    pub key_id: Option<String>,
    /// The key's name, if it is about a key.
    pub key_name: Option<String>,
    /// What for, and where: `git git@host:22`.
    pub purpose: Option<String>,
    /// The fingerprint of the host key, if one was proved.
    pub host_key: Option<String>,
    /// `ok`, or the failure's class in words.
    pub outcome: String,
    /// What else is worth knowing, for people.
    pub detail: Option<String>,
}

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Counts up; the order of the log.
    pub id: i64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who: an account, or `instance NAME`.
    pub actor: String,
    /// See [`AuditEntry::event`].
    pub event: String,
    /// See [`AuditEntry::key_name`].
    pub key: Option<String>,
    /// See [`AuditEntry::purpose`].
    pub purpose: Option<String>,
    /// See [`AuditEntry::host_key`].
    pub host_key: Option<String>,
    /// See [`AuditEntry::outcome`].
    pub outcome: String,
    /// See [`AuditEntry::detail`].
    pub detail: Option<String>,
}

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only those with a greater id.
    pub after: Option<i64>,
    /// Only those since then, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// Only those of this event.
    pub event: Option<String>,
    /// Only those about the key of this name.
    pub key: Option<String>,
    /// The last so many (1,000 when not given).
    pub last: Option<u32>,
}

/// Keeps the log.
///
/// Errors are those of [`KeyRecords`](super::KeyRecords).
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends a row, as of now. A caller that loses patience drops the future: the row may then still be appended.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn append(&self, entry: AuditEntry) -> Result<(), Failure>;

    /// The rows that `filter` lets through, oldest first.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, Failure>;

    /// Deletes rows that are older than they are kept, and leaves a row that says so.
    ///
    /// # Errors
    /// Disk, connect or internal.
    async fn prune(&self) -> Result<(), Failure>;
}
