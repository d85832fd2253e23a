//! A store that several machines share.

mod error;
mod tls;

use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::domain::{Failure, FailureClass};

pub(super) use error::failure;

/// Connecting included: the store must not hold up a start, or a login, for longer.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Each instance takes at most so many: the store sees a few short transactions a minute.
const MAX_CONNECTIONS: u32 = 4;

/// Servers and the proxies before them end connections that are quiet for long.
const IDLE_TIMEOUT: Duration = Duration::from_mins(5);

/// What the server ends by itself: a machine that stops in the middle of a transaction, or a session of a person, must not
/// hold up the others. A lock is given up before the statement, so that the message says what was waited for.
const LIMITS: [(&str, &str); 3] =
    [("lock_timeout", "5s"), ("statement_timeout", "10s"), ("idle_in_transaction_session_timeout", "30s")];

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Connects, and brings the tables up to date. Answers where that is, without user and password.
pub(super) async fn open(url: &SecretString) -> Result<(PgPool, String), Failure> {
    let options = options(url)?;
    let place = format!("{}:{}/{}", options.get_host(), options.get_port(), options.get_database().unwrap_or("-"));
    greet(&options).await.map_err(|e| failure(&place, "opening the key store", &e))?;
    let pool = PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
        .connect_lazy_with(options);
    // sqlx takes an advisory lock meanwhile: two instances may start at once.
    MIGRATIONS.run(&pool).await.map_err(|e| error::migration(&place, &e))?;
    Ok((pool, place))
}

/// One connection by itself: a pool goes on trying for all of its time although the server has said no.
async fn greet(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connected = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
    connected.map_err(|_| sqlx::Error::PoolTimedOut)??.close().await
}

/// What the library says about a bad URL may quote it: it is not passed on.
fn options(url: &SecretString) -> Result<PgConnectOptions, Failure> {
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|_| {
        Failure::new(
            FailureClass::Refused,
            "APPFERRY_DATABASE_URL is not the URL of a PostgreSQL database",
            "write it as postgres://user:password@host:5432/database, with special characters percent-encoded",
        )
    })?;
    // In transaction-pooling proxies, named statements outlive their connection.
    let options = tls::secured(options, url.expose_secret()).application_name("appferry").options(LIMITS);
    Ok(options.statement_cache_capacity(0).disable_statement_logging())
}
