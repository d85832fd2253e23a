//! Tunnels that people have added, and which keys tunnels use.

use async_trait::async_trait;

use super::Store;
use super::audit::append;
use super::db::{Conn, execute, rows};
use super::users::hold_claims;
use crate::domain::Failure;
use crate::ports::{AuditEntry, TunnelRecords, TunnelRow};

#[async_trait]
impl TunnelRecords for Store {
    async fn tunnels(&self, instance: &str) -> Result<Vec<TunnelRow>, Failure> {
        let doing = "reading the tunnels";
        let mut reading = self.reading(doing).await?;
        let found = rows!(
            &mut reading.conn(),
            (String, String, bool),
            "SELECT name, tunnel, open FROM tunnels WHERE instance = $1 ORDER BY name",
            instance,
        );
        let found = found.map_err(|e| self.failure(doing, &e))?;
        Ok(found.into_iter().map(|(name, tunnel, open)| TunnelRow { name, tunnel, open }).collect())
    }

    async fn add_tunnel(&self, instance: &str, row: &TunnelRow) -> Result<bool, Failure> {
        let doing = "storing the tunnel";
        let mut tx = self.begin(doing).await?;
        let done = add(&mut tx.conn(), &self.actor, instance, row).await;
        self.finish(doing, tx, done).await
    }

    async fn set_tunnel_open(&self, instance: &str, name: &str, open: bool) -> Result<bool, Failure> {
        let doing = "changing the tunnel";
        let mut tx = self.begin(doing).await?;
        let done = set_open(&mut tx.conn(), &self.actor, (instance, name), open).await;
        self.finish(doing, tx, done).await
    }

    async fn remove_tunnel(&self, instance: &str, name: &str) -> Result<bool, Failure> {
        let doing = "removing the tunnel";
        let mut tx = self.begin(doing).await?;
        let done = remove(&mut tx.conn(), &self.actor, instance, name).await;
        self.finish(doing, tx, done).await
    }

    async fn claim_for_tunnels(&self, instance: &str, users: &[(String, Vec<String>)]) -> Result<(), Failure> {
        let doing = "noting which keys the tunnels use";
        let mut tx = self.begin(doing).await?;
        let done = claim(&mut tx.conn(), instance, users).await;
        self.finish(doing, tx, done).await
    }
}

async fn add(c: &mut Conn<'_>, actor: &str, instance: &str, row: &TunnelRow) -> Result<bool, sqlx::Error> {
    let added = execute!(
        c,
        "INSERT INTO tunnels (instance, name, tunnel, open) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        instance,
        row.name.as_str(),
        row.tunnel.as_str(),
        row.open,
    )?;
    if added > 0 {
        append(c, actor, &about("tunnel_added", &row.name, Some(row.tunnel.clone()))).await?;
    }
    Ok(added > 0)
}

async fn set_open(
    c: &mut Conn<'_>,
    actor: &str,
    (instance, name): (&str, &str),
    open: bool,
) -> Result<bool, sqlx::Error> {
    let sql = "UPDATE tunnels SET open = $3 WHERE instance = $1 AND name = $2";
    let found = execute!(c, sql, instance, name, open)?;
    if found > 0 {
        append(c, actor, &about(if open { "tunnel_opened" } else { "tunnel_closed" }, name, None)).await?;
    }
    Ok(found > 0)
}

async fn remove(c: &mut Conn<'_>, actor: &str, instance: &str, name: &str) -> Result<bool, sqlx::Error> {
    let found = execute!(c, "DELETE FROM tunnels WHERE instance = $1 AND name = $2", instance, name)?;
    if found > 0 {
        append(c, actor, &about("tunnel_removed", name, None)).await?;
    }
    Ok(found > 0)
}

fn about(event: &'static str, name: &str, detail: Option<String>) -> AuditEntry {
    AuditEntry {
        event,
        purpose: Some(format!("tunnel {name}")),
        outcome: "ok".to_owned(),
        detail,
        ..AuditEntry::default()
    }
}

/// As the claims of repositories, but all of an instance's tunnels at once: those that are gone use nothing any more.
async fn claim(c: &mut Conn<'_>, instance: &str, users: &[(String, Vec<String>)]) -> Result<(), sqlx::Error> {
    hold_claims(c).await?;
    let these = format!("tunnel % ({instance})"); // an instance's id has no characters that a pattern knows
    execute!(c, r#"DELETE FROM key_users WHERE "user" LIKE $1"#, these.as_str())?;
    execute!(c, r#"DELETE FROM key_claims WHERE "user" LIKE $1"#, these.as_str())?;
    for (user, names) in users {
        for name in names {
            execute!(
                c,
                r#"INSERT INTO key_claims ("user", key_name) VALUES ($1, $2) ON CONFLICT DO NOTHING"#,
                user.as_str(),
                name.as_str(),
            )?;
        }
    }
    execute!(
        c,
        r#"INSERT INTO key_users (key_id, "user")
           SELECT keys.id, key_claims."user" FROM key_claims JOIN keys ON keys.name = key_claims.key_name
           WHERE key_claims."user" LIKE $1"#,
        these.as_str(),
    )
    .map(drop)
}
