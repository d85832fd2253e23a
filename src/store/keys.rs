//! The key store's records: the port, and how keys are added.

use async_trait::async_trait;

use super::audit::append;
use super::db::{Conn, execute};
use super::{Store, rows};
use crate::domain::{Failure, KeyName};
use crate::ports::{
    AuditEntry, Canary, Changed, GitService, Keep, KeyPairs, KeyRecords, KeyRow, KeyUse, MasterKeysInUse, NewKey,
    SealedKey, SealedMaterial, WrappedDataKey,
};

#[async_trait]
impl KeyRecords for Store {
    async fn add(&self, key: NewKey) -> Result<Changed, Failure> {
        let doing = "storing the key";
        let mut tx = self.begin(doing).await?;
        let added = insert(&mut tx.conn(), &self.actor, &key).await;
        self.finish(doing, tx, added).await
    }

    async fn rename(&self, from: &KeyName, to: &KeyName, force: bool) -> Result<Changed, Failure> {
        self.rename_key(from, to, force).await
    }

    async fn delete(&self, name: &KeyName) -> Result<Changed, Failure> {
        self.delete_key(name).await
    }

    async fn rotate(
        &self,
        name: &KeyName,
        from: u32,
        material: SealedMaterial,
        created_ms: i64,
        origin: &'static str,
    ) -> Result<Changed, Failure> {
        self.begin_rotation(name, from, material, created_ms, origin).await
    }

    async fn end_rotation(&self, name: &KeyName, keep: Keep) -> Result<Changed, Failure> {
        self.finish_rotation(name, keep).await
    }

    async fn reseal(&self, name: &KeyName, was: &[u8], material: SealedMaterial) -> Result<Changed, Failure> {
        self.replace_sealed(name, was, material).await
    }

    async fn rows(&self, name: Option<&KeyName>) -> Result<Vec<KeyRow>, Failure> {
        let doing = "listing the keys";
        let mut reading = self.reading(doing).await?;
        rows::all(&mut reading.conn(), name).await.map_err(|e| self.failure(doing, &e))
    }

    async fn pairs(&self, name: &KeyName) -> Result<Option<KeyPairs>, Failure> {
        let doing = "reading which pairs a key has";
        let mut reading = self.reading(doing).await?;
        rows::pairs(&mut reading.conn(), name).await.map_err(|e| self.failure(doing, &e))
    }

    async fn sealed(&self, name: &KeyName) -> Result<Option<SealedKey>, Failure> {
        let doing = "reading the key";
        let mut reading = self.reading(doing).await?;
        rows::sealed(&mut reading.conn(), name).await.map_err(|e| self.failure(doing, &e))
    }

    async fn note_use(&self, name: &KeyName, used: &KeyUse) -> Result<(), Failure> {
        self.note_use_of(name, used).await
    }

    async fn note_answer(
        &self,
        name: &KeyName,
        fingerprint: &str,
        user: &str,
        service: GitService,
    ) -> Result<bool, Failure> {
        self.note_answer_of(name, fingerprint, user, service).await
    }

    async fn release(&self, name: &KeyName, user: &str) -> Result<bool, Failure> {
        self.release_user(name, user).await
    }

    async fn claim(&self, user: &str, names: &[KeyName]) -> Result<(), Failure> {
        self.replace_claims(user, names).await
    }

    async fn claimants(&self, name: &KeyName) -> Result<Vec<String>, Failure> {
        self.claimants_of(name).await
    }

    async fn master_keys_in_use(&self) -> Result<MasterKeysInUse, Failure> {
        self.read_master_keys_in_use().await
    }

    async fn plant_canary(&self, canary: Canary, replacing: Option<&str>) -> Result<Canary, Failure> {
        self.keep_canary(canary, replacing).await
    }

    async fn wrapped_by_others(
        &self,
        first: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<WrappedDataKey>, Failure> {
        self.read_wrapped_by_others(first, after, limit).await
    }

    async fn rewrap(&self, was: &WrappedDataKey, now: &WrappedDataKey) -> Result<bool, Failure> {
        self.replace_wrapping(was, now).await
    }

    async fn close(&self) {
        self.db.close().await;
    }
}

async fn insert(c: &mut Conn<'_>, actor: &str, key: &NewKey) -> Result<Changed, sqlx::Error> {
    let name = key.name.as_str();
    let inserted = execute!(
        c,
        "INSERT INTO keys (id, name, created_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING",
        key.id.as_str(),
        name,
        key.created_ms,
    )?;
    if inserted == 0 {
        return Ok(Changed::NameTaken);
    }
    insert_material(c, &key.id, 1, key.created_ms, &key.material).await?;
    let detail = described(key.origin, &key.material);
    append(c, actor, &about_key("ssh_key_added", &key.id, name, detail)).await?;
    Ok(Changed::Done)
}

/// An audit row about a stored key.
pub(super) fn about_key(event: &'static str, id: &str, name: &str, detail: String) -> AuditEntry {
    AuditEntry {
        event,
        key_id: Some(id.to_owned()),
        key_name: Some(name.to_owned()),
        outcome: "ok".to_owned(),
        detail: Some(detail),
        ..AuditEntry::default()
    }
}

/// A key pair in an audit row: `generated: ed25519 256 SHA256:…`.
pub(super) fn described(origin: &str, material: &SealedMaterial) -> String {
    let SealedMaterial { kind, bits, fingerprint, .. } = material;
    format!("{origin}: {kind} {bits} {fingerprint}")
}

/// Adds a current key pair.
pub(super) async fn insert_material(
    c: &mut Conn<'_>,
    key_id: &str,
    generation: i64,
    created_ms: i64,
    material: &SealedMaterial,
) -> Result<(), sqlx::Error> {
    execute!(
        c,
        "INSERT INTO key_material (id, key_id, generation, role, kind, bits, fingerprint, public_key, created_ms,
                                   envelope, master_key_id, wrapped_data_key, sealed_private, sealed_passphrase, encrypted)
         VALUES ($1, $2, $3, 'current', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        material.id.as_str(),
        key_id,
        generation,
        material.kind.as_str(),
        i64::from(material.bits),
        material.fingerprint.as_str(),
        material.public_key.as_str(),
        created_ms,
        i64::from(material.envelope),
        material.master_key_id.as_str(),
        material.wrapped_data_key.as_slice(),
        material.sealed_private.as_slice(),
        material.sealed_passphrase.as_deref(),
        material.encrypted,
    )
    .map(drop)
}
