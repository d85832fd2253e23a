//! Users of a key that are gone for good.

use super::audit::append;
use super::db::{Conn, execute};
use super::keys::about_key;
use super::{Store, rows};
use crate::domain::{Failure, KeyName};

impl Store {
    pub(super) async fn release_user(&self, name: &KeyName, user: &str) -> Result<bool, Failure> {
        let doing = "releasing a key";
        let mut tx = self.begin(doing).await?;
        let released = release(&mut tx.conn(), &self.actor, name, user).await;
        self.finish(doing, tx, released).await
    }
}

async fn release(c: &mut Conn<'_>, actor: &str, name: &KeyName, user: &str) -> Result<bool, sqlx::Error> {
    let Some(id) = rows::lock(c, name).await? else { return Ok(false) };
    execute!(c, r#"DELETE FROM key_claims WHERE "user" = $1 AND key_name = $2"#, user, name.as_str())?;
    let released = execute!(c, r#"DELETE FROM key_users WHERE "user" = $1 AND key_id = $2"#, user, id.as_str())? > 0;
    if released {
        let detail = format!("released from {user}");
        append(c, actor, &about_key("ssh_key_updated", &id, name.as_str(), detail)).await?;
    }
    Ok(released)
}
