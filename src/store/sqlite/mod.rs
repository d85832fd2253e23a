//! The embedded default: one file in the data folder.

mod error;
mod folder;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::time::Instant;

use crate::domain::Failure;

pub(super) use error::{failure, is_constraint, is_damaged};

/// The store's file in the data folder.
const FILE_NAME: &str = "store.sqlite";

/// How long one process waits for another's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Waiting for a connection may include one whole wait for another process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between attempts where `SQLite` does not wait by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A handful: the store sees a few short transactions a minute.
const MAX_CONNECTIONS: u32 = 4;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The log of events, beside it.
pub(super) const EVENTS_FILE: &str = "events.db";
static EVENTS: Migrator = sqlx::migrate!("migrations/events");

/// Opens the file, with its tables as this program knows them.
pub(super) async fn open(data_dir: &Path) -> Result<(SqlitePool, PathBuf), Failure> {
    open_file(data_dir, FILE_NAME, &MIGRATIONS).await
}

/// Opens the log of events, with its tables.
pub(super) async fn open_events(data_dir: &Path) -> Result<(SqlitePool, PathBuf), Failure> {
    open_file(data_dir, EVENTS_FILE, &EVENTS).await
}

async fn open_file(
    data_dir: &Path,
    name: &'static str,
    migrations: &Migrator,
) -> Result<(SqlitePool, PathBuf), Failure> {
    let dir = data_dir.to_owned();
    let prepared = tokio::task::spawn_blocking(move || folder::prepare(&dir, name)).await;
    let file = prepared.map_err(Failure::internal)??;
    let pool = connect(&file).await.map_err(|e| failure(&file, "opening the store", &e))?;
    migrate(&pool, &file, migrations).await?;
    Ok((pool, file))
}

/// Brings the tables up to date. One transaction around all of it: two processes may start at once.
async fn migrate(pool: &SqlitePool, file: &Path, migrations: &Migrator) -> Result<(), Failure> {
    let failed = |e: sqlx::Error| failure(file, "bringing the store up to date", &e);
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    migrations.run_direct(None, &mut *tx, false).await.map_err(|e| error::migration(file, &e))?;
    tx.commit().await.map_err(failed)
}

/// Connects. The switch to write-ahead logging needs the file for itself for a moment, and `SQLite` does not wait for
/// that by itself: with two processes at their first start, one has to try again.
async fn connect(file: &Path) -> Result<SqlitePool, sqlx::Error> {
    let give_up = Instant::now() + ACQUIRE_TIMEOUT;
    loop {
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false); // a file does not hang up, and asking costs as much as a read
        match pool.connect_with(options(file)).await {
            Err(e) if error::is_busy(&e) && Instant::now() < give_up => tokio::time::sleep(RETRY_PAUSE).await,
            connected => return connected,
        }
    }
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false) // it was made with its mode before
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full) // a key whose public half was handed out must survive a power cut
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("secure_delete", "ON") // what is deleted is overwritten
        .pragma("temp_store", "MEMORY")
        .pragma("trusted_schema", "OFF")
        .disable_statement_logging()
}
