//! Runs of shell commands: under way, and past.

use async_trait::async_trait;

use super::Store;
use super::audit::{append_sql, now_ms};
use super::db::{Conn, execute, row, rows};
use super::shell::{damaged, read, written};
use crate::domain::Failure;
use crate::domain::shell::{HowEnded, RunReport, RunsKept};
use crate::ports::{AuditEntry, NewRun, RunFilter, RunRecords, RunRow};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// No more past runs are forgotten in one transaction, or looked at to be settled: others write, too.
const AT_ONCE: u32 = 500;
/// As many are listed when nobody says how many.
const USUAL_RUNS: u32 = 100;

/// How a run ended: once, unless it counted as not known.
macro_rules! end_sql {
    () => {
        "UPDATE shell_runs SET ended = $11, reason = $12, duration_ms = $13, report = $14, until_ms = NULL
         WHERE id = $10 AND (until_ms IS NOT NULL OR (ended = 'not_known' AND $11 <> 'not_known'))"
    };
}
/// That and its audit row in one transaction and one way, since who had the command run waits for it. The disk is not waited
/// for: the number of the run is on it, and whatever is written next takes this along.
const END_SQLITE: &str = concat!(
    "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; ",
    end_sql!(),
    "; ",
    append_sql!(),
    " WHERE changes() > 0; COMMIT; PRAGMA synchronous = FULL"
);
const END_POSTGRES: &str = concat!("WITH ended AS (", end_sql!(), " RETURNING id) ", append_sql!(), " FROM ended");

const NOT_KNOWN: &str =
    "appferry ended while it ran, or could not write down what came of it; it may have run to its end there";

#[derive(sqlx::FromRow)]
struct RawRun {
    id: i64,
    at_ms: i64,
    command: Option<String>,
    host: String,
    asked_by: String,
    ended: String,
    reason: Option<String>,
    duration_ms: i64,
    owner: Option<String>,
}

/// A run of which nobody says any more what came of it.
#[derive(sqlx::FromRow)]
struct Orphan {
    id: i64,
    key_name: Option<String>,
    purpose: Option<String>,
    actor: Option<String>,
    host: String,
    asked_by: String,
    report: String,
}

#[async_trait]
impl RunRecords for Store {
    async fn begin_run(&self, run: &NewRun<'_>) -> Result<i64, Failure> {
        let failed = |e: sqlx::Error| self.failure("noting that a run begins", &e);
        let mut reading = self.reading("noting that a run begins").await?;
        begin(&mut reading.conn(), &self.actor, run).await.map_err(failed)
    }

    async fn end_run(&self, id: i64, report: &RunReport, entry: &AuditEntry) -> Result<(), Failure> {
        self.write_end(id, report, entry, &self.actor).await
    }

    async fn settle_runs(&self, owner: &str, service: &str) -> Result<(), Failure> {
        let doing = "looking for runs that nobody ends";
        let now = now_ms();
        loop {
            let mut reading = self.reading(doing).await?;
            let found = orphans(&mut reading.conn(), (owner, service), now).await;
            drop(reading);
            let found = found.map_err(|e| self.failure(doing, &e))?;
            for orphan in &found {
                let (report, entry) = orphan.settled();
                // One at a time: the lock of the audit log is not kept from others.
                self.write_end(orphan.id, &report, &entry, orphan.actor.as_deref().unwrap_or(&self.actor)).await?;
            }
            if found.len() < AT_ONCE as usize {
                return Ok(());
            }
        }
    }

