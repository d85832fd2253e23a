//! What follows from the key that a host shows: it is let pass, kept as the first one, or refused; and a changed one is
//! noted.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{PublicKey, PublicKeyOrCertificate};

use super::host_keys::pin;
use super::known_hosts::{fingerprint, key_words};
use super::pins::Pins;
use super::verdict::{Refused, Why};
use crate::domain::Failure;
use crate::ports::{HostTrust, TrustedHostKey};

/// Keeps what people have trusted.
#[derive(Default)]
pub(super) struct Keeper {
    store: Option<Arc<dyn HostTrust>>,
    /// Who trusts the first key of an unknown host; nobody does when this is `None`.
    first_use_by: Option<String>,
    /// Of two connections that see an unknown host at once, the second one must see the key that the first one kept.
    keeping: tokio::sync::Mutex<()>,
}

impl Keeper {
    pub(super) fn new(store: Arc<dyn HostTrust>, first_use_by: Option<String>) -> Self {
        Self { store: Some(store), first_use_by, ..Self::default() }
    }

    /// The keys that people have trusted; none when there is no store.
    pub(super) async fn trusted(&self, spec: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure> {
        match &self.store {
            Some(store) => store.trusted(spec).await,
            None => Ok(Vec::new()),
        }
    }

    /// Where keys can be kept.
    pub(super) fn store(&self) -> Result<&Arc<dyn HostTrust>, Failure> {
        self.store.as_ref().ok_or_else(|| Failure::internal("there is no store for host keys"))
    }

    /// Lets the host pass or not, by what is known of it. When this answers well, a first key is stored.
    pub(super) async fn admit(&self, pins: &Pins, shown: &PublicKeyOrCertificate) -> Result<(), Failure> {
        let refused = match pins.judge(shown, SystemTime::now()) {
            Ok(()) => None,
            Err(refused) if refused.why == Why::New && self.first_use_by.is_some() => {
                self.keep_first(pins, &shown.public_key()).await.err()
            }
            Err(refused) => Some(refused),
        };
        let Some(Refused { why, failure }) = refused else { return Ok(()) };
        if pins.is_known() && matches!(why, Why::Changed | Why::Revoked) {
            self.note_changed(pins, &shown.public_key()).await;
        }
        Err(failure)
    }

    async fn keep_first(&self, pins: &Pins, shown: &PublicKey) -> Result<(), Refused> {
        let _one_at_a_time = self.keeping.lock().await;
        match self.try_keep_first(pins, shown).await {
            Ok(known) if known.is_empty() => Ok(()),
            Ok(known) => Err(Pins { keys: known.iter().filter_map(pin).collect(), ..pins.clone() }.changed(shown)),
            Err(problem) => {
                let message = format!(
                    "the first host key of {} could not be stored, so it is not trusted: {}",
                    pins.spec, problem.message
                );
                let failure = Failure::new(problem.class, message, problem.remedy);
                Err(Refused { why: Why::Unreadable, failure })
            }
        }
    }

    /// Stores the key, unless the host has another one meanwhile: then answers that.
    async fn try_keep_first(&self, pins: &Pins, shown: &PublicKey) -> Result<Vec<TrustedHostKey>, Failure> {
        let by = format!("first use by {}", self.first_use_by.as_deref().unwrap_or_default());
        let first = to_store(&pins.spec, shown, by);
        let known = self.store()?.trust_first(&first).await?;
        if !known.iter().any(|key| key.fingerprint == first.fingerprint) {
            return Ok(known);
        }
        if known.contains(&first) {
            tracing::warn!(
                host = pins.spec,
                fingerprint = first.fingerprint,
                "an unknown host's key was trusted on first use (APPFERRY_HOST_KEYS=accept-new); compare its fingerprint"
            );
        }
        Ok(Vec::new())
    }

    async fn note_changed(&self, pins: &Pins, shown: &PublicKey) {
        let Some(store) = &self.store else { return };
        if let Err(failure) = store.note_changed(&pins.spec, &fingerprint(shown), &pins.fingerprints()).await {
            tracing::warn!(host = pins.spec, %failure, "a changed host key could not be noted in the audit log");
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_store = self.store.is_some();
        f.debug_struct("Keeper")
            .field("store", &has_store)
            .field("first_use_by", &self.first_use_by)
            .finish_non_exhaustive()
    }
}

/// A key in the form in which it is kept, trusted now.
pub(super) fn to_store(spec: &str, key: &PublicKey, trusted_by: String) -> TrustedHostKey {
    let words = key_words(key);
    let (kind, base64) = words.split_once(' ').unwrap_or_default();
    TrustedHostKey {
        host: spec.to_owned(),
        kind: kind.to_owned(),
        key: base64.to_owned(),
        fingerprint: fingerprint(key),
        trusted_ms: jiff::Timestamp::now().as_millisecond(),
        trusted_by,
    }
}

/// The key in a form in which it can be compared.
pub(super) fn key_of(stored: &TrustedHostKey) -> Option<PublicKey> {
    let blob = STANDARD.decode(&stored.key).ok()?;
    russh::keys::key::parse_public_key(&blob).ok()
}
