//! Runs of shell commands in either database.

use std::sync::atomic::{AtomicU64, Ordering};

use appferry::domain::shell::{HowEnded, RunReport, RunsKept};
use appferry::ports::{AuditEntry, AuditFilter, AuditLog as _, AuditRow, NewRun, RunFilter, RunRecords as _, RunRow};
use appferry::store::Store;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use crate::support::postgres::Postgres;

const FAR: i64 = i64::MAX;

#[tokio::test]
async fn sqlite_keeps_runs() {
    let folder = TempDir::new().unwrap();
    all(Store::open(folder.path(), "jo@host").await.unwrap()).await;
}

#[tokio::test]
async fn postgres_keeps_runs() {
    let Some(server) = Postgres::start() else { return };
    all(Store::open_postgres(&server.database("runs"), "jo@host").await.unwrap()).await;
}

async fn all(store: Store) {
    runs_are_numbered_and_filtered(&store).await;
    a_run_is_there_from_its_beginning(&store).await;
    a_run_is_noted_once_and_ended_once(&store).await;
    runs_that_nobody_ends_are_settled(&store).await;
    runs_end_while_others_are_settled(&store).await;
    old_runs_are_forgotten(&store).await;
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

fn running() -> RunReport {
    RunReport { ended: HowEnded::Running, ..report() }
}

/// Of the service `owner-1`.
fn key_of(owner: &str) -> String {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    format!("{owner}-1-{}", NUMBERS.fetch_add(1, Ordering::Relaxed))
}

/// Begins a run of `owner` that has ended at `until_ms` for sure.
async fn begin(store: &Store, at_ms: i64, owner: &str, until_ms: i64) -> i64 {
    let entry = AuditEntry { key_name: Some("deploy".into()), purpose: Some("ls on web".into()), ..entry() };
    let key = &key_of(owner);
    store.begin_run(&NewRun { key, at_ms, until_ms, owner, report: &running(), entry: &entry }).await.unwrap()
}

async fn keep(store: &Store, at_ms: i64, report: &RunReport) -> i64 {
    let key = &key_of("me");
    let run = NewRun { key, at_ms, until_ms: FAR, owner: "me", report, entry: &entry() };
    let id = store.begin_run(&run).await.unwrap();
    store.end_run(id, report, &entry()).await.unwrap();
    id
}

async fn rows(store: &Store) -> Vec<RunRow> {
    store.runs(&RunFilter::default()).await.unwrap()
}

async fn audited(store: &Store) -> Vec<AuditRow> {
    store.audit(&AuditFilter { event: Some("shell_command_run".into()), ..<_>::default() }).await.unwrap()
}

async fn a_run_is_there_from_its_beginning(store: &Store) {
    let (before, known) = (rows(store).await.len(), audited(store).await.len());
    let id = begin(store, 9, "me", FAR).await;
    let found = rows(store).await;
    assert_eq!((found.len(), found[0].id, found[0].ended.as_str()), (before + 1, id, "running"));
    assert_eq!(store.run(id).await.unwrap().unwrap(), RunReport { id: Some(id), ..running() });
    assert_eq!(audited(store).await.len(), known, "its row comes with what came of it");
    store.end_run(id, &report(), &entry()).await.unwrap();
    assert_eq!(store.run(id).await.unwrap().unwrap(), RunReport { id: Some(id), ..report() });
    let row = rows(store).await.remove(0);
    assert_eq!((row.ended.as_str(), row.duration_ms), ("ok", 5));
    assert_eq!(audited(store).await.len(), known + 1);
}

/// Whoever lost the answer asks again.
async fn a_run_is_noted_once_and_ended_once(store: &Store) {
    let (before, known) = (rows(store).await.len(), audited(store).await.len());
    let key = &key_of("me");
    let run = NewRun { key, at_ms: 9, until_ms: FAR, owner: "me", report: &running(), entry: &entry() };
    let id = store.begin_run(&run).await.unwrap();
    assert_eq!(store.begin_run(&run).await.unwrap(), id);
    // A server may put anything into the name of a signal.
    let odd = RunReport { reason: Some("SIG\0 ended it".into()), ..report() };
    for _ in 0..2 {
        store.end_run(id, &odd, &entry()).await.unwrap();
    }
    assert_eq!(store.begin_run(&run).await.unwrap(), id);
    assert_eq!((rows(store).await.len(), audited(store).await.len()), (before + 1, known + 1));
    assert_eq!(rows(store).await[0].reason.as_deref(), Some("SIG\u{fffd} ended it"));
}

async fn runs_end_while_others_are_settled(store: &Store) {
    let known = audited(store).await.len();
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(begin(store, number, "pair", FAR).await);
    }
    let (report, entry) = (report(), entry());
    let ending = futures::future::join_all(ids.iter().rev().map(|id| store.end_run(*id, &report, &entry)));
    let (ended, settled) = futures::join!(ending, store.settle_runs("pair", "pair-2-"));
    settled.unwrap();
    ended.into_iter().for_each(Result::unwrap);
    for id in ids {
        assert_eq!(store.run(id).await.unwrap().unwrap().ended, HowEnded::Ok, "the truth counts, whoever comes first");
    }
    assert!(audited(store).await.len() >= known + 60);
}

