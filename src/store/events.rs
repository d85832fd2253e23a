//! The log of events of one data folder, and the queues of those that are still to be delivered: a `SQLite` file of its own,
//! because the key store may be shared by several instances.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::watch;

use super::audit::now_ms;
use super::sqlite::{self, EVENTS_FILE};
use crate::domain::Failure;
use crate::domain::event::{Event, EventRepository, NewEvent, What};
use crate::domain::status::AppState;
use crate::ports::{EventLog, EventQueue, EventSource, STANDING_FAILURE, Waiting};

/// Events older than this are deleted, delivered or not.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// And the oldest of more than this many.
const MOST: i64 = 50_000;
/// After so many appends, and at each start, what is too old is looked for.
const PRUNE_EVERY: u32 = 100;

/// The open log.
#[derive(Debug)]
pub struct EventStore {
    pool: SqlitePool,
    file: PathBuf,
    instance: String,
    targets: Vec<String>,
    /// The kinds that targets get; all, when there are none.
    kinds: BTreeSet<String>,
    newest: watch::Sender<u64>,
    appends: AtomicU32,
}

impl EventStore {
    /// Opens the log in `data_dir`. What is appended waits for each of the `targets`, if its kind is one of `kinds` or
    /// those are empty; what waits for other targets is forgotten. A damaged log is put aside: it is worth less than syncing.
    ///
    /// # Errors
    /// Disk, saying what to do.
    pub async fn open(
        data_dir: &Path,
        instance: &str,
        targets: Vec<String>,
        kinds: BTreeSet<String>,
    ) -> Result<Self, Failure> {
        let (pool, file) = match sqlite::open_events(data_dir).await {
            Err(failure) if sqlite::is_damaged(&failure) => {
                tracing::warn!(%failure, "the log of events is put aside, and a new one is begun");
                put_aside(data_dir)?;
                sqlite::open_events(data_dir).await?
            }
            opened => opened?,
        };
        let newest = watch::Sender::new(0);
        let instance = instance.to_owned();
        let store = Self { pool, file, instance, targets, kinds, newest, appends: AtomicU32::new(0) };
        store.forget_other_targets().await?;
        store.prune().await?;
        let (id,): (i64,) = sqlx::query_as("SELECT coalesce(max(id), 0) FROM events")
            .fetch_one(&store.pool)
            .await
            .map_err(|error| store.failure("reading the log of events", &error))?;
        store.newest.send_replace(unsigned(id));
        Ok(store)
    }

    async fn forget_other_targets(&self) -> Result<(), Failure> {
        let doing = "reading the queues of events";
        let known: Vec<(String,)> = sqlx::query_as("SELECT DISTINCT target FROM queue")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failure(doing, &error))?;
        for (target,) in known.into_iter().filter(|(target,)| !self.targets.contains(target)) {
            tracing::info!(target, "forgets events for a target that is not set any more");
            let deleted = sqlx::query("DELETE FROM queue WHERE target = $1").bind(target).execute(&self.pool).await;
            deleted.map_err(|error| self.failure(doing, &error))?;
        }
        Ok(())
    }

    /// Deletes what is too old or too much, and says what of it nobody got.
    async fn prune(&self) -> Result<(), Failure> {
        let failed = |error: sqlx::Error| self.failure("deleting old events", &error);
        let before = now_ms() - i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let too_old = "at_ms < $1 OR id <= (SELECT max(id) FROM events) - $2";
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let undelivered = sqlx::query(sqlx::AssertSqlSafe(format!(
            "DELETE FROM queue WHERE event_id IN (SELECT id FROM events WHERE {too_old})"
        )));
        let undelivered = undelivered.bind(before).bind(MOST).execute(&mut *tx).await.map_err(failed)?.rows_affected();
        let deleted = sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM events WHERE {too_old}")));
        deleted.bind(before).bind(MOST).execute(&mut *tx).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        if undelivered > 0 {
            tracing::warn!(undelivered, "gave events up that waited for a target for too long");
        }
        Ok(())
    }

    async fn keep(&self, tx: &mut SqliteConnection, event: NewEvent) -> Result<Option<i64>, sqlx::Error> {
        let NewEvent { origin, time, repository, app, what } = event;
        let lane = format!("{}\n{}", repository.key(), app.as_deref().unwrap_or_default());
        let event = Event { id: 0, time, instance: self.instance.clone(), repository, app, what };
        let body = serde_json::to_string(&event).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let kept = sqlx::query("INSERT INTO events (at_ms, origin, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(now_ms())
            .bind(origin)
            .bind(body)
            .execute(&mut *tx)
            .await?;
        if kept.rows_affected() == 0 {
            return Ok(None);
        }
        let id = kept.last_insert_rowid();
        if self.kinds.is_empty() || self.kinds.contains(event.what.kind()) {
            for target in &self.targets {
                let queued = sqlx::query("INSERT INTO queue (target, event_id, lane) VALUES ($1, $2, $3)");
                queued.bind(target).bind(id).bind(&lane).execute(&mut *tx).await?;
            }
        }
        remember_state(tx, &event).await?;
        Ok(Some(id))
    }

    fn failure(&self, doing: &str, error: &sqlx::Error) -> Failure {
        sqlite::failure(&self.file, doing, error)
    }
}

