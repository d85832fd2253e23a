//! Host keys that people have trusted.

use async_trait::async_trait;

use super::Store;
use super::audit::append;
use super::db::{Conn, execute, row, rows};
use crate::domain::Failure;
use crate::ports::{AuditEntry, HostTrust, TrustedHostKey};

#[derive(sqlx::FromRow)]
struct RawHostKey {
    host: String,
    kind: String,
    key: String,
    fingerprint: String,
    trusted_ms: i64,
    trusted_by: String,
}

#[async_trait]
impl HostTrust for Store {
    async fn trusted(&self, host: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure> {
        let doing = "reading the trusted host keys";
        let mut reading = self.reading(doing).await?;
        keys(&mut reading.conn(), host).await.map_err(|e| self.failure(doing, &e))
    }

    async fn trust(&self, key: &TrustedHostKey, replace: bool) -> Result<Vec<TrustedHostKey>, Failure> {
        let doing = "trusting a host key";
        let mut tx = self.begin(doing).await?;
        let replaced = trust(&mut tx.conn(), &self.actor, key, replace).await;
        self.finish(doing, tx, replaced).await
    }

    async fn trust_first(&self, key: &TrustedHostKey) -> Result<Vec<TrustedHostKey>, Failure> {
        let doing = "trusting a first host key";
        let mut tx = self.begin(doing).await?;
        let known = trust_first(&mut tx.conn(), &self.actor, key).await;
        self.finish(doing, tx, known).await
    }

    async fn forget(&self, host: &str, fingerprint: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure> {
        let doing = "forgetting a host key";
        let mut tx = self.begin(doing).await?;
        let chosen = |key: &TrustedHostKey| fingerprint.is_none_or(|fingerprint| fingerprint == key.fingerprint);
        let forgotten = forget(&mut tx.conn(), &self.actor, host, chosen).await;
        self.finish(doing, tx, forgotten).await
    }

    async fn note_changed(&self, host: &str, shown: &str, known: &[String]) -> Result<(), Failure> {
        let doing = "noting a changed host key";
        let mut tx = self.begin(doing).await?;
        let done = note_changed(&mut tx.conn(), &self.actor, host, shown, known).await;
        self.finish(doing, tx, done).await
    }
}

async fn keys(c: &mut Conn<'_>, host: Option<&str>) -> Result<Vec<TrustedHostKey>, sqlx::Error> {
    let found = rows!(
        c,
        RawHostKey,
        "SELECT host, kind, key, fingerprint, trusted_ms, trusted_by FROM host_keys
         WHERE $1 IS NULL OR host = $1 ORDER BY host, kind, fingerprint",
        host,
    )?;
    Ok(found.into_iter().map(TrustedHostKey::from).collect())
}

async fn trust(
    c: &mut Conn<'_>,
    actor: &str,
    key: &TrustedHostKey,
    replace: bool,
) -> Result<Vec<TrustedHostKey>, sqlx::Error> {
    let replaced = if replace {
        let other = |known: &TrustedHostKey| known.kind == key.kind && known.fingerprint != key.fingerprint;
        remove(c, &key.host, other).await?
    } else {
        Vec::new()
    };
    let added = execute!(
        c,
        "INSERT INTO host_keys (host, kind, key, fingerprint, trusted_ms, trusted_by) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (host, fingerprint) DO NOTHING",
        key.host.as_str(),
        key.kind.as_str(),
        key.key.as_str(),
        key.fingerprint.as_str(),
        key.trusted_ms,
        key.trusted_by.as_str(),
    )?;
    if added == 1 {
        execute!(c, "DELETE FROM host_key_changes WHERE host = $1", key.host.as_str())?;
    }
    tell_forgotten(c, actor, &replaced).await?;
    if added == 1 {
        let detail = format!("{} by {}", key.kind, key.trusted_by);
        append(c, actor, &about_host("host_key_trusted", &key.host, &key.fingerprint, detail)).await?;
    }
    Ok(replaced)
}

async fn trust_first(c: &mut Conn<'_>, actor: &str, key: &TrustedHostKey) -> Result<Vec<TrustedHostKey>, sqlx::Error> {
    // `SQLite` has its write lock already; here two could otherwise both see that there is none.
    if let Conn::Postgres(c) = c {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtext('appferry host keys'))").execute(&mut **c).await?;
    }
    if keys(c, Some(&key.host)).await?.is_empty() {
        trust(c, actor, key, false).await?;
    }
    keys(c, Some(&key.host)).await
}

async fn forget(
    c: &mut Conn<'_>,
    actor: &str,
    host: &str,
    chosen: impl Fn(&TrustedHostKey) -> bool,
) -> Result<Vec<TrustedHostKey>, sqlx::Error> {
    let forgotten = remove(c, host, chosen).await?;
    tell_forgotten(c, actor, &forgotten).await?;
    Ok(forgotten)
}

async fn remove(
    c: &mut Conn<'_>,
    host: &str,
    chosen: impl Fn(&TrustedHostKey) -> bool,
) -> Result<Vec<TrustedHostKey>, sqlx::Error> {
    let removed: Vec<TrustedHostKey> = keys(c, Some(host)).await?.into_iter().filter(chosen).collect();
    for key in &removed {
        execute!(c, "DELETE FROM host_keys WHERE host = $1 AND fingerprint = $2", host, key.fingerprint.as_str(),)?;
    }
    Ok(removed)
}

/// After all other changes: on `PostgreSQL` the log is locked from its first row to the commit.
async fn tell_forgotten(c: &mut Conn<'_>, actor: &str, forgotten: &[TrustedHostKey]) -> Result<(), sqlx::Error> {
    for key in forgotten {
        append(c, actor, &about_host("host_key_forgotten", &key.host, &key.fingerprint, key.kind.clone())).await?;
    }
    Ok(())
}

async fn note_changed(
    c: &mut Conn<'_>,
    actor: &str,
    host: &str,
    shown: &str,
    known: &[String],
) -> Result<(), sqlx::Error> {
    let last = row!(c, (String,), "SELECT shown FROM host_key_changes WHERE host = $1", host)?;
    if last.is_some_and(|(last,)| last == shown) {
        return Ok(());
    }
    execute!(
        c,
        "INSERT INTO host_key_changes (host, shown) VALUES ($1, $2) ON CONFLICT (host) DO UPDATE SET shown = $2",
        host,
        shown,
    )?;
    let mut entry = about_host("host_key_changed", host, shown, format!("known is {}", known.join(" and ")));
    "host_key".clone_into(&mut entry.outcome);
    append(c, actor, &entry).await
}

fn about_host(event: &'static str, host: &str, fingerprint: &str, detail: String) -> AuditEntry {
    AuditEntry {
        event,
        purpose: Some(host.to_owned()),
        host_key: Some(fingerprint.to_owned()),
        outcome: "ok".to_owned(),
        detail: Some(detail),
        ..AuditEntry::default()
    }
}

impl From<RawHostKey> for TrustedHostKey {
    fn from(raw: RawHostKey) -> Self {
        let RawHostKey { host, kind, key, fingerprint, trusted_ms, trusted_by } = raw;
        Self { host, kind, key, fingerprint, trusted_ms, trusted_by }
    }
}