async fn runs_that_nobody_ends_are_settled(store: &Store) {
    let known = audited(store).await.len();
    let ended = async |id| store.run(id).await.unwrap().unwrap().ended;
    let (mine, theirs) = (begin(store, 1, "me", FAR).await, begin(store, 2, "they", FAR).await);
    let overdue = begin(store, 3, "they", 4).await;
    store.settle_runs("me", "me-1-").await.unwrap();
    assert_eq!(
        (ended(mine).await, ended(theirs).await, ended(overdue).await),
        (HowEnded::Running, HowEnded::Running, HowEnded::NotKnown)
    );
    for _ in 0..2 {
        store.settle_runs("me", "me-2-").await.unwrap();
    }
    assert_eq!((ended(mine).await, ended(theirs).await), (HowEnded::NotKnown, HowEnded::Running));
    let settled = store.run(mine).await.unwrap().unwrap();
    assert!(settled.reason.unwrap().contains("appferry ended while it ran"));
    let log = audited(store).await;
    assert_eq!(log.len(), known + 2);
    let (row, detail) = (&log[known + 1], log[known + 1].detail.as_deref().unwrap());
    assert_eq!(
        (row.outcome.as_str(), row.key.as_deref(), row.purpose.as_deref()),
        ("not known", Some("deploy"), Some("ls on web"))
    );
    assert!(detail.starts_with("asked by admin at 2026-01-01T00:00:00Z; appferry ended"), "{detail}");
    // Who still knows better has the last word.
    store.end_run(mine, &report(), &entry()).await.unwrap();
    assert_eq!(ended(mine).await, HowEnded::Ok);
    store.end_run(theirs, &report(), &entry()).await.unwrap();
    // More than one transaction.
    for _ in 0..510 {
        begin(store, 5, "gone", FAR).await;
    }
    store.settle_runs("gone", "gone-2-").await.unwrap();
    assert!(
        store
            .runs(&RunFilter { limit: Some(1_000), ..<_>::default() })
            .await
            .unwrap()
            .iter()
            .all(|run| run.ended != "running")
    );
}

/// By age and by number, each for itself; the numbers of those that stay do not change.
async fn old_runs_are_forgotten(store: &Store) {
    let now = jiff::Timestamp::now().as_millisecond();
    let day = 24 * 3600 * 1000;
    let mut ids = Vec::new();
    for at_ms in [now - 40 * day, now - 3 * day, now - day, now] {
        ids.push(keep(store, at_ms, &report()).await);
    }
    let left = async |days, most| {
        store.forget_runs(RunsKept { days, most }).await.unwrap();
        let left = store.runs(&RunFilter::default()).await.unwrap();
        left.into_iter().rev().map(|run| run.id).collect::<Vec<_>>()
    };
    assert_eq!(left(30, 10).await, ids[1..]);
    assert_eq!(left(2, 10).await, ids[2..]);
    let under_way = begin(store, now - 40 * day, "me", FAR).await;
    let newest = keep(store, now, &report()).await;
    assert_eq!(left(30, 1).await, [under_way, newest], "never one under way");
    store.end_run(under_way, &report(), &entry()).await.unwrap();
    ids.extend([newest]);
    ids.drain(..1);
    assert_eq!(left(30, 1).await, ids[3..]);
    for _ in 0..510 {
        keep(store, now - 2 * day, &report()).await;
    }
    assert_eq!(left(1, 10_000).await, ids[3..], "more than one transaction forgets");
}

