//! Hosts, saved commands and past runs.

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::audit::{append, append_sql, now_ms};
use super::db::{Conn, execute, row, rows};
use super::users::{hold_claims, replace};
use super::{Store, is_refusal, is_taken};
use crate::domain::Failure;
use crate::domain::shell::{RunReport, RunsKept, SavedCommand, ShellHost, ShellName};
use crate::ports::{AuditEntry, RunFilter, RunRow, ShellChanged, ShellRecords};

const DAY_MS: i64 = 24 * 3600 * 1000;
/// No more past runs are forgotten in one transaction: others write, too.
const FORGOTTEN_AT_ONCE: u32 = 500;
/// As many are listed when nobody says how many.
const USUAL_RUNS: u32 = 100;

/// A run after its audit row, `$10` to `$17`.
macro_rules! run_sql {
    () => {
        "INSERT INTO shell_runs (at_ms, command, host, asked_by, ended, reason, duration_ms, report)
         VALUES ($10, $11, $12, $13, $14, $15, $16, $17) RETURNING id"
    };
}
/// Both rows in one transaction and one way: who runs a command waits for them.
const KEEP_RUN_SQLITE: &str = concat!("BEGIN IMMEDIATE;", append_sql!(), ";", run_sql!(), "; COMMIT");
const KEEP_RUN_POSTGRES: &str =
    concat!("WITH told AS (", append_sql!(), "), kept AS (", run_sql!(), ") SELECT id FROM kept");

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

#[async_trait]
impl ShellRecords for Store {
    async fn add_host(&self, host: &ShellHost) -> Result<ShellChanged, Failure> {
        let doing = "adding the host";
        let mut tx = self.begin(doing).await?;
        let added = put_host(&mut tx.conn(), &self.actor, host, false).await;
        if added.as_ref().is_err_and(is_taken) {
            return Ok(ShellChanged::NameTaken);
        }
        self.finish(doing, tx, added).await
    }

    async fn change_host(&self, host: &ShellHost) -> Result<ShellChanged, Failure> {
        let doing = "changing the host";
        let mut tx = self.begin(doing).await?;
        let changed = put_host(&mut tx.conn(), &self.actor, host, true).await;
        self.finish(doing, tx, changed).await
    }

    async fn remove_host(&self, name: &ShellName) -> Result<ShellChanged, Failure> {
        let doing = "removing the host";
        let mut tx = self.begin(doing).await?;
        let removed = remove_host(&mut tx.conn(), &self.actor, name).await;
        if removed.as_ref().is_err_and(is_refusal) {
            drop(tx);
            let commands = self.commands().await?.into_iter().filter(|command| command.host == *name);
            return Ok(ShellChanged::InUse(commands.map(|command| command.name.to_string()).collect()));
        }
        self.finish(doing, tx, removed).await
    }

    async fn hosts(&self) -> Result<Vec<ShellHost>, Failure> {
        let doing = "reading the hosts";
        let mut reading = self.reading(doing).await?;
        let found = rows!(&mut reading.conn(), (String,), "SELECT definition FROM shell_hosts ORDER BY name");
        read_all(&found.map_err(|e| self.failure(doing, &e))?)
    }

    async fn save_command(&self, command: &SavedCommand, replace: bool) -> Result<ShellChanged, Failure> {
        let doing = "saving the command";
        let mut tx = self.begin(doing).await?;
        let saved = put_command(&mut tx.conn(), &self.actor, command, replace).await;
        if saved.as_ref().is_err_and(is_taken) {
            return Ok(ShellChanged::NameTaken);
        }
        if saved.as_ref().is_err_and(is_refusal) {
            return Ok(ShellChanged::NoHost);
        }
        self.finish(doing, tx, saved).await
    }

    async fn remove_command(&self, name: &ShellName) -> Result<ShellChanged, Failure> {
        let doing = "removing the command";
        let mut tx = self.begin(doing).await?;
        let removed = remove_command(&mut tx.conn(), &self.actor, name).await;
        self.finish(doing, tx, removed).await
    }

    async fn commands(&self) -> Result<Vec<SavedCommand>, Failure> {
        let doing = "reading the saved commands";
        let mut reading = self.reading(doing).await?;
        let found = rows!(&mut reading.conn(), (String,), "SELECT definition FROM shell_commands ORDER BY name");
        read_all(&found.map_err(|e| self.failure(doing, &e))?)
    }

    async fn command_with_hosts(
        &self,
        name: &ShellName,
        all_hosts: bool,
    ) -> Result<(Option<SavedCommand>, Vec<ShellHost>), Failure> {
        let doing = "reading the saved command";
        let mut reading = self.reading(doing).await?;
        let found = rows!(
            &mut reading.conn(),
            (bool, String),
            "SELECT TRUE, definition FROM shell_commands WHERE name = $1
             UNION ALL SELECT FALSE, definition FROM shell_hosts
                 WHERE $2 OR name = (SELECT host FROM shell_commands WHERE name = $1)",
            name.as_str(),
            all_hosts,
        );
        let (mut command, mut hosts) = (None, Vec::new());
        for (is_command, text) in found.map_err(|e| self.failure(doing, &e))? {
            if is_command {
                command = Some(read(&text)?);
            } else {
                hosts.push(read(&text)?);
            }
        }
        Ok((command, hosts))
    }

