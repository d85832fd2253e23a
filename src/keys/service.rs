//! Named keys: made, brought in, shown.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use secrecy::SecretString;

use super::elsewhere::Elsewhere;
use super::error::{KeyError, UnknownKey};
use super::material::{self, KeyKind, Pem};
use super::protection::Protection;
use super::record::{KeyRecord, LastUse, shown_time};
use super::ring::MasterRing;
use super::seal;
use crate::domain::{Failure, KeyName};
use crate::key_sources::KeySources;
use crate::ports::{
    AuditFilter, AuditLog, AuditRow, Changed, HostTrust, KeyRecords, NewKey, SealedMaterial, ShellRecords,
    TunnelRecords,
};

/// All that a store keeps.
pub trait Records: KeyRecords + HostTrust + AuditLog + ShellRecords + TunnelRecords {}

impl<T: KeyRecords + HostTrust + AuditLog + ShellRecords + TunnelRecords> Records for T {}

/// Named keys in a store. Cheap to clone; nothing read from the store is kept.
#[derive(Clone)]
pub struct KeyService {
    pub(super) records: Arc<dyn Records>,
    pub(super) ring: Arc<MasterRing>,
    /// Passphrases that were given from outside.
    pub(super) given: Arc<HashMap<KeyName, SecretString>>,
    /// What this process is called among the users of a key.
    pub(super) user: Option<Arc<str>>,
    pub(super) elsewhere: Elsewhere,
    /// Keys whose lock has been reported in the audit log: once is enough.
    pub(super) locked: Arc<Mutex<HashSet<KeyName>>>,
    /// Rotated keys whose new pair is locked here, so that the one before is used.
    pub(super) held_back: Arc<Mutex<HashMap<KeyName, HeldBack>>>,
}

/// The state of a new pair that is locked: another state may be another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldBack {
    pub(super) generation: u32,
    pub(super) remembered: bool,
}