/// Only what is not in sync is remembered, and what stands against the repository.
async fn remember_state(tx: &mut SqliteConnection, event: &Event) -> Result<(), sqlx::Error> {
    let repository = event.repository.key();
    let app = event.app.as_deref().unwrap_or_default();
    match &event.what {
        What::AppState { to, .. } => {
            let state = to.filter(|state| *state != AppState::InSync).map(text);
            remember(tx, &repository, app, state).await
        }
        What::RepositoryState { to, .. } => {
            if !to.is_failing() {
                remember(tx, &repository, STANDING_FAILURE, None).await?;
            }
            remember(tx, &repository, app, Some(text(*to))).await
        }
        What::Failure { class, .. } => remember(tx, &repository, STANDING_FAILURE, Some(text(*class))).await,
        _ => Ok(()),
    }
}

async fn remember(
    tx: &mut SqliteConnection,
    repository: &str,
    app: &str,
    state: Option<String>,
) -> Result<(), sqlx::Error> {
    let done = if let Some(state) = state {
        let set = "INSERT INTO states (repository, app, state) VALUES ($1, $2, $3)
                   ON CONFLICT (repository, app) DO UPDATE SET state = excluded.state";
        sqlx::query(set).bind(repository).bind(app).bind(state).execute(tx).await
    } else {
        let forget = sqlx::query("DELETE FROM states WHERE repository = $1 AND app = $2");
        forget.bind(repository).bind(app).execute(tx).await
    };
    done.map(drop)
}

fn text(state: impl serde::Serialize) -> String {
    serde_json::to_value(state).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn put_aside(data_dir: &Path) -> Result<(), Failure> {
    let file = data_dir.join(EVENTS_FILE);
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(data_dir.join(format!("{EVENTS_FILE}{ending}")));
    }
    std::fs::rename(&file, data_dir.join(format!("{EVENTS_FILE}.damaged")))
        .map_err(|error| Failure::disk(format!("{} cannot be put aside", file.display()), &error))
}

/// Ids are never negative.
fn unsigned(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn read((id, body): &(i64, String)) -> Option<Event> {
    let event: Event = serde_json::from_str(body).ok()?; // a kind of a newer version is left out
    Some(Event { id: unsigned(*id), ..event })
}

#[async_trait]
impl EventLog for EventStore {
    async fn append(&self, events: Vec<NewEvent>) -> Result<(), Failure> {
        let failed = |error: sqlx::Error| self.failure("keeping events", &error);
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let mut newest = None;
        for event in events {
            newest = self.keep(&mut tx, event).await.map_err(failed)?.or(newest);
        }
        tx.commit().await.map_err(failed)?;
        if let Some(newest) = newest {
            let newest = unsigned(newest);
            // Two that append at once may come here in either order.
            self.newest.send_if_modified(|known| {
                let is_news = newest > *known;
                *known = newest.max(*known);
                is_news
            });
        }
        if self.appends.fetch_add(1, Ordering::Relaxed) % PRUNE_EVERY == PRUNE_EVERY - 1
            && let Err(failure) = self.prune().await
        {
            tracing::warn!(%failure, "old events stay; it is tried again");
        }
        Ok(())
    }

    async fn states(&self, repository: &EventRepository) -> Result<BTreeMap<String, String>, Failure> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT app, state FROM states WHERE repository = $1")
            .bind(repository.key())
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failure("reading the states told last", &error))?;
        Ok(rows.into_iter().collect())
    }
}

#[async_trait]
impl EventSource for EventStore {
    async fn after(&self, id: u64, limit: u32) -> Result<Vec<Event>, Failure> {
        let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, body FROM events WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(signed(id))
            .bind(limit)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failure("reading the log of events", &error))?;
        Ok(rows.iter().filter_map(read).collect())
    }

    fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[async_trait]
impl EventQueue for EventStore {
    async fn waiting(&self, target: &str, after: u64, limit: u32) -> Result<Vec<Waiting>, Failure> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT event_id, lane FROM queue WHERE target = $1 AND event_id > $2 ORDER BY event_id LIMIT $3",
        )
        .bind(target)
        .bind(signed(after))
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(|error| self.failure("reading the queue of events", &error))?;
        Ok(rows.into_iter().map(|(id, lane)| Waiting { id: unsigned(id), lane }).collect())
    }

    async fn event(&self, id: u64) -> Result<Option<Event>, Failure> {
        let row: Option<(i64, String)> = sqlx::query_as("SELECT id, body FROM events WHERE id = $1")
            .bind(signed(id))
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failure("reading the log of events", &error))?;
        Ok(row.as_ref().and_then(read))
    }

    async fn settled(&self, target: &str, id: u64) -> Result<(), Failure> {
        sqlx::query("DELETE FROM queue WHERE target = $1 AND event_id = $2")
            .bind(target)
            .bind(signed(id))
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|error| self.failure("noting a delivery", &error))
    }
}

#[cfg(test)]
mod tests;
