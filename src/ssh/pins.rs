//! What is known of one host's keys at the moment of a connection.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;

use russh::keys::{Algorithm, PublicKey};
use serde::Serialize;

use super::algorithms::{ALGORITHMS, Offer, same_kind};
use super::keeper::Keeper;
use super::known_hosts::fingerprint;
use crate::domain::Failure;

/// All that is known of one host's keys.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    /// The host's name or address.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// The host as `known_hosts` calls it.
    pub(super) spec: String,
    /// The keys that it may show.
    pub(super) keys: Vec<Pin>,
    /// The keys that may vouch for it with a certificate.
    pub(super) authorities: Vec<Pin>,
    /// All of these are of the same host at port 22: one of them will do, but another one is unknown rather than changed.
    pub(super) borrowed: bool,
    /// The keys that it may not show.
    pub(super) revoked: Vec<PublicKey>,
    /// The file that a person can add keys to.
    pub(super) file: Option<PathBuf>,
    /// Why that file could not be read.
    pub(super) file_problem: Option<String>,
    /// Why the keys that people have trusted could not be read.
    pub(super) store_problem: Option<Failure>,
    /// What keeps new keys and notes changed ones.
    pub(super) keeper: Arc<Keeper>,
}

/// A key that is trusted, and who says so.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) key: PublicKey,
    pub(super) source: Source,
}

/// Who says that a host key is trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Source {
    /// It ships with the program.
    BuiltIn,
    /// A line of the file of `APPFERRY_KNOWN_HOSTS`.
    File {
        /// Its path.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A person, or the first use.
    Store {
        /// Who.
        trusted_by: String,
        /// When, in RFC 3339.
        trusted_at: String,
    },
}

impl Pins {
    /// The algorithms to offer: those of the pinned keys, so that a server cannot steer to another one, and certificates
    /// only where somebody may vouch for the host. All when nothing is known, since the server's fingerprint is to be shown.
    pub(super) fn offer(&self) -> Offer {
        if self.keys.is_empty() && self.authorities.is_empty() {
            return Offer::of_all_keys();
        }
        let pinned = |algorithm: &Algorithm| self.keys.iter().any(|pin| same_kind(algorithm, &pin.key.algorithm()));
        Offer { keys: ALGORITHMS.into_iter().filter(pinned).collect(), ..self.offer_of_last_resort() }
    }

    /// For a server that holds no key of a pinned type: everything, to show the one that it has. It is judged alike.
    pub(super) fn offer_of_last_resort(&self) -> Offer {
        let certificates = if self.authorities.is_empty() { Vec::new() } else { ALGORITHMS.to_vec() };
        Offer { certificates, ..Offer::of_all_keys() }
    }

    /// The fingerprints that the host may show.
    pub(super) fn fingerprints(&self) -> Vec<String> {
        self.keys.iter().map(|pin| fingerprint(&pin.key)).collect()
    }

    /// Whether anybody speaks of this host.
    pub(super) fn is_known(&self) -> bool {
        !self.keys.is_empty() || !self.authorities.is_empty()
    }

    /// Another number when anything is known otherwise than before.
    pub(super) fn stamp(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let pins = [&self.keys, &self.authorities].map(|pins| pins.iter().map(|pin| &pin.key).collect::<Vec<_>>());
        for keys in pins.into_iter().chain([self.revoked.iter().collect()]) {
            keys.into_iter().map(fingerprint).collect::<Vec<_>>().hash(&mut hasher);
        }
        self.file_problem.hash(&mut hasher);
        hasher.finish()
    }
}
