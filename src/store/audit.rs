//! The append-only log.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Store;
use super::db::{Conn, execute, row, rows};
use crate::domain::Failure;
use crate::ports::{AuditEntry, AuditFilter, AuditLog, AuditRow};

/// Rows that may go are deleted in portions, so that no start waits long for it.
const PRUNED_AT_ONCE: i64 = 10_000;

/// How long rows are kept; the tables themselves refuse to lose a younger one than 400 days.
const KEPT_MS: i64 = 401 * 24 * 3600 * 1000;

/// As many rows are answered when nobody says how many.
const LAST: u32 = 1_000;

#[derive(sqlx::FromRow)]
struct RawRow {
    id: i64,
    at_ms: i64,
    actor: String,
    event: String,
    key_name: Option<String>,
    purpose: Option<String>,
    host_key: Option<String>,
    outcome: String,
    detail: Option<String>,
}

/// The statement that appends a row, with the values `$1` to `$9`; with `FROM` or `WHERE` behind it, under a condition.
macro_rules! append_sql {
    () => {
        "INSERT INTO audit (at_ms, event, key_id, key_name, purpose, host_key, outcome, detail, actor)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9"
    };
}
pub(super) use append_sql;

/// Appends `entry`, within the transaction of what it tells of.
pub(super) async fn append(c: &mut Conn<'_>, actor: &str, entry: &AuditEntry) -> Result<(), sqlx::Error> {
    execute!(
        c,
        append_sql!(),
        now_ms(),
        entry.event,
        entry.key_id.as_deref(),
        entry.key_name.as_deref(),
        entry.purpose.as_deref(),
        entry.host_key.as_deref(),
        entry.outcome.as_str(),
        entry.detail.as_deref(),
        actor,
    )
    .map(drop)
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[async_trait]
impl AuditLog for Store {
    async fn append(&self, entry: AuditEntry) -> Result<(), Failure> {
        let doing = "writing the audit log";
        let mut tx = self.begin(doing).await?;
        let done = append(&mut tx.conn(), &self.actor, &entry).await;
        self.finish(doing, tx, done).await
    }

    async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRow>, Failure> {
        let doing = "reading the audit log";
        let mut reading = self.reading(doing).await?;
        let found = read(&mut reading.conn(), filter).await.map_err(|e| self.failure(doing, &e))?;
        Ok(found.into_iter().rev().map(AuditRow::from).collect())
    }

    async fn prune(&self) -> Result<(), Failure> {
        self.prune_audit().await
    }
}

/// The last rows first.
async fn read(c: &mut Conn<'_>, filter: &AuditFilter) -> Result<Vec<RawRow>, sqlx::Error> {
    rows!(
        c,
        RawRow,
        "SELECT id, at_ms, actor, event, key_name, purpose, host_key, outcome, detail FROM audit
         WHERE id > $1 AND at_ms >= $2 AND ($3 IS NULL OR event = $3) AND ($4 IS NULL OR key_name = $4)
         ORDER BY id DESC LIMIT $5",
        filter.after.unwrap_or(0),
        filter.since_ms.unwrap_or(0),
        filter.event.as_deref(),
        filter.key.as_deref(),
        i64::from(filter.last.unwrap_or(LAST)),
    )
}

impl Store {
    /// Deletes rows that are older than the tables keep them, and leaves a row that says so.
    pub(super) async fn prune_audit(&self) -> Result<(), Failure> {
        let doing = "deleting audit rows older than 400 days";
        let before = now_ms() - KEPT_MS;
        let mut reading = self.reading(doing).await?;
        let old = row!(&mut reading.conn(), (i64,), "SELECT id FROM audit WHERE at_ms < $1 LIMIT 1", before);
        drop(reading);
        if old.map_err(|e| self.failure(doing, &e))?.is_none() {
            return Ok(()); // nearly always: no write lock for nothing
        }
        let mut tx = self.begin(doing).await?;
        let pruned = prune(&mut tx.conn(), &self.actor, before).await;
        self.finish(doing, tx, pruned).await
    }
}

async fn prune(c: &mut Conn<'_>, actor: &str, before: i64) -> Result<(), sqlx::Error> {
    let pruned = execute!(
        c,
        "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at_ms < $1 LIMIT $2)",
        before,
        PRUNED_AT_ONCE,
    )?;
    let detail = Some(format!("{pruned} rows"));
    let entry = AuditEntry { event: "audit_pruned", outcome: "ok".to_owned(), detail, ..AuditEntry::default() };
    append(c, actor, &entry).await
}

impl From<RawRow> for AuditRow {
    fn from(row: RawRow) -> Self {
        let RawRow { id, at_ms, actor, event, key_name, purpose, host_key, outcome, detail } = row;
        Self { id, at_ms, actor, event, key: key_name, purpose, host_key, outcome, detail }
    }
}