    async fn forget_runs(&self, kept: RunsKept) -> Result<(), Failure> {
        let doing = "forgetting old runs";
        let before = now_ms() - i64::from(kept.days) * DAY_MS;
        loop {
            let mut reading = self.reading(doing).await?;
            let first = first_kept(&mut reading.conn(), i64::from(kept.most)).await;
            let first = first.map_err(|e| self.failure(doing, &e))?;
            let sql = "SELECT id FROM shell_runs WHERE (at_ms < $1 OR id < $2) AND until_ms IS NULL LIMIT 1";
            let old = row!(&mut reading.conn(), (i64,), sql, before, first);
            drop(reading);
            if old.map_err(|e| self.failure(doing, &e))?.is_none() {
                return Ok(()); // nearly always: no write lock for nothing
            }
            let mut tx = self.begin(doing).await?;
            let sql = "DELETE FROM shell_runs WHERE id IN
                 (SELECT id FROM shell_runs WHERE (at_ms < $1 OR id < $2) AND until_ms IS NULL LIMIT $3)";
            let forgotten = execute!(&mut tx.conn(), sql, before, first, i64::from(AT_ONCE));
            if self.finish(doing, tx, forgotten).await? < u64::from(AT_ONCE) {
                return Ok(());
            }
        }
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, Failure> {
        let doing = "reading past runs";
        let mut reading = self.reading(doing).await?;
        let found = rows!(
            &mut reading.conn(),
            RawRun,
            "SELECT id, at_ms, command, host, asked_by, ended, reason, duration_ms, owner FROM shell_runs
             WHERE id < $1 AND ($2 IS NULL OR command = $2) AND ($3 IS NULL OR host = $3) ORDER BY id DESC LIMIT $4",
            filter.before.unwrap_or(i64::MAX),
            filter.command.as_deref(),
            filter.host.as_deref(),
            i64::from(filter.limit.unwrap_or(USUAL_RUNS)),
        );
        Ok(found.map_err(|e| self.failure(doing, &e))?.into_iter().map(RunRow::from).collect())
    }

    async fn run(&self, id: i64) -> Result<Option<RunReport>, Failure> {
        let doing = "reading a past run";
        let mut reading = self.reading(doing).await?;
        let found = row!(&mut reading.conn(), (String,), "SELECT report FROM shell_runs WHERE id = $1", id);
        let found = found.map_err(|e| self.failure(doing, &e))?;
        let report: Option<RunReport> = found.map(|(text,)| read(&text)).transpose()?;
        Ok(report.map(|report| RunReport { id: Some(id), ..report }))
    }
}

impl Store {
    async fn write_end(&self, id: i64, report: &RunReport, entry: &AuditEntry, actor: &str) -> Result<(), Failure> {
        let failed = |e: sqlx::Error| self.failure("writing down what came of a run", &e);
        let mut whole = self.db.whole().await.map_err(failed)?;
        let sql = self.db.pick(END_SQLITE, END_POSTGRES);
        end(&mut whole.conn(), sql, actor, id, report, entry).await.map_err(failed)?;
        whole.done();
        Ok(())
    }
}

/// To the last step of the statement (`rows!`): with that it commits, and says so when it cannot.
async fn begin(c: &mut Conn<'_>, actor: &str, run: &NewRun<'_>) -> Result<i64, sqlx::Error> {
    let NewRun { key, at_ms, until_ms, owner, report, entry } = run;
    let begun = rows!(
        c,
        (i64,),
        "INSERT INTO shell_runs (at_ms, command, host, asked_by, ended, duration_ms, report,
                                 run_key, owner, actor, key_name, purpose, until_ms)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10, $11, $12)
         ON CONFLICT (run_key) DO UPDATE SET run_key = excluded.run_key RETURNING id",
        *at_ms,
        report.command.as_deref(),
        report.host.as_str(),
        report.by.as_str(),
        word(report.ended)?.as_str(),
        written(report)?.as_str(),
        *key,
        *owner,
        actor,
        entry.key_name.as_deref(),
        entry.purpose.as_deref(),
        *until_ms,
    )?;
    begun.first().map(|(id,)| *id).ok_or(sqlx::Error::RowNotFound)
}

