//! What is read of keys.

use std::collections::HashMap;

use super::db::{Conn, row, rows};
use crate::domain::KeyName;
use crate::ports::{KeyPairs, KeyRow, PairId, PairRow, SealedKey, SealedMaterial};

#[derive(sqlx::FromRow)]
struct RawPair {
    name: String,
    key_created_ms: i64,
    last_used_ms: Option<i64>,
    last_used_for: Option<String>,
    role: String,
    generation: i64,
    kind: String,
    bits: i64,
    fingerprint: String,
    public_key: String,
    created_ms: i64,
    first_login_ms: Option<i64>,
    encrypted: bool,
    remembered: bool,
}

#[derive(sqlx::FromRow)]
struct RawMaterial {
    key_id: String,
    role: String,
    generation: i64,
    id: String,
    kind: String,
    bits: i64,
    fingerprint: String,
    public_key: String,
    encrypted: bool,
    envelope: i64,
    master_key_id: String,
    wrapped_data_key: Vec<u8>,
    sealed_private: Vec<u8>,
    sealed_passphrase: Option<Vec<u8>>,
}

/// All keys, or the one of exactly this name, sorted by name.
pub(super) async fn all(c: &mut Conn<'_>, name: Option<&KeyName>) -> Result<Vec<KeyRow>, sqlx::Error> {
    let name = name.map(KeyName::as_str);
    // A key's current pair comes before its previous one.
    let pairs = rows!(
        c,
        RawPair,
        "SELECT name, keys.created_ms AS key_created_ms, last_used_ms, last_used_for, role, generation, kind, bits,
                fingerprint, public_key, key_material.created_ms AS created_ms, first_login_ms, encrypted,
                sealed_passphrase IS NOT NULL AS remembered
         FROM keys JOIN key_material ON key_id = keys.id
         WHERE $1 IS NULL OR name = $1 ORDER BY name, role",
        name,
    )?;
    let users = rows!(
        c,
        (String, String),
        r#"SELECT name, "user" FROM key_users JOIN keys ON keys.id = key_id
           WHERE $1 IS NULL OR name = $1 ORDER BY name, "user""#,
        name,
    )?;
    let mut used_by: HashMap<String, Vec<String>> = HashMap::new();
    for (name, user) in users {
        used_by.entry(name).or_default().push(user);
    }
    let mut keys: Vec<KeyRow> = Vec::new();
    for raw in pairs {
        let is_current = raw.role == "current";
        match keys.last_mut().filter(|key| key.name.as_str() == raw.name) {
            Some(key) if !is_current => key.previous = Some(pair(raw)?),
            _ if is_current => {
                let used_by = used_by.remove(&raw.name).unwrap_or_default();
                keys.push(key_row(raw, used_by)?);
            }
            _ => return Err(damaged("a key without a current pair")),
        }
    }
    Ok(keys)
}

/// The pairs of the key of exactly this name.
pub(super) async fn pairs(c: &mut Conn<'_>, name: &KeyName) -> Result<Option<KeyPairs>, sqlx::Error> {
    let found = rows!(
        c,
        (String, i64, String, bool),
        "SELECT role, generation, fingerprint, sealed_passphrase IS NOT NULL
         FROM keys JOIN key_material ON key_id = keys.id WHERE name = $1 ORDER BY role",
        name.as_str(),
    )?;
    let mut found = found.into_iter();
    let Some((role, generation, fingerprint, remembered)) = found.next() else { return Ok(None) };
    if role != "current" {
        return Err(damaged("a key without a current pair"));
    }
    let current = PairId { generation: number(generation)?, fingerprint, remembered };
    let previous = match found.next() {
        Some((_, generation, fingerprint, remembered)) => {
            Some(PairId { generation: number(generation)?, fingerprint, remembered })
        }
        None => None,
    };
    Ok(Some(KeyPairs { current, previous }))
}

/// The material of the key of exactly this name.
pub(super) async fn sealed(c: &mut Conn<'_>, name: &KeyName) -> Result<Option<SealedKey>, sqlx::Error> {
    let found = rows!(
        c,
        RawMaterial,
        "SELECT key_id, role, generation, key_material.id AS id, kind, bits, fingerprint, public_key, encrypted, envelope,
                master_key_id, wrapped_data_key, sealed_private, sealed_passphrase
         FROM keys JOIN key_material ON key_id = keys.id WHERE name = $1 ORDER BY role",
        name.as_str(),
    )?;
    let mut found = found.into_iter();
    let Some(current) = found.next() else { return Ok(None) };
    if current.role != "current" {
        return Err(damaged("a key without a current pair"));
    }
    let (id, generation) = (current.key_id.clone(), number(current.generation)?);
    let previous =
        found.next().map(|raw| Ok::<_, sqlx::Error>((number(raw.generation)?, material(raw)?))).transpose()?;
    Ok(Some(SealedKey { id, generation, current: material(current)?, previous }))
}

/// Locks the key of this name until the transaction ends, and answers its id.
pub(super) async fn lock(c: &mut Conn<'_>, name: &KeyName) -> Result<Option<String>, sqlx::Error> {
    let id =
        row!(c, (String,), "UPDATE keys SET created_ms = created_ms WHERE name = $1 RETURNING id", name.as_str(),)?;
    Ok(id.map(|(id,)| id))
}

fn key_row(raw: RawPair, used_by: Vec<String>) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        name: KeyName::new(raw.name.as_str()).map_err(|e| sqlx::Error::Decode(e.into()))?,
        created_ms: raw.key_created_ms,
        last_used: raw.last_used_ms.map(|at| (at, raw.last_used_for.clone().unwrap_or_default())),
        used_by,
        current: pair(raw)?,
        previous: None,
    })
}

fn pair(raw: RawPair) -> Result<PairRow, sqlx::Error> {
    Ok(PairRow {
        generation: number(raw.generation)?,
        kind: raw.kind,
        bits: number(raw.bits)?,
        fingerprint: raw.fingerprint,
        public_key: raw.public_key,
        created_ms: raw.created_ms,
        first_login_ms: raw.first_login_ms,
        encrypted: raw.encrypted,
        remembered: raw.remembered,
    })
}

fn material(raw: RawMaterial) -> Result<SealedMaterial, sqlx::Error> {
    Ok(SealedMaterial {
        id: raw.id,
        kind: raw.kind,
        bits: number(raw.bits)?,
        fingerprint: raw.fingerprint,
        public_key: raw.public_key,
        encrypted: raw.encrypted,
        envelope: number(raw.envelope)?,
        master_key_id: raw.master_key_id,
        wrapped_data_key: raw.wrapped_data_key,
        sealed_private: raw.sealed_private,
        sealed_passphrase: raw.sealed_passphrase,
    })
}

fn number(value: i64) -> Result<u32, sqlx::Error> {
    u32::try_from(value).map_err(|e| sqlx::Error::Decode(e.into()))
}

fn damaged(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
