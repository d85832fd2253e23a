//! Which master keys the store needs, the record that proves the one at hand, and the wrapping of data keys anew.

use super::Store;
use super::db::{Conn, execute, row, rows};
use crate::domain::{Failure, FailureClass};
use crate::ports::{Canary, MasterKeysInUse, WrappedDataKey};

#[derive(sqlx::FromRow)]
struct RawCanary {
    envelope: i64,
    master_key_id: String,
    wrapped_data_key: Vec<u8>,
    sealed: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct RawWrapped {
    id: String,
    envelope: i64,
    master_key_id: String,
    wrapped_data_key: Vec<u8>,
}

impl Store {
    pub(super) async fn read_master_keys_in_use(&self) -> Result<MasterKeysInUse, Failure> {
        let doing = "reading which master keys are in use";
        let mut reading = self.reading(doing).await?;
        in_use(&mut reading.conn()).await.map_err(|e| self.failure(doing, &e))
    }

    pub(super) async fn keep_canary(&self, canary: Canary, replacing: Option<&str>) -> Result<Canary, Failure> {
        let doing = "keeping the proof of the master key";
        let mut tx = self.begin(doing).await?;
        let kept = plant(&mut tx.conn(), &canary, replacing).await;
        let kept = self.finish(doing, tx, kept).await?;
        kept.ok_or_else(|| Failure::new(FailureClass::Disk, format!("{doing}: it is gone again"), "try again"))
    }

    pub(super) async fn read_wrapped_by_others(
        &self,
        first: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<WrappedDataKey>, Failure> {
        let doing = "looking for keys under other master keys";
        let mut reading = self.reading(doing).await?;
        let found = rows!(
            &mut reading.conn(),
            RawWrapped,
            "SELECT id, envelope, master_key_id, wrapped_data_key FROM key_material
             WHERE master_key_id <> $1 AND ($2 IS NULL OR id > $2) ORDER BY id LIMIT $3",
            first,
            after,
            i64::from(limit),
        );
        let found = found.map_err(|e| self.failure(doing, &e))?;
        Ok(found.into_iter().map(WrappedDataKey::from).collect())
    }

    pub(super) async fn replace_wrapping(&self, was: &WrappedDataKey, now: &WrappedDataKey) -> Result<bool, Failure> {
        let doing = "wrapping a data key anew";
        let mut tx = self.begin(doing).await?;
        let done = execute!(
            &mut tx.conn(),
            "UPDATE key_material SET envelope = $1, master_key_id = $2, wrapped_data_key = $3
             WHERE id = $4 AND master_key_id = $5 AND wrapped_data_key = $6",
            i64::from(now.envelope),
            now.master_key_id.as_str(),
            now.wrapped_data_key.as_slice(),
            was.record.as_str(),
            was.master_key_id.as_str(),
            was.wrapped_data_key.as_slice(),
        );
        Ok(self.finish(doing, tx, done).await? == 1)
    }
}

async fn in_use(c: &mut Conn<'_>) -> Result<MasterKeysInUse, sqlx::Error> {
    let by_keys = rows!(c, (String,), "SELECT DISTINCT master_key_id FROM key_material ORDER BY 1")?;
    let by_canary = row!(c, (String,), "SELECT master_key_id FROM canary")?;
    Ok(MasterKeysInUse { by_keys: by_keys.into_iter().map(|(id,)| id).collect(), by_canary: by_canary.map(|(id,)| id) })
}

async fn plant(c: &mut Conn<'_>, canary: &Canary, replacing: Option<&str>) -> Result<Option<Canary>, sqlx::Error> {
    if let Some(old) = replacing {
        execute!(
            c,
            "DELETE FROM canary WHERE master_key_id = $1
             AND NOT EXISTS (SELECT 1 FROM key_material WHERE master_key_id = $1)",
            old,
        )?;
    }
    execute!(
        c,
        "INSERT INTO canary (only, envelope, master_key_id, wrapped_data_key, sealed) VALUES (1, $1, $2, $3, $4)
         ON CONFLICT (only) DO NOTHING",
        i64::from(canary.envelope),
        canary.master_key_id.as_str(),
        canary.wrapped_data_key.as_slice(),
        canary.sealed.as_slice(),
    )?;
    let kept = row!(c, RawCanary, "SELECT envelope, master_key_id, wrapped_data_key, sealed FROM canary")?;
    Ok(kept.map(|kept| Canary {
        envelope: u32::try_from(kept.envelope).unwrap_or(u32::MAX),
        master_key_id: kept.master_key_id,
        wrapped_data_key: kept.wrapped_data_key,
        sealed: kept.sealed,
    }))
}

impl From<RawWrapped> for WrappedDataKey {
    fn from(raw: RawWrapped) -> Self {
        Self {
            record: raw.id,
            envelope: u32::try_from(raw.envelope).unwrap_or(u32::MAX), // a version that nobody knows
            master_key_id: raw.master_key_id,
            wrapped_data_key: raw.wrapped_data_key,
        }
    }
}
