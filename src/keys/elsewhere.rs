//! Keys that lie elsewhere: in the secrets folder, which comes before the store, and in a Vault, which comes after it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

use super::error::KeyError;
use super::import::{self, ImportError};
use super::material::{self, PublicParts};
use super::record::{KeyRecord, PairRecord, PassphraseState, public_line};
use super::seal;
use crate::domain::{Failure, KeyName};
use crate::key_sources::KeySources;
use crate::ports::{KeySource, KeyVersion, ResolvedKey, SourceKey, Stamp};

/// The generation of a key that is not rotated here; another file is another fingerprint.
const GENERATION: u32 = 1;

/// The sources beside the store, and what is known of the keys in them: nothing secret.
#[derive(Clone, Default)]
pub(super) struct Elsewhere {
    sources: KeySources,
    known: Arc<Mutex<Known>>,
    said: Arc<Mutex<HashSet<String>>>,
}

/// The public parts of each key, as of a state of its source.
type Known = HashMap<(&'static str, KeyName), (Stamp, Arc<Read>)>;

/// What was read of a key.
struct Read {
    public: PublicParts,
    passphrase: PassphraseState,
}

/// A key of a source, opened.
struct Open {
    read: Arc<Read>,
    pem: SecretString,
}

impl Elsewhere {
    pub(super) fn new(sources: KeySources) -> Self {
        Self { sources, ..Self::default() }
    }

    /// What comes before the store.
    pub(super) fn before(&self) -> Option<&Arc<dyn KeySource>> {
        self.sources.folder.as_ref()
    }

    /// What comes after the store.
    pub(super) fn after(&self) -> Option<&Arc<dyn KeySource>> {
        self.sources.vault.as_ref()
    }

    /// The key, ready to log in.
    pub(super) async fn resolve(
        &self,
        source: Option<&Arc<dyn KeySource>>,
        name: &KeyName,
        given: Option<&SecretString>,
    ) -> Result<Option<ResolvedKey>, KeyError> {
        let Some(source) = source else { return Ok(None) };
        let Some(Open { read, pem }) = self.open(source, name, given).await? else { return Ok(None) };
        Ok(Some(ResolvedKey {
            name: name.clone(),
            generation: GENERATION,
            private_pem: pem,
            public_line: public_line(&read.public.public_key, name),
            fingerprint: read.public.fingerprint.clone(),
            source: source.word(),
            previous: None,
        }))
    }

    /// The key's version, mostly without opening it.
    pub(super) async fn version(
        &self,
        source: Option<&Arc<dyn KeySource>>,
        name: &KeyName,
        given: Option<&SecretString>,
    ) -> Result<Option<KeyVersion>, KeyError> {
        let Some(source) = source else { return Ok(None) };
        let read = self.read(source, name, given).await?;
        let fingerprint = read.map(|read| read.public.fingerprint.clone());
        Ok(fingerprint.map(|fingerprint| KeyVersion {
            generation: GENERATION,
            fingerprint,
            previous: None,
            source: source.word(),
        }))
    }

    /// What is shown of the key.
    pub(super) async fn record(
        &self,
        source: Option<&Arc<dyn KeySource>>,
        name: &KeyName,
        given: Option<&SecretString>,
    ) -> Result<Option<KeyRecord>, KeyError> {
        let Some(source) = source else { return Ok(None) };
        let read = self.read(source, name, given).await?;
        Ok(read.map(|read| shown(source.word(), name, &read)))
    }

    /// The names of all keys elsewhere. A source that does not answer is left out, with a warning.
    pub(super) async fn names(&self) -> Vec<(Arc<dyn KeySource>, KeyName)> {
        let mut found = Vec::new();
        for source in self.before().into_iter().chain(self.after()) {
            match source.names().await {
                Ok(names) => found.extend(names.into_iter().map(|name| (Arc::clone(source), name))),
                Err(failure) => {
                    tracing::warn!(source = source.word(), %failure, "the names of the keys there are not known");
                }
            }
        }
        found
    }

    async fn read(
        &self,
        source: &Arc<dyn KeySource>,
        name: &KeyName,
        given: Option<&SecretString>,
    ) -> Result<Option<Arc<Read>>, KeyError> {
        let stamp = source.stamp(name).await;
        if let Some((at, read)) = locked(&self.known).get(&(source.word(), name.clone()))
            && stamp.as_ref() == Some(at)
        {
            return Ok(Some(Arc::clone(read)));
        }
        Ok(self.open(source, name, given).await?.map(|open| open.read))
    }

    /// Reads and opens the key, and remembers its public parts.
    async fn open(
        &self,
        source: &Arc<dyn KeySource>,
        name: &KeyName,
        given: Option<&SecretString>,
    ) -> Result<Option<Open>, KeyError> {
        let stamp = source.stamp(name).await; // before the key: what is found afterwards is at least as new
        let Some(found) = source.find(name).await? else { return Ok(None) };
        self.say_once(found.notice.as_deref());
        let (asked, given) = (name.clone(), given.cloned());
        let opened = tokio::task::spawn_blocking(move || open(&asked, &found, given.as_ref()));
        let opened = opened.await.map_err(Failure::internal)??;
        if let Some(stamp) = stamp {
            locked(&self.known).insert((source.word(), name.clone()), (stamp, Arc::clone(&opened.read)));
        }
        Ok(Some(opened))
    }

    fn say_once(&self, notice: Option<&str>) {
        if let Some(notice) = notice
            && locked(&self.said).insert(notice.to_owned())
        {
            tracing::warn!("{notice}");
        }
    }
}

/// Blocks, for a moment where there is a passphrase.
fn open(name: &KeyName, found: &SourceKey, given: Option<&SecretString>) -> Result<Open, KeyError> {
    let failed = |error| KeyError::Elsewhere { name: name.clone(), place: found.place.clone(), error };
    let passphrase = found.passphrase.as_ref().or(given);
    let read = import::read(found.private.expose_secret().as_bytes(), passphrase).map_err(failed)?;
    let passphrase = match (read.was_encrypted, found.passphrase.is_some()) {
        (false, _) => PassphraseState::None,
        (true, true) => PassphraseState::Remembered,
        (true, false) => PassphraseState::NotRemembered,
    };
    let pem = material::pem_of(read.private.key_data().clone())?;
    let unreadable = || failed(ImportError::Damaged { what: "it cannot be read back".to_owned() });
    let public = material::public_parts(&pem).ok_or_else(unreadable)?;
    Ok(Open { read: Arc::new(Read { public, passphrase }), pem: seal::secret(pem) })
}

fn shown(source: &'static str, name: &KeyName, read: &Read) -> KeyRecord {
    KeyRecord {
        name: name.clone(),
        source,
        pair: PairRecord {
            generation: GENERATION,
            kind: read.public.kind.word().to_owned(),
            bits: read.public.bits,
            fingerprint: read.public.fingerprint.clone(),
            public_key: public_line(&read.public.public_key, name),
            passphrase: read.passphrase,
            first_login: None,
        },
        created: None,
        last_used: None,
        used_by: Vec::new(),
        previous: None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
