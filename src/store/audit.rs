//! The append-only log.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::Store;
use crate::domain::Failure;

/// Rows that may go are deleted in portions, so that no start waits long for it.
const PRUNED_AT_ONCE: i64 = 10_000;

/// One row of the log.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    pub(super) at_ms: i64,
    pub(super) event: &'a str,
    pub(super) key_id: Option<&'a str>,
    pub(super) key_name: Option<&'a str>,
    pub(super) purpose: Option<&'a str>,
    pub(super) host_key: Option<&'a str>,
    pub(super) outcome: &'a str,
    pub(super) detail: Option<&'a str>,
}

/// Appends `entry`, within the transaction of what it tells of.
pub(super) async fn append(tx: &mut SqliteConnection, entry: &Entry<'_>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit (at_ms, event, key_id, key_name, purpose, host_key, outcome, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(entry.at_ms)
    .bind(entry.event)
    .bind(entry.key_id)
    .bind(entry.key_name)
    .bind(entry.purpose)
    .bind(entry.host_key)
    .bind(entry.outcome)
    .bind(entry.detail)
    .execute(tx)
    .await
    .map(drop)
}

impl Store {
    /// Deletes rows older than the 400 days that the tables enforce, and leaves a row that says so.
    pub(super) async fn prune_audit(&self) -> Result<(), Failure> {
        let doing = "deleting audit rows older than 400 days";
        let old: Option<i64> =
            sqlx::query_scalar("SELECT id FROM audit WHERE at_ms < unixepoch('now', '-401 days') * 1000 LIMIT 1")
                .fetch_optional(&self.pool)
                .await
                .map_err(|e| self.failure(doing, &e))?;
        if old.is_none() {
            return Ok(()); // nearly always: no write lock for nothing
        }
        let mut tx = self.begin(doing).await?;
        let pruned = sqlx::query(
            "DELETE FROM audit WHERE id IN
             (SELECT id FROM audit WHERE at_ms < unixepoch('now', '-401 days') * 1000 LIMIT ?1)",
        )
        .bind(PRUNED_AT_ONCE)
        .execute(&mut *tx)
        .await
        .map_err(|e| self.failure(doing, &e))?
        .rows_affected();
        let detail = format!("{pruned} rows");
        let at_ms = Timestamp::now().as_millisecond();
        let entry = Entry { at_ms, event: "audit_pruned", outcome: "ok", detail: Some(&detail), ..Entry::default() };
        append(&mut tx, &entry).await.map_err(|e| self.failure(doing, &e))?;
        self.commit(doing, tx).await
    }
}
