//! Hosts, saved commands and runs in either database.

use appferry::domain::shell::{HowEnded, RunReport, RunsKept, SavedCommand, ShellHost, ShellName};
use appferry::ports::{
    AuditEntry, AuditFilter, AuditLog as _, Changed, KeyRecords as _, RunFilter, ShellChanged, ShellRecords,
};
use appferry::store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use super::{add, name};
use crate::support::postgres::Postgres;

#[tokio::test]
async fn sqlite_keeps_hosts_commands_and_runs() {
    let folder = TempDir::new().unwrap();
    all(Store::open(folder.path(), "jo@host").await.unwrap()).await;
}

#[tokio::test]
async fn postgres_keeps_hosts_commands_and_runs() {
    let Some(server) = Postgres::start() else { return };
    all(Store::open_postgres(&server.database("shell"), "jo@host").await.unwrap()).await;
}

async fn all(store: Store) {
    hosts_use_their_keys(&store).await;
    commands_hold_their_hosts(&store).await;
    runs_are_numbered_and_filtered(&store).await;
    old_runs_are_forgotten(&store).await;
}

fn host(text: &str, key: &str) -> ShellHost {
    let json = format!(r#"{{"name":"{text}","address":"10.0.0.1","user":"ops","key":"{key}"}}"#);
    serde_json::from_str(&json).unwrap()
}

fn shell_name(text: &str) -> ShellName {
    ShellName::new(text).unwrap()
}

async fn hosts_use_their_keys(store: &Store) {
    add(store, "one").await;
    add(store, "two").await;
    assert_eq!(store.add_host(&host("web", "one")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.add_host(&host("web", "two")).await.unwrap(), ShellChanged::NameTaken);
    let used = Changed::InUse(vec!["shell host web".into()]);
    assert_eq!(store.delete(&name("one")).await.unwrap(), used);
    assert_eq!(store.rename(&name("one"), &name("x"), false).await.unwrap(), used);
    assert_eq!(store.change_host(&host("none", "two")).await.unwrap(), ShellChanged::Absent);
    assert_eq!(store.change_host(&host("web", "two")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.delete(&name("one")).await.unwrap(), Changed::Done);
    assert_eq!(store.hosts().await.unwrap(), [host("web", "two")]);
    // A key that is made later is in use from its first moment.
    store.add_host(&host("later", "three")).await.unwrap();
    add(store, "three").await;
    assert_eq!(store.delete(&name("three")).await.unwrap(), Changed::InUse(vec!["shell host later".into()]));
    assert_eq!(store.remove_host(&shell_name("later")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.remove_host(&shell_name("later")).await.unwrap(), ShellChanged::Absent);
    assert_eq!(store.delete(&name("three")).await.unwrap(), Changed::Done);
}

async fn commands_hold_their_hosts(store: &Store) {
    let text = r#"{"name":"ls","host":"web","script":"ls {{x}}","variables":[{"name":"x","type":"pattern","pattern":"[a-z]"}],"rows":{"regex":"(?<a>.)"}}"#;
    let command: SavedCommand = serde_json::from_str(text).unwrap();
    assert_eq!(store.save_command(&command, true).await.unwrap(), ShellChanged::Absent);
    assert_eq!(store.save_command(&command, false).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.save_command(&command, false).await.unwrap(), ShellChanged::NameTaken);
    let elsewhere = SavedCommand { name: shell_name("other"), host: shell_name("absent"), ..command.clone() };
    assert_eq!(store.save_command(&elsewhere, false).await.unwrap(), ShellChanged::NoHost);
    assert_eq!(store.remove_host(&shell_name("web")).await.unwrap(), ShellChanged::InUse(vec!["ls".into()]));
    let changed = SavedCommand { script: "ls -l {{x}}".into(), ..command };
    assert_eq!(store.save_command(&changed, true).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.commands().await.unwrap(), [changed]);
    assert_eq!(store.remove_command(&shell_name("ls")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.remove_command(&shell_name("ls")).await.unwrap(), ShellChanged::Absent);
    let events: Vec<String> =
        store.audit(&AuditFilter::default()).await.unwrap().into_iter().map(|row| row.event).collect();
    let ours: Vec<&str> = events.iter().map(String::as_str).filter(|event| event.starts_with("shell_")).collect();
    assert_eq!(
        ours,
        [
            "shell_host_added",
            "shell_host_changed",
            "shell_host_added",
            "shell_host_removed",
            "shell_command_saved",
            "shell_command_saved",
            "shell_command_removed"
        ]
    );
}

fn report() -> RunReport {
    serde_json::from_str(
        r#"{"id":null,"command":"ls","host":"web","by":"admin","started":"2026-01-01T00:00:00Z","duration_ms":5,"ended":"ok",
            "reason":null,"exit_code":0,"signal":null,"rows":[{"a":1.10}],"stdout":{"text":"a\u0000b","bytes":3},
            "stderr":{"text":"","bytes":0},"failure":null}"#,
    )
    .unwrap()
}

fn entry() -> AuditEntry {
    AuditEntry { event: "shell_command_run", outcome: "ok".into(), ..AuditEntry::default() }
}

/// By age and by number, each for itself; the numbers of those that stay do not change.
async fn old_runs_are_forgotten(store: &Store) {
    let now = jiff::Timestamp::now().as_millisecond();
    let day = 24 * 3600 * 1000;
    let mut ids = Vec::new();
    for at_ms in [now - 40 * day, now - 3 * day, now - day, now] {
        ids.push(store.keep_run(at_ms, &report(), &entry()).await.unwrap());
    }
    let left = async |days, most| {
        store.forget_runs(RunsKept { days, most }).await.unwrap();
        let left = store.runs(&RunFilter::default()).await.unwrap();
        left.into_iter().rev().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(left(30, 10).await, ids[1..]);
    assert_eq!(left(2, 10).await, ids[2..]);
    assert_eq!(left(30, 1).await, ids[3..]);
    for _ in 0..510 {
        store.keep_run(now - 2 * day, &report(), &entry()).await.unwrap();
    }
    assert_eq!(left(1, 10_000).await, ids[3..], "more than one transaction forgets");
}

async fn runs_are_numbered_and_filtered(store: &Store) {
    let (report, entry) = (report(), entry());
    let first = store.keep_run(7, &report, &entry).await.unwrap();
    let other = RunReport { command: None, ended: HowEnded::TimedOut, ..report.clone() };
    let second = store.keep_run(8, &other, &entry).await.unwrap();
    assert!(second > first);
    let all = store.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(
        all.iter().map(|run| (run.id, run.ended.as_str())).collect::<Vec<_>>(),
        [(second, "timed_out"), (first, "ok")]
    );
    let of = |command: &str| RunFilter { command: Some(command.into()), ..RunFilter::default() };
    assert_eq!(store.runs(&of("ls")).await.unwrap().len(), 1);
    assert!(store.runs(&of("none")).await.unwrap().is_empty());
    let before = RunFilter { before: Some(second), limit: Some(5), ..RunFilter::default() };
    assert_eq!(store.runs(&before).await.unwrap()[0].id, first);
    let back = store.run(first).await.unwrap().unwrap();
    assert_eq!((back.id, back.rows, back.stdout.bytes), (Some(first), report.rows, 3));
    assert!(store.run(second + 1).await.unwrap().is_none());
    let rows = store.audit(&AuditFilter { event: Some("shell_command_run".into()), ..<_>::default() }).await.unwrap();
    assert_eq!(rows.len(), 2);
}

/// The store's file, as another program sees it.
async fn raw(folder: &TempDir) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.path().join("store.sqlite"))).await.unwrap()
}

#[tokio::test]
async fn a_run_without_its_audit_row_is_not_kept_and_leaves_no_transaction_open() {
    let folder = TempDir::new().unwrap();
    let (store, raw) = (Store::open(folder.path(), "jo@host").await.unwrap(), raw(&folder).await);
    for refuses in ["audit", "shell_runs"] {
        let trigger = format!("CREATE TRIGGER no BEFORE INSERT ON {refuses} BEGIN SELECT RAISE(ABORT, 'no'); END");
        sqlx::query(sqlx::AssertSqlSafe(trigger)).execute(&raw).await.unwrap();
        for _ in 0..10 {
            store.keep_run(1, &report(), &entry()).await.unwrap_err();
        }
        sqlx::query("DROP TRIGGER no").execute(&raw).await.unwrap();
        assert!(store.runs(&RunFilter::default()).await.unwrap().is_empty());
        assert!(store.audit(&AuditFilter::default()).await.unwrap().is_empty());
    }
    store.keep_run(1, &report(), &entry()).await.unwrap();
    assert_eq!(store.runs(&RunFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.audit(&AuditFilter::default()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn who_gives_up_while_a_run_is_kept_leaves_both_rows_or_none() {
    let folder = TempDir::new().unwrap();
    let (store, raw) = (Store::open(folder.path(), "jo@host").await.unwrap(), raw(&folder).await);
    for polls in 0..40 {
        let (report, entry) = (report(), entry());
        let mut keeping = store.keep_run(1, &report, &entry);
        for _ in 0..polls {
            if futures::poll!(&mut keeping).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(keeping);
    }
    // Another writer gets its turn: nothing holds the lock.
    sqlx::query("BEGIN IMMEDIATE").execute(&raw).await.unwrap();
    let count = async |table: &str| {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&raw).await.unwrap()
    };
    assert_eq!(count("shell_runs").await, count("audit").await);
}
