//! Another name, another passphrase, the end.

use super::audit::append;
use super::db::{Conn, execute, row};
use super::keys::about_key;
use super::users::hold_claims;
use super::{Store, is_refusal, is_taken, rows};
use crate::domain::{Failure, KeyName};
use crate::ports::{Changed, SealedMaterial};

impl Store {
    pub(super) async fn rename_key(&self, from: &KeyName, to: &KeyName, force: bool) -> Result<Changed, Failure> {
        let doing = "renaming the key";
        let mut tx = self.begin(doing).await?;
        let renamed = rename(&mut tx.conn(), &self.actor, from, to, force).await;
        if renamed.as_ref().is_err_and(is_taken) {
            return Ok(Changed::NameTaken); // by one that came in between
        }
        if renamed.as_ref().is_err_and(is_refusal) {
            drop(tx);
            return self.why_refused(from, doing, renamed).await;
        }
        self.finish(doing, tx, renamed).await
    }

    pub(super) async fn delete_key(&self, name: &KeyName) -> Result<Changed, Failure> {
        let doing = "deleting the key";
        let mut tx = self.begin(doing).await?;
        let deleted = delete(&mut tx.conn(), &self.actor, name).await;
        if deleted.as_ref().is_err_and(is_refusal) {
            drop(tx);
            return self.why_refused(name, doing, deleted).await;
        }
        self.finish(doing, tx, deleted).await
    }

    pub(super) async fn replace_sealed(
        &self,
        name: &KeyName,
        was: &[u8],
        material: SealedMaterial,
    ) -> Result<Changed, Failure> {
        let doing = "changing the passphrase";
        let mut tx = self.begin(doing).await?;
        let done = reseal(&mut tx.conn(), &self.actor, name, was, &material).await;
        self.finish(doing, tx, done).await
    }

    /// The database has refused: because of what uses the key, if anything does.
    async fn why_refused(
        &self,
        name: &KeyName,
        doing: &str,
        refused: Result<Changed, sqlx::Error>,
    ) -> Result<Changed, Failure> {
        let users = self.users_of(name).await?;
        if users.is_empty() { refused.map_err(|e| self.failure(doing, &e)) } else { Ok(Changed::InUse(users)) }
    }
}

async fn rename(
    c: &mut Conn<'_>,
    actor: &str,
    from: &KeyName,
    to: &KeyName,
    force: bool,
) -> Result<Changed, sqlx::Error> {
    hold_claims(c).await?;
    let Some(id) = rows::lock(c, from).await? else { return Ok(Changed::Absent) };
    if row!(c, (String,), "SELECT id FROM keys WHERE name = $1 AND id <> $2", to.as_str(), id.as_str())?.is_some() {
        return Ok(Changed::NameTaken);
    }
    if force && from != to {
        execute!(c, "DELETE FROM key_users WHERE key_id = $1", id.as_str())?;
    }
    execute!(c, "UPDATE keys SET name = $1 WHERE id = $2", to.as_str(), id.as_str())?;
    let forced = if force { ", although it was in use" } else { "" };
    let detail = format!("renamed to {to}{forced}");
    append(c, actor, &about_key("ssh_key_updated", &id, from.as_str(), detail)).await?;
    Ok(Changed::Done)
}

async fn delete(c: &mut Conn<'_>, actor: &str, name: &KeyName) -> Result<Changed, sqlx::Error> {
    hold_claims(c).await?;
    let Some(id) = rows::lock(c, name).await? else { return Ok(Changed::Absent) };
    let fingerprint =
        row!(c, (String,), "SELECT fingerprint FROM key_material WHERE key_id = $1 AND role = 'current'", id.as_str())?;
    execute!(c, "DELETE FROM keys WHERE id = $1", id.as_str())?;
    let detail = fingerprint.map(|(fingerprint,)| fingerprint).unwrap_or_default();
    append(c, actor, &about_key("ssh_key_deleted", &id, name.as_str(), detail)).await?;
    Ok(Changed::Done)
}

async fn reseal(
    c: &mut Conn<'_>,
    actor: &str,
    name: &KeyName,
    was: &[u8],
    material: &SealedMaterial,
) -> Result<Changed, sqlx::Error> {
    let Some(id) = rows::lock(c, name).await? else { return Ok(Changed::Absent) };
    let updated = execute!(
        c,
        "UPDATE key_material SET envelope = $1, master_key_id = $2, wrapped_data_key = $3, sealed_private = $4,
                                 sealed_passphrase = $5, encrypted = $6
         WHERE id = $7 AND wrapped_data_key = $8",
        i64::from(material.envelope),
        material.master_key_id.as_str(),
        material.wrapped_data_key.as_slice(),
        material.sealed_private.as_slice(),
        material.sealed_passphrase.as_deref(),
        material.encrypted,
        material.id.as_str(),
        was,
    )?;
    if updated == 0 {
        return Ok(Changed::Stale);
    }
    let detail = match (material.encrypted, material.sealed_passphrase.is_some()) {
        (false, _) => "the passphrase was taken off",
        (true, true) => "the passphrase was changed, and is remembered",
        (true, false) => "the passphrase was changed, and is not remembered",
    };
    append(c, actor, &about_key("ssh_key_updated", &id, name.as_str(), detail.to_owned())).await?;
    Ok(Changed::Done)
}
