//! Whether a host certificate proves a host, as OpenSSH decides it (PROTOCOL.certkeys, and `sshkey_cert_check_host` in sshkey.c).
//!
//! russh has read the certificate and has seen the key in it sign the key exchange; who vouches for that key, for which
//! names and until when, is looked at here only.

use std::time::{Duration, SystemTime};

use russh::keys::ssh_key::public::{KeyData, RsaPublicKey};
use russh::keys::{Certificate, HashAlg, PublicKey};

use super::algorithms::ALGORITHMS;
use super::failures::tame;
use super::host_pattern::{glob, plain_name};
use super::known_hosts::fingerprint;

/// An RSA key shorter than this vouches for nothing.
const MIN_RSA_BITS: u32 = 2048;

/// How many of a certificate's names are shown.
const NAMES_SHOWN: usize = 5;

/// The authority that signed it; whether it did, [`check`] finds out.
pub(super) fn authority(certificate: &Certificate) -> PublicKey {
    PublicKey::new(certificate.signature_key().clone(), "")
}

/// What is wrong with a certificate that `host` shows at `now`; `authorities` may vouch for that host.
pub(super) fn check<'a>(
    certificate: &Certificate,
    mut authorities: impl Iterator<Item = &'a PublicKey>,
    host: &str,
    now: SystemTime,
) -> Result<(), String> {
    let signer = authority(certificate);
    if !authorities.any(|trusted| trusted.key_data() == signer.key_data()) {
        return Err(format!("no trusted authority signed it, but {}", fingerprint(&signer)));
    }
    let algorithm = certificate.signature().algorithm();
    if !ALGORITHMS.contains(&algorithm) {
        return Err(format!("it is signed with {}, which is not accepted", algorithm.as_str()));
    }
    for (key, whose) in [(certificate.signature_key(), "authority"), (certificate.public_key(), "host")] {
        check_size(key).map_err(|bits| format!("the RSA key of its {whose} has only {bits} bits"))?;
    }
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    check_time(certificate, now)?;
    // Authority and time are right already: what can still be wrong is the signature.
    let proved = certificate.validate_at(now, &[signer.fingerprint(HashAlg::Sha256)]);
    proved.map_err(|_| "its signature is wrong".to_owned())?;
    if !certificate.cert_type().is_host() {
        return Err("it is one for users, not for hosts".to_owned());
    }
    check_names(certificate.valid_principals(), host)?;
    match certificate.critical_options().keys().next() {
        Some(option) => Err(format!("it demands `{}`, which is not known here", tame(option).unwrap_or_default())),
        None => Ok(()),
    }
}

fn check_size(key: &KeyData) -> Result<(), u32> {
    match key.rsa().map(RsaPublicKey::key_size) {
        Some(bits) if bits < MIN_RSA_BITS => Err(bits),
        _ => Ok(()),
    }
}

/// Valid from the first second on, and no longer at the last one.
fn check_time(certificate: &Certificate, now: u64) -> Result<(), String> {
    if now < certificate.valid_after() {
        Err(format!("it is valid only from {} on", shown_time(certificate.valid_after())))
    } else if now >= certificate.valid_before() {
        Err(format!("it expired at {}", shown_time(certificate.valid_before())))
    } else {
        Ok(())
    }
}

/// A certificate without names is for no host: OpenSSH took it for any host until 10.3, which closed that hole.
fn check_names(names: &[String], host: &str) -> Result<(), String> {
    if names.is_empty() {
        return Err("it names no host".to_owned());
    }
    let host = plain_name(host);
    if names.iter().any(|name| glob(&plain_name(name), &host)) {
        return Ok(());
    }
    let mut shown: Vec<String> = names.iter().take(NAMES_SHOWN).filter_map(|name| tame(name)).collect();
    if names.len() > NAMES_SHOWN {
        shown.push("…".to_owned());
    }
    Err(format!("it is for {}, not for {host}", shown.join(", ")))
}

