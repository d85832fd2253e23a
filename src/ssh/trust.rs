//! What a person does with host keys: looks at them, trusts them, forgets them.

use serde::Serialize;

use super::fingerprint::Fingerprint;
use super::host_keys::{HostKeys, pin};
use super::host_pattern::spec;
use super::keeper::to_store;
use super::known_hosts::{Line, Marker, fingerprint};
use super::pins::{Pin, Pins, Source};
use super::scan::ScannedKey;
use crate::domain::Failure;
use crate::ports::TrustedHostKey;

/// How a key that a server shows stands to what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// It is trusted.
    Trusted(Source),
    /// Another key of its type is trusted.
    Changed {
        /// The fingerprints that are trusted, each with who says so.
        known: Vec<KnownPrint>,
    },
    /// No key of its type is trusted.
    Unknown,
    /// It is refused whatever anybody says.
    Revoked,
}

/// A fingerprint, and who says that it is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownPrint {
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Who says so.
    #[serde(flatten)]
    pub source: Source,
}

/// A line of the list of all that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownKey {
    /// The hosts, as `known_hosts` calls them; patterns are possible.
    pub host: String,
    /// `ssh-ed25519`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// `trusted`, `revoked`, or `authority`: it signs host certificates.
    pub meaning: &'static str,
    /// Who says so.
    #[serde(flatten)]
    pub source: Source,
}

/// Why keys are not trusted although a person wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The server does not have them.
    #[error(
        "{host} shows no key with the fingerprint {asked}; it shows {}. Trust none of them before the server's owner says \
         which is right: somebody may stand in between", shown.join(", ")
    )]
    NotShown {
        /// The host.
        host: String,
        /// What was asked for.
        asked: Fingerprint,
        /// What the server shows, type and fingerprint.
        shown: Vec<String>,
    },
    /// It was given up by its owner.
    #[error("the key {fingerprint} of {host} was revoked; it cannot be trusted: ask the server's owner for a new one")]
    Revoked {
        /// The host.
        host: String,
        /// The key.
        fingerprint: String,
    },
    /// Another key of that type is trusted already.
    #[error(
        "another {kind} key of {host} is trusted: {}; the server now shows {new}. If its owner announced that change, add \
         --replace", known.join(", ")
    )]
    Replaces {
        /// The host.
        host: String,
        /// The type of both keys.
        kind: String,
        /// Those that are trusted, each with who says so.
        known: Vec<String>,
        /// The fingerprint of the new one.
        new: String,
    },
    /// The store or the file.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// What became of a key that was to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// The key.
    pub kind: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// Who had trusted it before, and when.
    pub already: Option<Source>,
    /// Those that it took the place of.
    pub replaced: Vec<String>,
    /// Others of its type that stay trusted until somebody changes what names them.
    pub beside: Vec<KnownPrint>,
}

impl HostKeys {
    /// How each key that a server shows stands.
    ///
    /// # Errors
    /// Disk, connect or internal: what is known cannot be read.
    pub async fn standings(&self, host: &str, port: u16, shown: &[ScannedKey]) -> Result<Vec<Standing>, Failure> {
        let pins = self.wholly_known(host, port).await?;
        Ok(shown.iter().map(|key| pins.standing(key)).collect())
    }

    /// Trusts those of the `shown` keys of a host that have exactly these fingerprints: all of them, or none.
    ///
    /// # Errors
    /// [`TrustError`] says what stands against it.
    pub async fn trust(
        &self,
        (host, port): (&str, u16),
        shown: &[ScannedKey],
        fingerprints: &[Fingerprint],
        trusted_by: &str,
        replace: bool,
    ) -> Result<Vec<Trusted>, TrustError> {
        let pins = self.wholly_known(host, port).await?;
        let mut wanted: Vec<&ScannedKey> = Vec::new();
        for asked in fingerprints {
            let key = pins.acceptable(shown, asked, replace)?;
            if !wanted.iter().any(|other| other.fingerprint == key.fingerprint) {
                wanted.push(key);
            }
        }
        let mut trusted = Vec::new();
        for key in wanted {
            let kept = to_store(&pins.spec, &key.key, trusted_by.to_owned());
            let replaced = self.keeper.store()?.trust(&kept, replace).await?;
            trusted.push(Trusted {
                kind: key.kind.clone(),
                fingerprint: key.fingerprint.clone(),
                already: match pins.standing(key) {
                    Standing::Trusted(source @ Source::Store { .. }) => Some(source),
                    _ => None,
                },
                replaced: replaced.into_iter().map(|old| old.fingerprint).collect(),
                beside: pins.others_of_its_type(key).filter(|pin| stays(pin)).map(known_print).collect(),
            });
        }
        Ok(trusted)
    }

