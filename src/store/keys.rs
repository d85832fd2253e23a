//! The key store's records.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::Store;
use super::audit::{self, Entry};
use crate::domain::{Failure, KeyName};
use crate::ports::{Added, Canary, KeyRecords, KeyRow, KeyUse, MasterKeysInUse, NewKey, SealedKey, SealedMaterial};

#[async_trait]
impl KeyRecords for Store {
    async fn add(&self, key: NewKey) -> Result<Added, Failure> {
        let doing = "storing the key";
        let mut tx = self.begin(doing).await?;
        let added = insert(&mut tx, &key).await.map_err(|e| self.failure(doing, &e))?;
        if added == Added::Stored {
            self.commit(doing, tx).await?;
        }
        Ok(added)
    }

    async fn rows(&self, name: Option<&KeyName>) -> Result<Vec<KeyRow>, Failure> {
        let doing = "listing the keys";
        let rows = sqlx::query(
            "SELECT name, kind, bits, fingerprint, public_key, keys.created_ms, last_used_ms, last_used_for, generation,
                    (SELECT json_group_array(user ORDER BY user) FROM key_users WHERE key_id = keys.id) AS used_by
             FROM keys JOIN key_material ON key_id = keys.id AND role = 'current'
             WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
        )
        .bind(name.map(KeyName::as_str))
        .fetch_all(&self.pool)
        .await
        .map_err(|e| self.failure(doing, &e))?;
        rows.iter().map(|row| key_row(row).map_err(|e| self.failure(doing, &e))).collect()
    }

    async fn sealed(&self, name: &KeyName) -> Result<Option<SealedKey>, Failure> {
        let doing = "reading the key";
        let row = sqlx::query(
            "SELECT key_material.* FROM keys JOIN key_material ON key_id = keys.id AND role = 'current' WHERE name = ?1",
        )
        .bind(name.as_str())
        .fetch_optional(&self.pool)
        .await
        .map_err(|e| self.failure(doing, &e))?;
        row.map(|row| sealed_key(&row).map_err(|e| self.failure(doing, &e))).transpose()
    }

    async fn note_use(&self, name: &KeyName, used: &KeyUse, at_ms: i64) -> Result<(), Failure> {
        let doing = "noting the use of a key";
        let mut tx = self.begin(doing).await?;
        note_use(&mut tx, name, used, at_ms).await.map_err(|e| self.failure(doing, &e))?;
        self.commit(doing, tx).await
    }

    async fn claim(&self, user: &str, names: &[KeyName]) -> Result<(), Failure> {
        self.replace_claims(user, names).await
    }

    async fn master_keys_in_use(&self) -> Result<MasterKeysInUse, Failure> {
        self.read_master_keys_in_use().await
    }

    async fn plant_canary(&self, canary: Canary, replacing: Option<&str>) -> Result<Canary, Failure> {
        self.keep_canary(canary, replacing).await
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

async fn insert(tx: &mut SqliteConnection, key: &NewKey) -> Result<Added, sqlx::Error> {
    let name = key.name.as_str();
    let inserted =
        sqlx::query("INSERT INTO keys (id, name, created_ms) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING")
            .bind(&key.id)
            .bind(name)
            .bind(key.created_ms)
            .execute(&mut *tx)
            .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Added::NameTaken);
    }
    insert_material(tx, &key.id, key.created_ms, &key.material).await?;
    let SealedMaterial { kind, bits, fingerprint, .. } = &key.material;
    let detail = format!("{}: {kind} {bits} {fingerprint}", key.origin);
    let entry = Entry {
        at_ms: key.created_ms,
        event: "ssh_key_added",
        key_id: Some(&key.id),
        key_name: Some(name),
        outcome: "ok",
        detail: Some(&detail),
        ..Entry::default()
    };
    audit::append(tx, &entry).await?;
    Ok(Added::Stored)
}

async fn insert_material(
    tx: &mut SqliteConnection,
    key_id: &str,
    created_ms: i64,
    material: &SealedMaterial,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO key_material (id, key_id, generation, role, kind, bits, fingerprint, public_key, created_ms,
                                   envelope, master_key_id, wrapped_data_key, sealed_private, sealed_passphrase)
         VALUES (?1, ?2, 1, 'current', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )
    .bind(&material.id)
    .bind(key_id)
    .bind(&material.kind)
    .bind(material.bits)
    .bind(&material.fingerprint)
    .bind(&material.public_key)
    .bind(created_ms)
    .bind(material.envelope)
    .bind(&material.master_key_id)
    .bind(&material.wrapped_data_key)
    .bind(&material.sealed_private)
    .bind(&material.sealed_passphrase)
    .execute(tx)
    .await
    .map(drop)
}

async fn note_use(tx: &mut SqliteConnection, name: &KeyName, used: &KeyUse, at_ms: i64) -> Result<(), sqlx::Error> {
    let key_id: Option<String> = sqlx::query_scalar(
        "UPDATE keys SET last_used_ms = max(?2, coalesce(last_used_ms, ?2)), last_used_for = ?3 WHERE name = ?1 RETURNING id",
    )
    .bind(name.as_str())
    .bind(at_ms)
    .bind(&used.purpose)
    .fetch_optional(&mut *tx)
    .await?;
    let entry = Entry {
        at_ms,
        event: "ssh_key_used",
        key_id: key_id.as_deref(),
        key_name: Some(name.as_str()),
        purpose: Some(&used.purpose),
        host_key: used.host_key.as_deref(),
        outcome: &used.outcome,
        detail: None,
    };
    audit::append(tx, &entry).await
}

fn key_row(row: &SqliteRow) -> Result<KeyRow, sqlx::Error> {
    let name: String = row.try_get("name")?;
    let used_by: String = row.try_get("used_by")?;
    let last_used_ms: Option<i64> = row.try_get("last_used_ms")?;
    let last_used_for: Option<String> = row.try_get("last_used_for")?;
    Ok(KeyRow {
        name: KeyName::new(name).map_err(|e| sqlx::Error::Decode(e.into()))?,
        kind: row.try_get("kind")?,
        bits: row.try_get("bits")?,
        fingerprint: row.try_get("fingerprint")?,
        public_key: row.try_get("public_key")?,
        created_ms: row.try_get("created_ms")?,
        last_used: last_used_ms.map(|at| (at, last_used_for.unwrap_or_default())),
        used_by: serde_json::from_str(&used_by).map_err(|e| sqlx::Error::Decode(e.into()))?,
        generation: row.try_get("generation")?,
    })
}

fn sealed_key(row: &SqliteRow) -> Result<SealedKey, sqlx::Error> {
    Ok(SealedKey {
        generation: row.try_get("generation")?,
        material: SealedMaterial {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            bits: row.try_get("bits")?,
            fingerprint: row.try_get("fingerprint")?,
            public_key: row.try_get("public_key")?,
            envelope: row.try_get("envelope")?,
            master_key_id: row.try_get("master_key_id")?,
            wrapped_data_key: row.try_get("wrapped_data_key")?,
            sealed_private: row.try_get("sealed_private")?,
            sealed_passphrase: row.try_get("sealed_passphrase")?,
        },
    })
}