    async fn keep_run(&self, at_ms: i64, report: &RunReport, entry: &AuditEntry) -> Result<i64, Failure> {
        let failed = |e: sqlx::Error| self.failure("keeping what came of a run", &e);
        let mut whole = self.db.whole().await.map_err(failed)?;
        let sql = self.db.pick(KEEP_RUN_SQLITE, KEEP_RUN_POSTGRES);
        let id = keep_run(&mut whole.conn(), sql, &self.actor, at_ms, report, entry).await.map_err(failed)?;
        whole.done();
        Ok(id)
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
            let forgotten = execute!(&mut tx.conn(), sql, before, first, i64::from(FORGOTTEN_AT_ONCE));
            if self.finish(doing, tx, forgotten).await? < u64::from(FORGOTTEN_AT_ONCE) {
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

/// How a host is called among the users of its key.
fn user(host: &ShellName) -> String {
    format!("shell host {host}")
}

async fn put_host(
    c: &mut Conn<'_>,
    actor: &str,
    host: &ShellHost,
    is_there: bool,
) -> Result<ShellChanged, sqlx::Error> {
    hold_claims(c).await?;
    let (name, definition) = (host.name.as_str(), written(host)?);
    let changed = if is_there {
        let sql = "UPDATE shell_hosts SET definition = $2, changed_ms = $3 WHERE name = $1";
        execute!(c, sql, name, definition.as_str(), now_ms())?
    } else {
        let sql = "INSERT INTO shell_hosts (name, definition, changed_ms) VALUES ($1, $2, $3)";
        execute!(c, sql, name, definition.as_str(), now_ms())?
    };
    if changed == 0 {
        return Ok(ShellChanged::Absent);
    }
    replace(c, &user(&host.name), std::slice::from_ref(&host.key)).await?;
    let event = if is_there { "shell_host_changed" } else { "shell_host_added" };
    let purpose = format!("{name}: {}", host.place());
    let entry = AuditEntry { key_name: Some(host.key.to_string()), purpose: Some(purpose), ..done(event) };
    append(c, actor, &entry).await?;
    Ok(ShellChanged::Done)
}

async fn remove_host(c: &mut Conn<'_>, actor: &str, name: &ShellName) -> Result<ShellChanged, sqlx::Error> {
    hold_claims(c).await?;
    if execute!(c, "DELETE FROM shell_hosts WHERE name = $1", name.as_str())? == 0 {
        return Ok(ShellChanged::Absent);
    }
    replace(c, &user(name), &[]).await?;
    append(c, actor, &AuditEntry { purpose: Some(name.to_string()), ..done("shell_host_removed") }).await?;
    Ok(ShellChanged::Done)
}

async fn put_command(
    c: &mut Conn<'_>,
    actor: &str,
    command: &SavedCommand,
    is_there: bool,
) -> Result<ShellChanged, sqlx::Error> {
    let (name, host, definition) = (command.name.as_str(), command.host.as_str(), written(command)?);
    let changed = if is_there {
        let sql = "UPDATE shell_commands SET host = $2, definition = $3, changed_ms = $4 WHERE name = $1";
        execute!(c, sql, name, host, definition.as_str(), now_ms())?
    } else {
        let sql = "INSERT INTO shell_commands (name, host, definition, changed_ms) VALUES ($1, $2, $3, $4)";
        execute!(c, sql, name, host, definition.as_str(), now_ms())?
    };
    if changed == 0 {
        return Ok(ShellChanged::Absent);
    }
    let purpose = Some(format!("{name} on {host}"));
    append(c, actor, &AuditEntry { purpose, ..done("shell_command_saved") }).await?;
    Ok(ShellChanged::Done)
}

async fn remove_command(c: &mut Conn<'_>, actor: &str, name: &ShellName) -> Result<ShellChanged, sqlx::Error> {
    if execute!(c, "DELETE FROM shell_commands WHERE name = $1", name.as_str())? == 0 {
        return Ok(ShellChanged::Absent);
    }
    append(c, actor, &AuditEntry { purpose: Some(name.to_string()), ..done("shell_command_removed") }).await?;
    Ok(ShellChanged::Done)
}

async fn keep_run(
    c: &mut Conn<'_>,
    sql: &'static str,
    actor: &str,
    at_ms: i64,
    report: &RunReport,
    entry: &AuditEntry,
) -> Result<i64, sqlx::Error> {
    let ended = serde_json::to_value(report.ended).map_err(damaged)?;
    let kept = rows!(
        c,
        (i64,),
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
        at_ms,
        report.command.as_deref(),
        report.host.as_str(),
        report.by.as_str(),
        ended.as_str().unwrap_or_default(),
        report.reason.as_deref(),
        i64::try_from(report.duration_ms).unwrap_or(i64::MAX),
        written(report)?.as_str(),
    )?;
    kept.first().map(|(id,)| *id).ok_or(sqlx::Error::RowNotFound)
}

/// The number of the oldest run that is among the newest `most`.
async fn first_kept(c: &mut Conn<'_>, most: i64) -> Result<i64, sqlx::Error> {
    let sql = "SELECT id FROM shell_runs ORDER BY id DESC LIMIT 1 OFFSET $1";
    Ok(row!(c, (i64,), sql, (most - 1).max(0))?.map_or(0, |(id,)| id))
}

fn done(event: &'static str) -> AuditEntry {
    AuditEntry { event, outcome: "ok".to_owned(), ..AuditEntry::default() }
}

fn written(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(damaged)
}

fn damaged(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}

fn read_all<T: DeserializeOwned>(found: &[(String,)]) -> Result<Vec<T>, Failure> {
    found.iter().map(|(text,)| read(text)).collect()
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::internal(format!("a record of the shell commands is not understood: {error}")))
}

impl From<RawRun> for RunRow {
    fn from(raw: RawRun) -> Self {
        let RawRun { id, at_ms, command, host, asked_by: by, ended, reason, duration_ms } = raw;
        Self { id, at_ms, command, host, by, ended, reason, duration_ms }
    }
}
