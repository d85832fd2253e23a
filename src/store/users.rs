//! What uses which key.

use sqlx::SqliteConnection;

use super::Store;
use crate::domain::{Failure, KeyName};

impl Store {
    /// Makes `names` the keys that `user` uses, and none else.
    pub(super) async fn replace_claims(&self, user: &str, names: &[KeyName]) -> Result<(), Failure> {
        let doing = "noting what uses a key";
        let mut tx = self.begin(doing).await?;
        replace(&mut tx, user, names).await.map_err(|e| self.failure(doing, &e))?;
        self.commit(doing, tx).await
    }
}

async fn replace(tx: &mut SqliteConnection, user: &str, names: &[KeyName]) -> Result<(), sqlx::Error> {
    for forget in ["DELETE FROM key_users WHERE user = ?1", "DELETE FROM key_claims WHERE user = ?1"] {
        sqlx::query(forget).bind(user).execute(&mut *tx).await?;
    }
    for name in names {
        sqlx::query("INSERT INTO key_claims (user, key_name) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(user)
            .bind(name.as_str())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO key_users (key_id, user)
         SELECT keys.id, key_claims.user FROM key_claims JOIN keys ON keys.name = key_claims.key_name
         WHERE key_claims.user = ?1",
    )
    .bind(user)
    .execute(tx)
    .await
    .map(drop)
}
