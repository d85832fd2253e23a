//! What uses which key.

use super::Store;
use super::db::{Conn, execute, rows};
use crate::domain::{Failure, KeyName};

impl Store {
    /// Makes `names` the keys that `user` uses, and none else.
    pub(super) async fn replace_claims(&self, user: &str, names: &[KeyName]) -> Result<(), Failure> {
        let doing = "noting what uses a key";
        let mut tx = self.begin(doing).await?;
        let done = replace(&mut tx.conn(), user, names).await;
        self.finish(doing, tx, done).await
    }

    /// Those that claim this name, sorted.
    pub(super) async fn claimants_of(&self, name: &KeyName) -> Result<Vec<String>, Failure> {
        let doing = "reading what uses a key";
        let mut reading = self.reading(doing).await?;
        let users = rows!(
            &mut reading.conn(),
            (String,),
            r#"SELECT "user" FROM key_claims WHERE key_name = $1 ORDER BY "user""#,
            name.as_str(),
        );
        Ok(users.map_err(|e| self.failure(doing, &e))?.into_iter().map(|(user,)| user).collect())
    }

    /// Those that use the key of this name, sorted.
    pub(super) async fn users_of(&self, name: &KeyName) -> Result<Vec<String>, Failure> {
        let doing = "reading what uses a key";
        let mut reading = self.reading(doing).await?;
        let users = rows!(
            &mut reading.conn(),
            (String,),
            r#"SELECT "user" FROM key_users JOIN keys ON keys.id = key_id WHERE name = $1 ORDER BY "user""#,
            name.as_str(),
        );
        Ok(users.map_err(|e| self.failure(doing, &e))?.into_iter().map(|(user,)| user).collect())
    }
}

/// Claims and the names of keys change one at a time. `SQLite` has its write lock; on `PostgreSQL` this comes before any row
/// is locked, as in the tables' own trigger for new keys.
pub(super) async fn hold_claims(c: &mut Conn<'_>) -> Result<(), sqlx::Error> {
    let Conn::Postgres(c) = c else { return Ok(()) };
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('appferry claims'))").execute(&mut **c).await.map(drop)
}

/// Makes `names` the keys that `user` uses, within the transaction of who else changes something.
pub(super) async fn replace(c: &mut Conn<'_>, user: &str, names: &[KeyName]) -> Result<(), sqlx::Error> {
    hold_claims(c).await?;
    execute!(c, r#"DELETE FROM key_users WHERE "user" = $1"#, user)?;
    execute!(c, r#"DELETE FROM key_claims WHERE "user" = $1"#, user)?;
    for name in names {
        execute!(
            c,
            r#"INSERT INTO key_claims ("user", key_name) VALUES ($1, $2) ON CONFLICT DO NOTHING"#,
            user,
            name.as_str(),
        )?;
    }
    execute!(
        c,
        r#"INSERT INTO key_users (key_id, "user")
           SELECT keys.id, key_claims."user" FROM key_claims JOIN keys ON keys.name = key_claims.key_name
           WHERE key_claims."user" = $1"#,
        user,
    )
    .map(drop)
}
