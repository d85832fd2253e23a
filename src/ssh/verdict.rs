//! The judgement on the key or certificate that a host shows.

use std::fmt;
use std::time::SystemTime;

use russh::keys::{Certificate, PublicKey, PublicKeyOrCertificate};

use super::certificate;
use super::known_hosts::{fingerprint, key_words};
use super::pins::{Pin, Pins, Source};
use crate::domain::{Failure, FailureClass};

/// The RSA key that Bitbucket revoked in June 2023: refused whatever a file says.
const REVOKED_EVERYWHERE: &str = "SHA256:zzXQOXSRBEiUtuE8AikJYKwbHaxvSc0ojez9YXaGp1A";

/// A key that is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) why: Why,
    pub(super) failure: Failure,
}

/// Why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Nobody has said anything of this host: it may be trusted on first use.
    New,
    /// Its key is not known, but it is not certain that nobody has said anything of it.
    Unknown,
    /// Another key is trusted for this host.
    Changed,
    /// Its certificate is no good, and its key alone is not trusted.
    BadCertificate,
    /// The key, or the authority that signed it, was given up.
    Revoked,
    /// Who is trusted could not be read.
    Unreadable,
}

impl Pins {
    /// Accepts what the server proved to hold, or says why not. A certificate that is no good leaves its bare key to be
    /// judged, as OpenSSH does it.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate, now: SystemTime) -> Result<(), Refused> {
        match shown.certificate() {
            Some(certificate) => self.judge_certificate(certificate, &shown.public_key(), now),
            None => self.judge_key(&shown.public_key(), None),
        }
    }

    fn judge_certificate(&self, shown: &Certificate, key: &PublicKey, now: SystemTime) -> Result<(), Refused> {
        let signer = certificate::authority(shown);
        if self.is_revoked(&signer) {
            return Err(self.revoked_key(&signer, "is vouched for by an authority"));
        }
        let authorities = self.authorities.iter().map(|pin| &pin.key);
        let problem = certificate::check(shown, authorities, &self.host, now).err();
        if problem.is_none() && !self.is_revoked(key) {
            return Ok(());
        }
        self.judge_key(key, problem.as_deref())
    }

    fn judge_key(&self, shown: &PublicKey, certificate_problem: Option<&str>) -> Result<(), Refused> {
        let is_shown = |pin: &Pin| pin.key.key_data() == shown.key_data();
        if self.is_revoked(shown) {
            Err(self.revoked_key(shown, "shows a host key"))
        } else if self.keys.iter().any(is_shown) {
            Ok(())
        } else if let Some(problem) = &self.store_problem {
            Err(self.unreadable(shown, problem))
        } else if let Some(problem) = certificate_problem {
            Err(self.bad_certificate(shown, problem))
        } else if self.keys.is_empty() || self.borrowed {
            Err(self.unknown(shown))
        } else {
            Err(self.changed(shown))
        }
    }

    /// Whether the host may never show this key.
    pub(super) fn is_revoked(&self, key: &PublicKey) -> bool {
        let is_it = |revoked: &PublicKey| revoked.key_data() == key.key_data();
        fingerprint(key) == REVOKED_EVERYWHERE || self.revoked.iter().any(is_it)
    }

    fn revoked_key(&self, key: &PublicKey, how: &str) -> Refused {
        let failure = Failure::new(
            FailureClass::HostKey,
            format!("{} {how} that was revoked: {}", self.spec, Shown(key)),
            "nothing was sent; somebody may stand in between, or the server still uses a key that its owner gave up: \
             ask the owner",
        );
        Refused { why: Why::Revoked, failure }
    }

    fn unreadable(&self, shown: &PublicKey, problem: &Failure) -> Refused {
        let message = format!(
            "{} shows {}, and whether somebody trusted that key cannot be read: {}",
            self.spec,
            Shown(shown),
            problem.message
        );
        Refused { why: Why::Unreadable, failure: Failure::new(problem.class, message, problem.remedy.clone()) }
    }

    fn bad_certificate(&self, shown: &PublicKey, problem: &str) -> Refused {
        let message =
            format!("the host certificate of {} is refused: {problem}; its key is {}", self.spec, Shown(shown));
        let remedy = format!(
            "nothing was sent; ask whoever signs the certificates of that server for a good one, or compare that \
             fingerprint with what its owner publishes and trust the key itself: {}",
            self.trust_command(shown, false)
        );
        Refused { why: Why::BadCertificate, failure: Failure::new(FailureClass::HostKey, message, remedy) }
    }

    fn unknown(&self, shown: &PublicKey) -> Refused {
        let lacking = if self.authorities.is_empty() {
            ""
        } else {
            " (a certificate authority is trusted for it, but it shows no certificate)"
        };
        let problem = self.file_problem.as_ref().map(|problem| format!(" ({problem})")).unwrap_or_default();
        let message =
            format!("the host key of {} is not known; the server shows {}{lacking}{problem}", self.spec, Shown(shown));
        let remedy = format!(
            "compare that fingerprint with what the server's owner publishes, then trust it: {}; or add this line to {}: {}",
            self.trust_command(shown, false),
            self.file_words(),
            self.line(shown)
        );
        let why = if self.authorities.is_empty() && self.file_problem.is_none() { Why::New } else { Why::Unknown };
        Refused { why, failure: Failure::new(FailureClass::HostKey, message, remedy) }
    }

    /// The refusal of a key that is not the one that was trusted.
    pub(super) fn changed(&self, shown: &PublicKey) -> Refused {
        let known: Vec<String> = self.keys.iter().map(Pin::to_string).collect();
        let message = format!(
            "the host key of {} has changed: known is {}; the server shows {}",
            self.spec,
            known.join(" and "),
            Shown(shown)
        );
        let line_of = |pin: &Pin| match pin.source {
            Source::File { line, .. } => Some(line.to_string()),
            Source::BuiltIn | Source::Store { .. } => None,
        };
        let lines: Vec<String> = self.keys.iter().filter_map(line_of).collect();
        let act = if lines.is_empty() {
            format!("add this line to {}", self.file_words())
        } else {
            format!("replace line {} of {} by this one", lines.join(" and "), self.file_words())
        };
        let remedy = format!(
            "somebody may stand in between, so nothing was sent; only if the server's owner announced this new key, \
             trust it: {}; or {act}: {}",
            self.trust_command(shown, true),
            self.line(shown)
        );
        Refused { why: Why::Changed, failure: Failure::new(FailureClass::HostKey, message, remedy) }
    }

    fn trust_command(&self, shown: &PublicKey, replace: bool) -> String {
        let host = match (self.host.contains(':'), self.port) {
            (false, 22) => self.host.clone(),
            (true, 22) => format!("[{}]", self.host),
            (false, port) => format!("{}:{port}", self.host),
            (true, port) => format!("[{}]:{port}", self.host),
        };
        let replace = if replace { " --replace" } else { "" };
        format!("`appferry hosts trust {host} --fingerprint {}{replace}`", fingerprint(shown))
    }

    fn line(&self, shown: &PublicKey) -> String {
        format!("{} {}", self.spec, key_words(shown))
    }

    fn file_words(&self) -> String {
        match &self.file {
            Some(path) => format!("{} (APPFERRY_KNOWN_HOSTS)", path.display()),
            None => "a file, and name that file in APPFERRY_KNOWN_HOSTS".to_owned(),
        }
    }
}

struct Shown<'a>(&'a PublicKey);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.algorithm().as_str(), fingerprint(self.0))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", Shown(&self.key), self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File { file, line } => write!(f, "line {line} of {}", file.display()),
            Self::Store { trusted_by, trusted_at } => write!(f, "trusted by {trusted_by} on {trusted_at}"),
        }
    }
}