impl KeyService {
    /// The service over `records`, sealed with the master keys of `ring`. [`KeyService::open`] builds both.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, ring: Arc<MasterRing>) -> Self {
        Self {
            records,
            ring,
            given: Arc::default(),
            user: None,
            elsewhere: Elsewhere::default(),
            locked: Arc::default(),
            held_back: Arc::default(),
        }
    }

    /// The same, knowing the passphrase of a key.
    #[must_use]
    pub fn with_passphrase(mut self, name: KeyName, passphrase: SecretString) -> Self {
        Arc::make_mut(&mut self.given).insert(name, passphrase);
        self
    }

    /// The same, on behalf of `user`: `environment of prod`.
    #[must_use]
    pub fn on_behalf_of(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The same, with keys that lie elsewhere.
    #[must_use]
    pub fn with_sources(mut self, sources: KeySources) -> Self {
        self.elsewhere = Elsewhere::new(sources);
        self
    }

    /// The host keys that people have trusted.
    #[must_use]
    pub fn host_trust(&self) -> Arc<dyn HostTrust> {
        self.records.clone()
    }

    /// The hosts and commands that are saved.
    #[must_use]
    pub fn shell_records(&self) -> Arc<dyn ShellRecords> {
        self.records.clone()
    }

    /// The tunnels that people have added.
    #[must_use]
    pub fn tunnel_records(&self) -> Arc<dyn TunnelRecords> {
        self.records.clone()
    }

    /// The log of what was done.
    #[must_use]
    pub fn audit_log(&self) -> Arc<dyn AuditLog> {
        self.records.clone()
    }

    /// Makes a key and stores it under `name`.
    ///
    /// # Errors
    /// [`KeyError::Taken`] if there is a key of that name (it stays as it is), [`KeyError::Generate`],
    /// [`KeyError::Store`].
    pub async fn generate(&self, name: &KeyName, kind: KeyKind, protection: Protection) -> Result<KeyRecord, KeyError> {
        self.must_be_free(name).await?; // before the seconds that a large key takes
        let sealed = self.seal_in_background(move || Ok((material::generate(kind)?, protection))).await?;
        self.add(name, sealed, "generated").await
    }

    /// All keys, those elsewhere included, sorted by name. A name that is in several places comes several times, the one
    /// that counts first. Keys elsewhere that cannot be opened are left out.
    ///
    /// # Errors
    /// [`KeyError::Store`].
    pub async fn list(&self) -> Result<Vec<KeyRecord>, KeyError> {
        let mut before = Vec::new();
        let mut after = Vec::new();
        for (source, name) in self.elsewhere.names().await {
            let first = self.elsewhere.before().is_some_and(|before| Arc::ptr_eq(before, &source));
            match self.elsewhere.record(Some(&source), &name, self.given.get(&name)).await {
                Ok(Some(record)) if first => before.push(record),
                Ok(Some(record)) => after.push(record),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(key = %name, source = source.word(), %error, "a key elsewhere is not shown");
                }
            }
        }
        for record in before.iter_mut().chain(&mut after) {
            self.add_uses(record).await?;
        }
        let stored = self.records.rows(None).await?.into_iter().map(KeyRecord::from);
        let mut all: Vec<KeyRecord> = before.into_iter().chain(stored).chain(after).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name)); // stable: the order of the places stays
        Ok(all)
    }

    /// What is shown of the key that counts for exactly this name.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Elsewhere`], [`KeyError::Store`].
    pub async fn show(&self, name: &KeyName) -> Result<KeyRecord, KeyError> {
        let given = self.given.get(name);
        let found = match self.elsewhere.record(self.elsewhere.before(), name, given).await? {
            Some(record) => Some(record),
            None => match self.records.rows(Some(name)).await?.pop() {
                Some(row) => return Ok(row.into()),
                None => self.elsewhere.record(self.elsewhere.after(), name, given).await?,
            },
        };
        let Some(mut record) = found else { return Err(self.absent(name).await) };
        self.add_uses(&mut record).await?;
        Ok(record)
    }

    /// What uses a key elsewhere, and when it was used last, is known here alone.
    async fn add_uses(&self, record: &mut KeyRecord) -> Result<(), KeyError> {
        record.used_by = self.records.claimants(&record.name).await?;
        let (event, key) = (Some("ssh_key_used".to_owned()), Some(record.name.to_string()));
        let rows = self.records.audit(&AuditFilter { event, key, ..AuditFilter::default() }).await?;
        let is_this = |row: &AuditRow| {
            row.outcome == "ok" && row.detail.as_ref().is_some_and(|text| text.starts_with(&record.pair.fingerprint))
        };
        let last = rows.into_iter().rev().find(is_this);
        record.last_used =
            last.map(|row| LastUse { at: shown_time(row.at_ms), purpose: row.purpose.unwrap_or_default() });
        Ok(())
    }

    /// What is shown of the stored key of exactly this name.
    pub(super) async fn stored_record(&self, name: &KeyName) -> Result<KeyRecord, KeyError> {
        match self.records.rows(Some(name)).await?.pop() {
            Some(row) => Ok(row.into()),
            None => Err(self.absent(name).await),
        }
    }

    /// The public key line of the key of exactly this name; during a rotation, that of the new key pair.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn public(&self, name: &KeyName) -> Result<String, KeyError> {
        Ok(self.show(name).await?.pair.public_key)
    }

    /// Takes `user` off the users of a key: an instance that is gone for good.
    ///
    /// # Errors
    /// [`KeyError::NotAUser`], [`KeyError::Unknown`], [`KeyError::Store`].
    pub async fn release(&self, name: &KeyName, user: &str) -> Result<(), KeyError> {
        if self.records.release(name, user).await? {
            return Ok(());
        }
        let users = self.stored_record(name).await?.used_by;
        Err(KeyError::NotAUser { name: name.clone(), user: user.to_owned(), users })
    }

    /// Makes `names` the keys that `user` (`environment of prod`, `tunnel db`) uses, and none else; a key that is in use
    /// cannot be deleted. A name without a key is no error: the key is in use from the moment it is made.
    ///
    /// # Errors
    /// [`KeyError::Store`].
    pub async fn mark_used_by(&self, user: &str, names: &[KeyName]) -> Result<(), KeyError> {
        Ok(self.records.claim(user, names).await?)
    }

    /// Writes back and lets go of the store. Calls after it fail.
    pub async fn close(&self) {
        self.records.close().await;
    }

    /// That there is no key of this name in the store, with the names there are everywhere.
    pub(super) async fn absent(&self, asked: &KeyName) -> KeyError {
        let elsewhere = self.elsewhere.names().await;
        for (source, name) in elsewhere.iter().filter(|(_, name)| name == asked) {
            // A Vault goes on listing what was deleted.
            if matches!(source.find(name).await, Ok(Some(_))) {
                return KeyError::ReadOnly { name: name.clone(), place: source.word() };
            }
        }
        let elsewhere = elsewhere.into_iter().filter(|(_, name)| name != asked);
        match self.records.rows(None).await {
            Ok(rows) => {
                let stored = rows.into_iter().map(|row| row.name);
                let names: BTreeSet<KeyName> = stored.chain(elsewhere.map(|(_, name)| name)).collect();
                UnknownKey { asked: asked.to_string(), names: names.iter().map(KeyName::to_string).collect() }.into()
            }
            Err(failure) => failure.into(),
        }
    }

    pub(super) async fn must_be_free(&self, name: &KeyName) -> Result<(), KeyError> {
        self.must_not_be_hidden(name).await?;
        if self.records.rows(Some(name)).await?.is_empty() {
            Ok(())
        } else {
            Err(KeyError::Taken { name: name.clone() })
        }
    }

    /// A stored key would never be used under a name that the secrets folder has.
    pub(super) async fn must_not_be_hidden(&self, name: &KeyName) -> Result<(), KeyError> {
        match self.elsewhere.before() {
            Some(folder) if folder.find(name).await?.is_some() => Err(KeyError::Taken { name: name.clone() }),
            _ => Ok(()),
        }
    }

    /// Runs `make`, which may take long, and seals what comes of it.
    pub(super) async fn seal_in_background(
        &self,
        make: impl FnOnce() -> Result<(Pem, Protection), KeyError> + Send + 'static,
    ) -> Result<SealedMaterial, KeyError> {
        let ring = Arc::clone(&self.ring);
        let sealed = tokio::task::spawn_blocking(move || {
            let (pem, protection) = make()?;
            seal::seal(&ring, &pem, &protection)
        });
        sealed.await.map_err(Failure::internal)?
    }

    pub(super) async fn add(
        &self,
        name: &KeyName,
        material: SealedMaterial,
        origin: &'static str,
    ) -> Result<KeyRecord, KeyError> {
        let id = seal::new_id().map_err(KeyError::random)?;
        let key = NewKey { id, name: name.clone(), created_ms: Timestamp::now().as_millisecond(), material, origin };
        match self.records.add(key).await? {
            Changed::Done => self.stored_record(name).await,
            _ => Err(KeyError::Taken { name: name.clone() }),
        }
    }
}

impl fmt::Debug for KeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyService").field("master_keys", &self.ring.ids()).finish_non_exhaustive()
    }
}
