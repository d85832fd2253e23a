//! Runs of shell commands: under way, and past.

use async_trait::async_trait;

use super::Store;
use super::audit::{append, append_sql, now_ms};
use super::db::{Conn, execute, row, rows};
use super::shell::{damaged, read, written};
use crate::domain::Failure;
use crate::domain::shell::{HowEnded, RunReport, RunsKept};
use crate::ports::{AuditEntry, NewRun, RunFilter, RunRecords, RunRow};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// No more past runs are forgotten or settled in one transaction: others write, too.
const AT_ONCE: u32 = 500;
/// As many are listed when nobody says how many.
const USUAL_RUNS: u32 = 100;

/// How a run ended, after its audit row.
macro_rules! end_sql {
    () => {
        "UPDATE shell_runs SET ended = $11, reason = $12, duration_ms = $13, report = $14, until_ms = NULL WHERE id = $10"
    };
}
/// Both in one transaction and one way, since who had the command run waits for it. The disk is not waited for: the number
/// of the run is on it, and whatever is written next takes this along.
const END_SQLITE: &str = concat!(
    "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE;",
    append_sql!(),
    ";",
    end_sql!(),
    "; COMMIT; PRAGMA synchronous = FULL"
);
const END_POSTGRES: &str = concat!("WITH told AS (", append_sql!(), ") ", end_sql!());

const NOT_KNOWN: &str =
    "appferry ended while it ran, or could not write what came of it; it may have run to its end there";

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
}

/// A run of which nobody says any more what came of it.
#[derive(sqlx::FromRow)]
struct Orphan {
    id: i64,
    key_name: Option<String>,
    purpose: Option<String>,
    asked_by: String,
    report: String,
}

#[async_trait]
impl RunRecords for Store {
    async fn begin_run(&self, run: &NewRun<'_>) -> Result<i64, Failure> {
        let failed = |e: sqlx::Error| self.failure("noting that a run begins", &e);
        let mut reading = self.reading("noting that a run begins").await?;
        begin(&mut reading.conn(), run).await.map_err(failed)
    }

    async fn end_run(&self, id: i64, report: &RunReport, entry: &AuditEntry) -> Result<(), Failure> {
        let failed = |e: sqlx::Error| self.failure("keeping what came of a run", &e);
        let mut whole = self.db.whole().await.map_err(failed)?;
        let sql = self.db.pick(END_SQLITE, END_POSTGRES);
        end(&mut whole.conn(), sql, &self.actor, id, report, entry).await.map_err(failed)?;
        whole.done();
        Ok(())
    }

    async fn settle_runs(&self, owner: Option<&str>) -> Result<(), Failure> {
        let doing = "looking for runs that nobody ends";
        let now = now_ms();
        loop {
            let mut reading = self.reading(doing).await?;
            let found = orphans(&mut reading.conn(), now, owner).await.map_err(|e| self.failure(doing, &e))?;
            drop(reading);
            if found.is_empty() {
                return Ok(()); // nearly always: no write lock for nothing
            }
            let mut tx = self.begin(doing).await?;
            let settled = settle(&mut tx.conn(), &self.actor, &found).await;
            self.finish(doing, tx, settled).await?;
        }
    }

    async fn forget_runs(&self, kept: RunsKept) -> Result<(), Failure> {
        let doing = "forgetting old runs";
        let before = now_ms() - i64::from(kept.days) * DAY_MS;
        loop {
            let mut reading = self.reading(doing).await?;
            let first = first_kept(&mut reading.conn(), i64::from(kept.most)).await;
            let first = first.map_err(|e| self.failure(doing, &e))?;
            let sql = "SELECT id FROM shell_runs WHERE at_ms < $1 OR id < $2 LIMIT 1";
            let old = row!(&mut reading.conn(), (i64,), sql, before, first);
            drop(reading);
            if old.map_err(|e| self.failure(doing, &e))?.is_none() {
                return Ok(()); // nearly always: no write lock for nothing
            }
            let mut tx = self.begin(doing).await?;
            let sql =
                "DELETE FROM shell_runs WHERE id IN (SELECT id FROM shell_runs WHERE at_ms < $1 OR id < $2 LIMIT $3)";
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
            "SELECT id, at_ms, command, host, asked_by, ended, reason, duration_ms FROM shell_runs
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

async fn begin(c: &mut Conn<'_>, run: &NewRun<'_>) -> Result<i64, sqlx::Error> {
    let NewRun { at_ms, until_ms, owner, report, entry } = run;
    let begun = row!(
        c,
        (i64,),
        "INSERT INTO shell_runs (at_ms, command, host, asked_by, ended, duration_ms, report,
                                 owner, key_name, purpose, until_ms)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, $9, $10) RETURNING id",
        *at_ms,
        report.command.as_deref(),
        report.host.as_str(),
        report.by.as_str(),
        word(report.ended)?.as_str(),
        written(report)?.as_str(),
        *owner,
        entry.key_name.as_deref(),
        entry.purpose.as_deref(),
        *until_ms,
    )?;
    begun.map(|(id,)| id).ok_or(sqlx::Error::RowNotFound)
}

async fn end(
    c: &mut Conn<'_>,
    sql: &'static str,
    actor: &str,
    id: i64,
    report: &RunReport,
    entry: &AuditEntry,
) -> Result<(), sqlx::Error> {
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
        report.reason.as_deref(),
        i64::try_from(report.duration_ms).unwrap_or(i64::MAX),
        written(report)?.as_str(),
    )
    .map(drop)
}

async fn orphans(c: &mut Conn<'_>, now: i64, owner: Option<&str>) -> Result<Vec<Orphan>, sqlx::Error> {
    rows!(
        c,
        Orphan,
        "SELECT id, key_name, purpose, asked_by, report FROM shell_runs
         WHERE until_ms IS NOT NULL AND (until_ms < $1 OR owner = $2) LIMIT $3",
        now,
        owner,
        i64::from(AT_ONCE),
    )
}

async fn settle(c: &mut Conn<'_>, actor: &str, found: &[Orphan]) -> Result<(), sqlx::Error> {
    let ended = word(HowEnded::NotKnown)?;
    for Orphan { id, key_name, purpose, asked_by, report } in found {
        let mut report: RunReport = serde_json::from_str(report).map_err(damaged)?;
        (report.ended, report.reason) = (HowEnded::NotKnown, Some(NOT_KNOWN.to_owned()));
        let settled = execute!(
            c,
            "UPDATE shell_runs SET ended = $2, reason = $3, report = $4, until_ms = NULL
             WHERE id = $1 AND until_ms IS NOT NULL",
            *id,
            ended.as_str(),
            NOT_KNOWN,
            written(&report)?.as_str(),
        )?;
        if settled == 0 {
            continue; // another did
        }
        let entry = AuditEntry {
            event: "shell_command_run",
            key_name: key_name.clone(),
            purpose: purpose.clone(),
            outcome: HowEnded::NotKnown.words().to_owned(),
            detail: Some(format!("asked by {asked_by} at {}; {NOT_KNOWN}", report.started)),
            ..AuditEntry::default()
        };
        append(c, actor, &entry).await?;
    }
    Ok(())
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
        let RawRun { id, at_ms, command, host, asked_by: by, ended, reason, duration_ms } = raw;
        Self { id, at_ms, command, host, by, ended, reason, duration_ms }
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
            let run = NewRun { at_ms: 1, until_ms: 2, owner: "me", report: &report, entry: &entry };
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