fn shown_time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "a time that never comes".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::certificate::{Builder, CertType};
    use russh::keys::{Algorithm, PrivateKey};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    struct Wanted {
        kind: CertType,
        from: u64,
        until: u64,
        names: Vec<&'static str>,
        option: Option<&'static str>,
    }

    fn good() -> Wanted {
        Wanted { kind: CertType::Host, from: NOW, until: NOW + 1, names: vec!["git.example.com"], option: None }
    }

    fn key() -> PrivateKey {
        PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()
    }

    fn signed(wanted: &Wanted, authority: &PrivateKey) -> Certificate {
        let host = key();
        let mut builder = Builder::new(vec![7; 32], host.public_key(), wanted.from, wanted.until).unwrap();
        builder.cert_type(wanted.kind).unwrap();
        match wanted.names.as_slice() {
            [] => {
                builder.all_principals_valid().unwrap();
            }
            names => names.iter().for_each(|name| {
                builder.valid_principal(*name).unwrap();
            }),
        }
        if let Some(option) = wanted.option {
            builder.critical_option(option, "").unwrap();
        }
        builder.sign(authority).unwrap()
    }

    fn judged(wanted: &Wanted, host: &str) -> Result<(), String> {
        let authority = key();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        check(&signed(wanted, &authority), [authority.public_key()].into_iter(), host, now)
    }

    #[test]
    fn a_good_one_is_accepted_for_its_names_only() {
        assert_eq!(judged(&good(), "git.example.com"), Ok(()));
        assert_eq!(judged(&good(), "Git.Example.COM."), Ok(()));
        let refused = judged(&good(), "other.example.com").unwrap_err();
        assert_eq!(refused, "it is for git.example.com, not for other.example.com");
        let wildcard = Wanted { names: vec!["a", "*.example.com"], ..good() };
        assert_eq!(judged(&wildcard, "git.example.com"), Ok(()));
        assert!(judged(&wildcard, "example.com").is_err());
    }

    #[test]
    fn one_that_names_no_host_or_is_for_users_or_demands_something_is_refused() {
        let host = "git.example.com";
        assert!(judged(&Wanted { names: vec![], ..good() }, host).unwrap_err().contains("names no host"));
        assert!(judged(&Wanted { kind: CertType::User, ..good() }, host).unwrap_err().contains("for users"));
        let demanding = judged(&Wanted { option: Some("force-command"), ..good() }, host).unwrap_err();
        assert!(demanding.contains("`force-command`"), "{demanding}");
    }

    #[test]
    fn its_time_begins_with_the_first_second_and_ends_before_the_last() {
        let host = "git.example.com";
        let early = judged(&Wanted { from: NOW + 1, until: NOW + 2, ..good() }, host).unwrap_err();
        assert_eq!(early, "it is valid only from 2027-01-15T08:00:01Z on");
        let late = judged(&Wanted { from: NOW - 1, until: NOW, ..good() }, host).unwrap_err();
        assert_eq!(late, "it expired at 2027-01-15T08:00:00Z");
    }

    #[test]
    fn one_that_another_authority_signed_or_that_was_changed_is_refused() {
        let (ours, theirs) = (key(), key());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
        let by_them = signed(&good(), &theirs);
        let refused = check(&by_them, [ours.public_key()].into_iter(), "git.example.com", now).unwrap_err();
        assert!(refused.contains(&fingerprint(theirs.public_key())), "{refused}");

        let mut bytes = signed(&good(), &ours).to_bytes().unwrap();
        let at = bytes.windows(3).position(|window| window == b"git").unwrap();
        bytes[at] = b'h';
        let changed = Certificate::from_bytes(&bytes).unwrap();
        let refused = check(&changed, [ours.public_key()].into_iter(), "hit.example.com", now).unwrap_err();
        assert_eq!(refused, "its signature is wrong");
    }
}