async fn end(
    c: &mut Conn<'_>,
    sql: &'static str,
    actor: &str,
    id: i64,
    report: &RunReport,
    entry: &AuditEntry,
) -> Result<(), sqlx::Error> {
    // PostgreSQL takes no NUL; a server may write one anywhere.
    let reason = report.reason.as_ref().map(|reason| reason.replace('\0', "\u{fffd}"));
    execute!(
        c,
        sql,
        now_ms(),
        entry.event,
        entry.key_id.as_deref(),
        entry.key_name.as_deref(),
        entry.purpose.as_deref(),
        entry.host_key.as_deref(),
        entry.outcome.as_str(),
        entry.detail.as_deref(),
        actor,
        id,
        word(report.ended)?.as_str(),
        reason.as_deref(),
        i64::try_from(report.duration_ms).unwrap_or(i64::MAX),
        written(report)?.as_str(),
    )
    .map(drop)
}

async fn orphans(c: &mut Conn<'_>, (owner, service): (&str, &str), now: i64) -> Result<Vec<Orphan>, sqlx::Error> {
    rows!(
        c,
        Orphan,
        "SELECT id, key_name, purpose, actor, host, asked_by, report FROM shell_runs
         WHERE until_ms IS NOT NULL
           AND ((owner = $1 AND substr(run_key, 1, length($2)) <> $2) OR (owner <> $1 AND until_ms < $3))
         ORDER BY id LIMIT $4",
        owner,
        service,
        now,
        i64::from(AT_ONCE),
    )
}

impl Orphan {
    /// What is written down of it.
    fn settled(&self) -> (RunReport, AuditEntry) {
        let bare = || RunReport { host: self.host.clone(), by: self.asked_by.clone(), ..RunReport::default() };
        let report = serde_json::from_str(&self.report).unwrap_or_else(|_| bare());
        let report = RunReport { ended: HowEnded::NotKnown, reason: Some(NOT_KNOWN.to_owned()), ..report };
        let entry = AuditEntry {
            event: "shell_command_run",
            key_name: self.key_name.clone(),
            purpose: self.purpose.clone(),
            outcome: report.ended.words().to_owned(),
            detail: Some(format!("asked by {} at {}; {NOT_KNOWN}", report.by, report.started)),
            ..AuditEntry::default()
        };
        (report, entry)
    }
}

/// As it is called in the store.
fn word(ended: HowEnded) -> Result<String, sqlx::Error> {
    let ended = serde_json::to_value(ended).map_err(damaged)?;
    Ok(ended.as_str().unwrap_or_default().to_owned())
}

/// The number of the oldest run that is among the newest `most`.
async fn first_kept(c: &mut Conn<'_>, most: i64) -> Result<i64, sqlx::Error> {
    let sql = "SELECT id FROM shell_runs ORDER BY id DESC LIMIT 1 OFFSET $1";
    Ok(row!(c, (i64,), sql, (most - 1).max(0))?.map_or(0, |(id,)| id))
}

impl From<RawRun> for RunRow {
    fn from(raw: RawRun) -> Self {
        let RawRun { id, at_ms, command, host, asked_by: by, ended, reason, duration_ms, owner } = raw;
        Self { id, at_ms, command, host, by, ended, reason, duration_ms, owner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_end_of_a_run_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), "test").await.unwrap();
        let (report, entry) = (RunReport::default(), AuditEntry { event: "test", ..AuditEntry::default() });
        for number in 1..=8 {
            let run =
                NewRun { key: &number.to_string(), at_ms: 1, until_ms: 2, owner: "me", report: &report, entry: &entry };
            let id = store.begin_run(&run).await.unwrap();
            store.end_run(id, &report, &entry).await.unwrap();
            let mut readings = Vec::new();
            for _ in 0..4 {
                let mut reading = store.reading("test").await.unwrap();
                let level = row!(&mut reading.conn(), (i64,), "PRAGMA synchronous").unwrap();
                assert_eq!(level, Some((2,)), "FULL, https://www.sqlite.org/pragma.html#pragma_synchronous");
                readings.push(reading); // all of the pool's
            }
            drop(readings);
            assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), number);
        }
    }
}
