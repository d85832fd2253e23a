//! One connection or transaction of either database, and the few ways to run a statement on it.
//!
//! The statements are the same text for both: numbered parameters `$1`, names in double quotes where one of the two
//! reserves a word. What differs (triggers, types) is in the migrations.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction};

/// The open database.
#[derive(Clone, Debug)]
pub(super) enum Db {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A connection for reading.
pub(super) enum Reading {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A transaction; rolled back when it is dropped.
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A connection for a transaction that is one statement, or one text of statements: one way to the database and back
/// instead of four. Unless it [went through](Whole::done), the connection is closed with what is open on it, so that
/// nobody who gets it next writes into a transaction that never ends.
pub(super) struct Whole {
    on: Reading,
    is_done: bool,
}

/// What statements run on.
pub(super) enum Conn<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

impl Db {
    pub(super) async fn reading(&self) -> Result<Reading, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Reading::Sqlite(pool.acquire().await?),
            Self::Postgres(pool) => Reading::Postgres(pool.acquire().await?),
        })
    }

    /// A transaction. `SQLite`'s holds the write lock from its start, so that it never fails half-way for being late.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    pub(super) async fn whole(&self) -> Result<Whole, sqlx::Error> {
        Ok(Whole { on: self.reading().await?, is_done: false })
    }

    /// The text that is right for this one.
    pub(super) const fn pick<T: Copy>(&self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Reading {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(connection) => Conn::Sqlite(connection),
            Self::Postgres(connection) => Conn::Postgres(connection),
        }
    }
}

impl Whole {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        self.on.conn()
    }

    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        match &mut self.on {
            _ if self.is_done => (),
            Reading::Sqlite(connection) => connection.close_on_drop(),
            Reading::Postgres(connection) => connection.close_on_drop(),
        }
    }
}

impl Tx {
    pub(super) fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(transaction) => Conn::Sqlite(transaction),
            Self::Postgres(transaction) => Conn::Postgres(transaction),
        }
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(transaction) => transaction.commit().await,
        }
    }
}

/// Runs a statement on a `&mut Conn`, and answers how many rows it touched.
macro_rules! execute {
    ($conn:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $conn {
            $crate::store::db::Conn::Sqlite(c) => {
                sqlx::query($sql)$(.bind($bind))*.execute(&mut **c).await.map(|done| done.rows_affected())
            }
            $crate::store::db::Conn::Postgres(c) => {
                sqlx::query($sql)$(.bind($bind))*.execute(&mut **c).await.map(|done| done.rows_affected())
            }
        }
    };
}

/// The rows of a question, each as the given `FromRow` type (a tuple for a single column).
macro_rules! rows {
    ($conn:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $conn {
            $crate::store::db::Conn::Sqlite(c) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(&mut **c).await
            }
            $crate::store::db::Conn::Postgres(c) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_all(&mut **c).await
            }
        }
    };
}

/// The first row of a question, if there is one.
macro_rules! row {
    ($conn:expr, $row:ty, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $conn {
            $crate::store::db::Conn::Sqlite(c) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(&mut **c).await
            }
            $crate::store::db::Conn::Postgres(c) => {
                sqlx::query_as::<_, $row>($sql)$(.bind($bind))*.fetch_optional(&mut **c).await
            }
        }
    };
}

pub(super) use {execute, row, rows};
