//! What is known of one host's keys, and the judgement on the key that it shows.

use std::fmt;
use std::path::PathBuf;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

use super::known_hosts::fingerprint;
use crate::domain::{Failure, FailureClass};

/// The RSA key that Bitbucket revoked in June 2023: refused whatever a file says.
const REVOKED_EVERYWHERE: &str = "SHA256:zzXQOXSRBEiUtuE8AikJYKwbHaxvSc0ojez9YXaGp1A";

/// The signature algorithms that a host may prove its key with, best first. Not among them: SHA-1 and DSA.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// All that is known of one host's keys at the moment of a connection.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    /// The host as `known_hosts` calls it.
    pub(super) spec: String,
    /// The keys that it may show.
    pub(super) keys: Vec<Pin>,
    /// The keys are of the same host at port 22: one of them will do, but another one is unknown rather than changed.
    pub(super) borrowed: bool,
    /// The keys that it may not show.
    pub(super) revoked: Vec<PublicKey>,
    /// Some line trusts a certificate authority for it.
    pub(super) authority: bool,
    /// The file that a person can add keys to.
    pub(super) file: Option<PathBuf>,
    /// Why that file could not be read.
    pub(super) file_problem: Option<String>,
}

/// A key that is trusted, and who says so.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    pub(super) key: PublicKey,
    /// The line of the file; `None` for what ships with the program.
    pub(super) line: Option<usize>,
}

/// Every algorithm that is good enough for a host key.
pub(super) fn all_algorithms() -> Vec<Algorithm> {
    ALGORITHMS.to_vec()
}

impl Pins {
    /// The algorithms to offer: those of the pinned keys, so that a server cannot steer to another one. All of them when
    /// nothing is pinned, since the server's fingerprint is to be shown.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let pinned = |algorithm: &Algorithm| self.keys.iter().any(|pin| same_kind(algorithm, &pin.key.algorithm()));
        let offered: Vec<_> = ALGORITHMS.into_iter().filter(pinned).collect();
        if offered.is_empty() { all_algorithms() } else { offered }
    }

    /// Accepts the key that the server proved to hold, or says why not.
    pub(super) fn judge(&self, shown: &PublicKey) -> Result<(), Failure> {
        let is_shown = |key: &PublicKey| key.key_data() == shown.key_data();
        if fingerprint(shown) == REVOKED_EVERYWHERE || self.revoked.iter().any(is_shown) {
            Err(self.revoked_key(shown))
        } else if self.keys.iter().any(|pin| is_shown(&pin.key)) {
            Ok(())
        } else if self.keys.is_empty() || self.borrowed {
            Err(self.unknown(shown))
        } else {
            Err(self.changed(shown))
        }
    }

    fn revoked_key(&self, shown: &PublicKey) -> Failure {
        Failure::new(
            FailureClass::HostKey,
            format!("{} shows a host key that was revoked: {}", self.spec, Shown(shown)),
            "nothing was sent; somebody may stand in between, or the server still uses a key that its owner gave up: \
             ask the owner",
        )
    }

    fn unknown(&self, shown: &PublicKey) -> Failure {
        let authority = if self.authority {
            " (a certificate authority is trusted for it, but host certificates are not supported)"
        } else {
            ""
        };
        let problem = self.file_problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
        let message = format!(
            "the host key of {} is not known; the server shows {}{authority}{problem}",
            self.spec,
            Shown(shown)
        );
        let remedy = format!(
            "compare that fingerprint with what the server's owner publishes, then add this line to {}: {}",
            self.file_words(),
            self.line(shown)
        );
        Failure::new(FailureClass::HostKey, message, remedy)
    }

    fn changed(&self, shown: &PublicKey) -> Failure {
        let known: Vec<String> = self.keys.iter().map(Pin::to_string).collect();
        let message = format!(
            "the host key of {} has changed: known is {}; the server shows {}",
            self.spec,
            known.join(" and "),
            Shown(shown)
        );
        let lines: Vec<String> = self.keys.iter().filter_map(|pin| pin.line).map(|line| line.to_string()).collect();
        let act = if lines.is_empty() {
            format!("add this line to {}", self.file_words())
        } else {
            format!("replace line {} of {} by this one", lines.join(" and "), self.file_words())
        };
        let remedy = format!(
            "somebody may stand in between, so nothing was sent; only if the server's owner announced this new key, {act}: {}",
            self.line(shown)
        );
        Failure::new(FailureClass::HostKey, message, remedy)
    }

    fn line(&self, shown: &PublicKey) -> String {
        let key = PublicKey::new(shown.key_data().clone(), "").to_openssh().unwrap_or_default();
        format!("{} {}", self.spec, key.trim_end())
    }

    fn file_words(&self) -> String {
        match &self.file {
            Some(path) => format!("{} (APPFERRY_KNOWN_HOSTS)", path.display()),
            None => "a file, and name that file in APPFERRY_KNOWN_HOSTS".to_owned(),
        }
    }
}

/// A pinned RSA key may be proved with either hash.
fn same_kind(algorithm: &Algorithm, of_key: &Algorithm) -> bool {
    let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
    algorithm == of_key || (is_rsa(algorithm) && is_rsa(of_key))
}

struct Shown<'a>(&'a PublicKey);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.algorithm().as_str(), fingerprint(self.0))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.key).fmt(f)?;
        match self.line {
            Some(line) => write!(f, " (line {line})"),
            None => f.write_str(" (built in)"),
        }
    }
}
