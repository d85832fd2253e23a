//! Where the key store's records are: `SQLite` in the data folder, or `PostgreSQL`. Nothing of it is cached; several
//! processes, and with `PostgreSQL` several machines, work on it side by side.
//!
//! The two adapters differ in how they are opened and in what their errors mean (`sqlite`, `postgres`); the statements
//! are shared (`db`).

mod audit;
mod canary;
mod changes;
mod db;
mod events;
mod hosts;
mod keys;
mod postgres;
mod release;
mod rotation;
mod rows;
mod runs;
mod shell;
mod sqlite;
mod tunnels;
mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

use crate::domain::Failure;
use db::{Db, Reading, Tx};

pub use events::EventStore;

/// The open store.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    place: Place,
    /// Who is written into the audit log.
    actor: Arc<str>,
}

/// Where the store is, for messages.
#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    /// `host:port/database`, without user and password.
    Database(Arc<str>),
}

impl Store {
    /// Opens the store in `data_dir`; makes folder (0700), file (0600) and tables where they are missing. What is changed
    /// through it is done by `actor`.
    ///
    /// # Errors
    /// Disk, saying what to do: the folder cannot be made or written, the disk is full, the file is damaged, or a newer
    /// appferry has written it.
    pub async fn open(data_dir: &Path, actor: &str) -> Result<Self, Failure> {
        let (pool, file) = sqlite::open(data_dir).await?;
        let store = Self { db: Db::Sqlite(pool), place: Place::File(file), actor: actor.into() };
        store.prune_audit().await?;
        Ok(store)
    }

    /// Opens the store in the `PostgreSQL` database at `url`; makes the tables where they are missing.
    ///
    /// # Errors
    /// Connect when it does not answer, refused when it does not let us in, disk when a newer appferry has written it.
    pub async fn open_postgres(url: &SecretString, actor: &str) -> Result<Self, Failure> {
        let (pool, place) = postgres::open(url).await?;
        let store = Self { db: Db::Postgres(pool), place: Place::Database(place.into()), actor: actor.into() };
        store.prune_audit().await?;
        Ok(store)
    }

    /// A connection for reading.
    async fn reading(&self, doing: &str) -> Result<Reading, Failure> {
        self.db.reading().await.map_err(|e| self.failure(doing, &e))
    }

    async fn begin(&self, doing: &str) -> Result<Tx, Failure> {
        self.db.begin().await.map_err(|e| self.failure(doing, &e))
    }

    /// Commits what went well; what did not is rolled back.
    async fn finish<T>(&self, doing: &str, tx: Tx, done: Result<T, sqlx::Error>) -> Result<T, Failure> {
        let done = done.map_err(|e| self.failure(doing, &e))?;
        tx.commit().await.map_err(|e| self.failure(doing, &e))?;
        Ok(done)
    }

    fn failure(&self, doing: &str, error: &sqlx::Error) -> Failure {
        match &self.place {
            Place::File(file) => sqlite::failure(file, doing, error),
            Place::Database(place) => postgres::failure(place, doing, error),
        }
    }
}

/// Whether the database refuses a value that has to be the only one.
fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

/// Whether the database refuses a change because of what depends on it: a constraint, or one of our triggers.
fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| sqlite::is_constraint(&code) || code.starts_with("23"))
}
