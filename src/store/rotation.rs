//! Rotations, and the uses and answers that show whether a new key pair works.

use super::audit::{append, now_ms};
use super::db::{Conn, execute, row};
use super::keys::{about_key, described, insert_material};
use super::{Store, rows};
use crate::domain::{Failure, KeyName};
use crate::ports::{AuditEntry, Changed, GitService, Keep, KeyUse, SealedMaterial};

#[derive(sqlx::FromRow)]
struct RawPair {
    id: String,
    fingerprint: String,
}

impl Store {
    pub(super) async fn begin_rotation(
        &self,
        name: &KeyName,
        from: u32,
        material: SealedMaterial,
        created_ms: i64,
        origin: &'static str,
    ) -> Result<Changed, Failure> {
        let doing = "rotating the key";
        let mut tx = self.begin(doing).await?;
        let done = rotate(&mut tx.conn(), &self.actor, name, from, &material, created_ms, origin).await;
        self.finish(doing, tx, done).await
    }

    pub(super) async fn finish_rotation(&self, name: &KeyName, keep: Keep) -> Result<Changed, Failure> {
        let doing = "ending the rotation";
        let mut tx = self.begin(doing).await?;
        let done = end(&mut tx.conn(), &self.actor, name, keep).await;
        self.finish(doing, tx, done).await
    }

    pub(super) async fn note_use_of(&self, name: &KeyName, used: &KeyUse) -> Result<(), Failure> {
        let doing = "noting the use of a key";
        let mut tx = self.begin(doing).await?;
        let done = note_use(&mut tx.conn(), &self.actor, name, used).await;
        self.finish(doing, tx, done).await
    }

    pub(super) async fn note_answer_of(
        &self,
        name: &KeyName,
        fingerprint: &str,
        user: &str,
        service: GitService,
    ) -> Result<bool, Failure> {
        let doing = "noting that a new key works";
        let mut tx = self.begin(doing).await?;
        let ended = note_answer(&mut tx.conn(), &self.actor, name, fingerprint, user, service).await;
        self.finish(doing, tx, ended).await
    }
}

async fn pair(c: &mut Conn<'_>, key_id: &str, role: &str) -> Result<Option<RawPair>, sqlx::Error> {
    row!(c, RawPair, "SELECT id, fingerprint FROM key_material WHERE key_id = $1 AND role = $2", key_id, role,)
}

async fn rotate(
    c: &mut Conn<'_>,
    actor: &str,
    name: &KeyName,
    from: u32,
    material: &SealedMaterial,
    created_ms: i64,
    origin: &str,
) -> Result<Changed, sqlx::Error> {
    let Some(id) = rows::lock(c, name).await? else { return Ok(Changed::Absent) };
    if pair(c, &id, "previous").await?.is_some() {
        return Ok(Changed::Rotating);
    }
    let moved = execute!(
        c,
        "UPDATE key_material SET role = 'previous' WHERE key_id = $1 AND role = 'current' AND generation = $2",
        id.as_str(),
        i64::from(from),
    )?;
    if moved == 0 {
        return Ok(Changed::Stale);
    }
    insert_material(c, &id, i64::from(from) + 1, created_ms, material).await?;
    let detail = format!("rotated, {}; the key before stays valid", described(origin, material));
    append(c, actor, &about_key("ssh_key_updated", &id, name.as_str(), detail)).await?;
    Ok(Changed::Done)
}

async fn end(c: &mut Conn<'_>, actor: &str, name: &KeyName, keep: Keep) -> Result<Changed, sqlx::Error> {
    let Some(id) = rows::lock(c, name).await? else { return Ok(Changed::Absent) };
    let (Some(current), Some(previous)) = (pair(c, &id, "current").await?, pair(c, &id, "previous").await?) else {
        return Ok(Changed::Stale);
    };
    let (dropped, detail) = match keep {
        Keep::Current => (&previous, format!("rotation confirmed; {} was dropped", previous.fingerprint)),
        Keep::Previous => (&current, format!("rotation taken back; {} was dropped", current.fingerprint)),
    };
    execute!(c, "DELETE FROM key_material WHERE id = $1", dropped.id.as_str())?;
    execute!(c, "UPDATE key_material SET role = 'current' WHERE key_id = $1", id.as_str())?;
    append(c, actor, &about_key("ssh_key_updated", &id, name.as_str(), detail)).await?;
    Ok(Changed::Done)
}

async fn note_use(c: &mut Conn<'_>, actor: &str, name: &KeyName, used: &KeyUse) -> Result<(), sqlx::Error> {
    let (at, worked) = (now_ms(), used.outcome == "ok");
    let mut id = rows::lock(c, name).await?;
    if let Some(id) = id.as_deref().filter(|_| worked) {
        execute!(
            c,
            "UPDATE keys SET last_used_ms = $1, last_used_for = $2 WHERE id = $3",
            at,
            used.purpose.as_str(),
            id,
        )?;
        execute!(
            c,
            "UPDATE key_material SET first_login_ms = $1
             WHERE key_id = $2 AND fingerprint = $3 AND first_login_ms IS NULL",
            at,
            id,
            used.fingerprint.as_str(),
        )?;
    }
    let algorithms = used.algorithms.as_deref().map(|names| format!("; {names}")).unwrap_or_default();
    let entry = AuditEntry {
        event: "ssh_key_used",
        key_id: id.take(),
        key_name: Some(name.to_string()),
        purpose: Some(used.purpose.clone()),
        host_key: used.host_key.clone(),
        outcome: used.outcome.clone(),
        detail: Some(format!("{}{algorithms}", used.fingerprint)),
    };
    append(c, actor, &entry).await
}

/// Whoever uses the key without a full set of answers for the pair `$1`; `$2` counts as using it.
const UNANSWERED: &str = r#"
    SELECT count(*) FROM
        (SELECT "user" FROM key_users WHERE key_id = $3 UNION SELECT CAST($2 AS TEXT)) AS users
    WHERE (SELECT count(*) FROM key_answers WHERE material_id = $1 AND key_answers."user" = users."user") < 2"#;

async fn note_answer(
    c: &mut Conn<'_>,
    actor: &str,
    name: &KeyName,
    fingerprint: &str,
    user: &str,
    service: GitService,
) -> Result<bool, sqlx::Error> {
    let Some(id) = rows::lock(c, name).await? else { return Ok(false) };
    let (current, previous) = (pair(c, &id, "current").await?, pair(c, &id, "previous").await?);
    let (Some(current), Some(previous)) = (current, previous) else { return Ok(false) };
    // Not by the generation: a rotation that is taken back gives its number to the next one.
    if current.fingerprint != fingerprint {
        return Ok(false);
    }
    execute!(
        c,
        r#"INSERT INTO key_answers (material_id, "user", service) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"#,
        current.id.as_str(),
        user,
        service.word(),
    )?;
    let unanswered = row!(c, (i64,), UNANSWERED, current.id.as_str(), user, id.as_str())?;
    if unanswered != Some((0,)) {
        return Ok(false);
    }
    execute!(c, "DELETE FROM key_material WHERE id = $1", previous.id.as_str())?;
    let detail = format!(
        "rotation ended: {} was seen to work for all that uses it; {} was dropped",
        current.fingerprint, previous.fingerprint
    );
    append(c, actor, &about_key("ssh_key_updated", &id, name.as_str(), detail)).await?;
    Ok(true)
}