async fn runs_are_numbered_and_filtered(store: &Store) {
    let report = report();
    let first = keep(store, 7, &report).await;
    let other = RunReport { command: None, ended: HowEnded::TimedOut, ..report.clone() };
    let second = keep(store, 8, &other).await;
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
    assert_eq!(audited(store).await.len(), 2);
}

/// The store's file, as another program sees it.
async fn raw(folder: &TempDir) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.path().join("store.sqlite"))).await.unwrap()
}

#[tokio::test]
async fn what_came_of_a_run_is_kept_with_its_audit_row_or_not_at_all() {
    let folder = TempDir::new().unwrap();
    let (store, raw) = (Store::open(folder.path(), "jo@host").await.unwrap(), raw(&folder).await);
    let id = begin(&store, 1, "me", FAR).await;
    for refused in ["INSERT ON audit", "UPDATE ON shell_runs"] {
        let trigger = format!("CREATE TRIGGER no BEFORE {refused} BEGIN SELECT RAISE(ABORT, 'no'); END");
        sqlx::query(sqlx::AssertSqlSafe(trigger)).execute(&raw).await.unwrap();
        for _ in 0..10 {
            store.end_run(id, &report(), &entry()).await.unwrap_err();
        }
        // Another writer gets its turn: no transaction was left open.
        sqlx::query("DROP TRIGGER no").execute(&raw).await.unwrap();
        assert_eq!(rows(&store).await[0].ended, "running");
        assert!(audited(&store).await.is_empty());
    }
    store.end_run(id, &report(), &entry()).await.unwrap();
    assert_eq!((rows(&store).await[0].ended.as_str(), audited(&store).await.len()), ("ok", 1));
}

/// As on a full disk: what the statement did is refused when it commits.
#[tokio::test]
async fn a_run_that_could_not_be_committed_was_not_noted() {
    let folder = TempDir::new().unwrap();
    let (store, raw) = (Store::open(folder.path(), "jo@host").await.unwrap(), raw(&folder).await);
    for sql in [
        "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
        "CREATE TABLE children (id INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TRIGGER late AFTER INSERT ON shell_runs BEGIN INSERT INTO children VALUES (1); END",
    ] {
        sqlx::query(sql).execute(&raw).await.unwrap();
    }
    for _ in 0..10 {
        let (key, report, entry) = (key_of("me"), running(), entry());
        let run = NewRun { key: &key, at_ms: 1, until_ms: FAR, owner: "me", report: &report, entry: &entry };
        store.begin_run(&run).await.unwrap_err();
    }
    assert!(rows(&store).await.is_empty());
    sqlx::query("DROP TRIGGER late").execute(&raw).await.unwrap();
    assert_eq!(begin(&store, 1, "me", FAR).await, 1);
}

#[tokio::test]
async fn who_gives_up_while_a_run_ends_leaves_all_of_it_or_nothing() {
    let folder = TempDir::new().unwrap();
    let (store, raw) = (Store::open(folder.path(), "jo@host").await.unwrap(), raw(&folder).await);
    for polls in 0..40 {
        let (report, entry, id) = (report(), entry(), begin(&store, 1, "me", FAR).await);
        let mut ending = store.end_run(id, &report, &entry);
        for _ in 0..polls {
            if futures::poll!(&mut ending).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(ending);
    }
    // Another writer gets its turn: nothing holds the lock.
    sqlx::query("BEGIN IMMEDIATE").execute(&raw).await.unwrap();
    let ended = rows(&store).await.iter().filter(|run| run.ended == "ok").count();
    assert_eq!(ended, audited(&store).await.len());
}