    /// Forgets what people have trusted of a host: all keys, or the one of this fingerprint. Answers what was forgotten, and
    /// who else trusts keys of that host.
    ///
    /// # Errors
    /// Disk, connect or internal.
    pub async fn forget(
        &self,
        host: &str,
        port: u16,
        fingerprint: Option<&Fingerprint>,
    ) -> Result<(Vec<TrustedHostKey>, Vec<KnownPrint>), Failure> {
        let forgotten = self.keeper.store()?.forget(&spec(host, port), fingerprint.map(Fingerprint::as_str)).await?;
        let left = self.wholly_known(host, port).await?;
        Ok((forgotten, left.keys.iter().map(known_print).collect()))
    }

    /// All that is known of any host.
    ///
    /// # Errors
    /// Disk, connect or internal: what is known cannot be read.
    pub async fn list(&self) -> Result<Vec<KnownKey>, Failure> {
        let file = self.load_file().await?;
        let built_in = self.built_in.iter().map(|line| listed(line, Source::BuiltIn));
        let from_file = self.lines_of(&file).map(|(line, source)| listed(line, source));
        let stored = self.keeper.trusted(None).await?;
        let stored = stored.iter().filter_map(|key| Some((key, pin(key)?))).map(|(key, pin)| KnownKey {
            host: key.host.clone(),
            kind: key.kind.clone(),
            fingerprint: key.fingerprint.clone(),
            meaning: "trusted",
            source: pin.source,
        });
        Ok(built_in.chain(from_file).chain(stored).collect())
    }

    /// As [`pins`](Self::pins), but no source may be missing.
    async fn wholly_known(&self, host: &str, port: u16) -> Result<Pins, Failure> {
        let mut pins = self.pins(host, port).await?;
        pins.store_problem.take().map_or(Ok(pins), Err)
    }
}

impl Pins {
    fn standing(&self, shown: &ScannedKey) -> Standing {
        if self.is_revoked(&shown.key) {
            return Standing::Revoked;
        }
        // What a person did says more than what ships.
        let is_it = |pin: &&Pin| pin.key.key_data() == shown.key.key_data();
        if let Some(pin) = self.keys.iter().rfind(is_it) {
            return Standing::Trusted(pin.source.clone());
        }
        let known: Vec<KnownPrint> = self.others_of_its_type(shown).map(known_print).collect();
        if known.is_empty() { Standing::Unknown } else { Standing::Changed { known } }
    }

    fn acceptable<'a>(
        &self,
        shown: &'a [ScannedKey],
        asked: &Fingerprint,
        replace: bool,
    ) -> Result<&'a ScannedKey, TrustError> {
        let host = self.spec.clone();
        let Some(key) = shown.iter().find(|key| key.fingerprint == asked.as_str()) else {
            let shown = shown.iter().map(|key| format!("{} {}", key.kind, key.fingerprint)).collect();
            return Err(TrustError::NotShown { host, asked: asked.clone(), shown });
        };
        match self.standing(key) {
            Standing::Revoked => Err(TrustError::Revoked { host, fingerprint: key.fingerprint.clone() }),
            Standing::Changed { known } if !replace => Err(TrustError::Replaces {
                host,
                kind: key.kind.clone(),
                known: known.iter().map(|known| format!("{} ({})", known.fingerprint, known.source)).collect(),
                new: key.fingerprint.clone(),
            }),
            Standing::Changed { .. } | Standing::Trusted(_) | Standing::Unknown => Ok(key),
        }
    }

    /// The other keys of this type that the host itself may show.
    fn others_of_its_type(&self, shown: &ScannedKey) -> impl Iterator<Item = &Pin> {
        let is_other =
            |pin: &&Pin| pin.key.algorithm() == shown.key.algorithm() && pin.key.key_data() != shown.key.key_data();
        self.keys.iter().filter(|_| !self.borrowed).filter(is_other)
    }
}

/// What is built in or in the file stays, whatever the store replaces.
fn stays(pin: &Pin) -> bool {
    !matches!(pin.source, Source::Store { .. })
}

fn known_print(pin: &Pin) -> KnownPrint {
    KnownPrint { fingerprint: fingerprint(&pin.key), source: pin.source.clone() }
}

fn listed(line: &Line, source: Source) -> KnownKey {
    KnownKey {
        host: line.hosts.words(),
        kind: line.key.algorithm().as_str().to_owned(),
        fingerprint: fingerprint(&line.key),
        meaning: match line.marker {
            Marker::Trusted => "trusted",
            Marker::Revoked => "revoked",
            Marker::Authority => "authority",
        },
        source,
    }
}
