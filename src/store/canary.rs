//! Which master keys the store needs, and the record that proves the one at hand.

use sqlx::{Row, SqliteConnection};

use super::{Store, error};
use crate::domain::Failure;
use crate::ports::{Canary, MasterKeysInUse};

impl Store {
    /// Which master keys the records need.
    pub(super) async fn read_master_keys_in_use(&self) -> Result<MasterKeysInUse, Failure> {
        let doing = "reading which master keys are in use";
        let by_keys = sqlx::query_scalar("SELECT DISTINCT master_key_id FROM key_material ORDER BY 1")
            .fetch_all(&self.pool)
            .await
            .map_err(|e| self.failure(doing, &e))?;
        let by_canary = sqlx::query_scalar("SELECT master_key_id FROM canary")
            .fetch_optional(&self.pool)
            .await
            .map_err(|e| self.failure(doing, &e))?;
        Ok(MasterKeysInUse { by_keys, by_canary })
    }

    /// Keeps `canary` unless there is one already; see [`KeyRecords::plant_canary`](crate::ports::KeyRecords::plant_canary).
    pub(super) async fn keep_canary(&self, canary: Canary, replacing: Option<&str>) -> Result<Canary, Failure> {
        let doing = "keeping the proof of the master key";
        let mut tx = self.begin(doing).await?;
        let kept = plant(&mut tx, &canary, replacing).await.map_err(|e| self.failure(doing, &e))?;
        self.commit(doing, tx).await?;
        kept.ok_or_else(|| error::damaged(doing, &self.file.display()))
    }
}

async fn plant(
    tx: &mut SqliteConnection,
    canary: &Canary,
    replacing: Option<&str>,
) -> Result<Option<Canary>, sqlx::Error> {
    if let Some(old) = replacing {
        sqlx::query("DELETE FROM canary WHERE master_key_id = ?1 AND NOT EXISTS (SELECT 1 FROM key_material)")
            .bind(old)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO canary (only, envelope, master_key_id, wrapped_data_key, sealed) VALUES (1, ?1, ?2, ?3, ?4)
         ON CONFLICT (only) DO NOTHING",
    )
    .bind(canary.envelope)
    .bind(&canary.master_key_id)
    .bind(&canary.wrapped_data_key)
    .bind(&canary.sealed)
    .execute(&mut *tx)
    .await?;
    let row =
        sqlx::query("SELECT envelope, master_key_id, wrapped_data_key, sealed FROM canary").fetch_optional(tx).await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Canary {
        envelope: row.try_get("envelope")?,
        master_key_id: row.try_get("master_key_id")?,
        wrapped_data_key: row.try_get("wrapped_data_key")?,
        sealed: row.try_get("sealed")?,
    }))
}
