//! The `SQLite` store in the data folder. The program's processes open it side by side; nothing of it is cached.

mod audit;
mod canary;
mod error;
mod folder;
mod keys;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Sqlite, Transaction};
use tokio::time::Instant;

use crate::domain::Failure;

/// The store's file in the data folder.
pub const FILE_NAME: &str = "store.sqlite";

/// How long one process waits for another's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Waiting for a connection may include one whole wait for another process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause between attempts where `SQLite` does not wait by itself.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A handful: the store sees a few short transactions a minute.
const MAX_CONNECTIONS: u32 = 4;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// The open store.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    file: PathBuf,
}

impl Store {
    /// Opens the store in `data_dir`; makes folder (0700), file (0600) and tables where they are missing.
    ///
    /// # Errors
    /// Disk, saying what to do: the folder cannot be made or written, the disk is full, the file is damaged, or a newer
    /// appferry has written it.
    pub async fn open(data_dir: &Path) -> Result<Self, Failure> {
        let dir = data_dir.to_owned();
        let prepared = tokio::task::spawn_blocking(move || folder::prepare(&dir, FILE_NAME)).await;
        let file = prepared.map_err(Failure::internal)??;
        let pool = connect(&file).await.map_err(|e| error::failure(&file, "opening the key store", &e))?;
        let store = Self { pool, file };
        store.migrate().await?;
        store.prune_audit().await?;
        Ok(store)
    }

    /// Brings the tables up to date. One transaction around all of it: two processes may start at once.
    async fn migrate(&self) -> Result<(), Failure> {
        let mut tx = self.begin("bringing the key store up to date").await?;
        MIGRATIONS.run_direct(None, &mut *tx, false).await.map_err(|e| error::migration(&self.file, &e))?;
        self.commit("bringing the key store up to date", tx).await
    }

    /// A transaction that holds the write lock from its start, so that it never fails half-way for being late.
    async fn begin(&self, doing: &str) -> Result<Transaction<'static, Sqlite>, Failure> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(|e| self.failure(doing, &e))
    }

    async fn commit(&self, doing: &str, tx: Transaction<'static, Sqlite>) -> Result<(), Failure> {
        tx.commit().await.map_err(|e| self.failure(doing, &e))
    }

    fn failure(&self, doing: &str, error: &sqlx::Error) -> Failure {
        error::failure(&self.file, doing, error)
    }
}

/// Connects. The switch to write-ahead logging needs the file for itself for a moment, and `SQLite` does not wait for
/// that by itself: with two processes at their first start, one has to try again.
async fn connect(file: &Path) -> Result<SqlitePool, sqlx::Error> {
    let give_up = Instant::now() + ACQUIRE_TIMEOUT;
    loop {
        let pool = SqlitePoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
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
