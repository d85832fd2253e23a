//! The start: the store, its master keys, and the proof that they belong together.
//!
//! The only place where the service meets its adapter and the configuration.

use std::path::Path;
use std::sync::Arc;

use super::error::{KeyError, MasterKeyError};
use super::ring::MasterRing;
use super::service::KeyService;
use super::{embedded, seal, sources};
use crate::config::{KeyStoreConfig, MasterKeySources};
use crate::domain::Failure;
use crate::key_sources;
use crate::ports::{KeyRecords, MasterKeysInUse};
use crate::store::Store;

impl KeyService {
    /// Opens the key store that `config` names, and makes it at the first start. Comes with what is worth saying to a
    /// person. What is changed through it is done by `actor`.
    ///
    /// # Errors
    /// [`KeyError::Store`] when the folder, the store or the database cannot be used, [`KeyError::Master`] when the master
    /// keys are not those that the store needs. Nothing is made over a store that holds keys.
    pub async fn open(config: &KeyStoreConfig, actor: &str) -> Result<(Self, Vec<String>), KeyError> {
        let sources = key_sources::open(&config.sources)?;
        let records = match &config.database {
            Some(url) => Store::open_postgres(url, actor).await?,
            None => Store::open(&config.data_dir, actor).await?,
        };
        // Before the master keys: if keys are there now, their master key must be, too.
        let needed = records.master_keys_in_use().await?;
        let (config, needed_here) = (config.clone(), needed.clone());
        let loaded = tokio::task::spawn_blocking(move || ring(&config, &needed_here)).await;
        let (ring, notices) = loaded.map_err(Failure::internal)??;
        prove(&records, &ring, &needed).await?;
        Ok((Self::new(Arc::new(records), Arc::new(ring)).with_sources(sources), notices))
    }
}

/// The master keys: those of the configuration, or else the one of the data folder, made at the very first start.
fn ring(config: &KeyStoreConfig, needed: &MasterKeysInUse) -> Result<(MasterRing, Vec<String>), MasterKeyError> {
    let data_dir = config.data_dir.as_path();
    let (given, mut notices) = sources::load(&config.master_keys)?;
    if let Some(ring) = MasterRing::new(given) {
        check(config, &ring, needed, true)?;
        return Ok((ring, notices));
    }
    let (key, notice) = match embedded::load(data_dir)? {
        Some(loaded) => loaded,
        None if needed.is_empty() => embedded::create(data_dir)?,
        None => {
            let path = data_dir.join(embedded::FILE_NAME);
            return Err(MasterKeyError::Lost { needed: required(needed, false), path });
        }
    };
    notices.extend(notice);
    let ring = MasterRing::from(key);
    check(config, &ring, needed, false)?;
    Ok((ring, notices))
}

/// The master keys that must be in the ring. A store without keys takes any master key that a person *gives*; the one
/// of the data folder may be a stranger there only if somebody forgot to give the right one.
fn required(needed: &MasterKeysInUse, given: bool) -> Vec<String> {
    let free = given && needed.by_keys.is_empty();
    let canary = needed.by_canary.iter().filter(|id| !free && !needed.by_keys.contains(id));
    needed.by_keys.iter().chain(canary).cloned().collect()
}

/// Whether the ring holds every master key that it must.
fn check(
    config: &KeyStoreConfig,
    ring: &MasterRing,
    needed: &MasterKeysInUse,
    given: bool,
) -> Result<(), MasterKeyError> {
    let missing: Vec<String> = required(needed, given).into_iter().filter(|id| ring.find(id).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let path = config.data_dir.join(embedded::FILE_NAME);
    let is_embedded =
        || matches!(embedded::load(&config.data_dir), Ok(Some((key, _))) if missing.iter().any(|id| id == key.id()));
    let remedy = if given && is_embedded() {
        beside_the_embedded(&config.master_keys, &path)
    } else if given {
        "add its file to APPFERRY_MASTER_KEY_FILE, after the others, separated by `:`".to_owned()
    } else {
        format!("put {} back from its backup, or name its file in APPFERRY_MASTER_KEY_FILE", path.display())
    };
    Err(MasterKeyError::Missing { needed: missing, have: ring.ids(), remedy })
}

/// How to give the embedded master key, too, so that the new one stays the first. Files come before everything else.
fn beside_the_embedded(given: &MasterKeySources, path: &Path) -> String {
    let path = path.display();
    match (given.files.is_empty(), &given.credential) {
        (false, _) => format!("it is in {path}: add `:{path}` at the end of APPFERRY_MASTER_KEY_FILE"),
        (true, Some(credential)) => {
            format!("it is in {path}: set APPFERRY_MASTER_KEY_FILE={}:{path}, the new one first", credential.display())
        }
        (true, None) => format!(
            "it is in {path}: put the new one into a file, and set APPFERRY_MASTER_KEY_FILE=THAT_FILE:{path} in place of APPFERRY_MASTER_KEY"
        ),
    }
}

/// Opens the canary, after making one if there is none. One of another master key gives way while there are no keys:
/// nothing depends on it.
async fn prove(records: &Store, ring: &MasterRing, needed: &MasterKeysInUse) -> Result<(), KeyError> {
    let replacing = needed.by_canary.as_deref().filter(|id| ring.find(id).is_none() && needed.by_keys.is_empty());
    let canary = seal::new_canary(ring).map_err(MasterKeyError::Random)?;
    let kept = records.plant_canary(canary, replacing).await?;
    Ok(seal::check_canary(ring, &kept)?)
}
