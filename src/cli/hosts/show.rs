//! Host keys, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::Address;
use crate::cli::output::{plain, table};
use crate::ports::TrustedHostKey;
use crate::ssh::{KnownKey, KnownPrint, ScannedKey, Source, Standing, Trusted};

/// A key that a server shows.
#[derive(Debug, Serialize)]
pub(super) struct Scanned {
    #[serde(rename = "type")]
    kind: String,
    fingerprint: String,
    known_hosts_line: String,
    #[serde(flatten)]
    standing: Standing,
}

pub(super) fn scanned(shown: &[ScannedKey], standings: &[Standing]) -> Vec<Scanned> {
    let one = |(key, standing): (&ScannedKey, &Standing)| Scanned {
        kind: key.kind.clone(),
        fingerprint: key.fingerprint.clone(),
        known_hosts_line: key.line.clone(),
        standing: standing.clone(),
    };
    shown.iter().zip(standings).map(one).collect()
}

pub(super) fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

pub(super) fn list(known: &[KnownKey]) -> String {
    let header = ["HOST", "TYPE", "FINGERPRINT", "IS", "BY"].map(str::to_owned);
    let row = |key: &KnownKey| {
        let who = plain(key.source.to_string().trim_start_matches("trusted by "));
        [plain(&key.host), key.kind.clone(), key.fingerprint.clone(), key.meaning.to_owned(), who]
    };
    table(&std::iter::once(header).chain(known.iter().map(row)).collect::<Vec<_>>())
}

pub(super) fn scan(host: &Address, scanned: &[Scanned]) -> String {
    let rows: Vec<_> =
        scanned.iter().map(|key| [key.kind.clone(), key.fingerprint.clone(), words(&key.standing)]).collect();
    let mut text = format!("{host} shows:\n{}", table(&rows));
    let find = |wanted: fn(&Standing) -> bool| scanned.iter().find(|key| wanted(&key.standing));
    let changed = find(|standing| matches!(standing, Standing::Changed { .. }));
    // One trusted key is enough: the others are never asked for.
    let unknown = match find(|standing| matches!(standing, Standing::Trusted(_))) {
        Some(_) => None,
        None => find(|standing| *standing == Standing::Unknown),
    };
    if let Some(key) = changed.or(unknown) {
        let replace = if changed.is_some() { " --replace" } else { "" };
        let _infallible = write!(
            text,
            "Compare the fingerprints with what the server's owner publishes; then trust one or more of them:\n  \
             appferry hosts trust {host} --fingerprint {}{replace}\n",
            key.fingerprint
        );
    }
    text
}

fn words(standing: &Standing) -> String {
    match standing {
        Standing::Trusted(source @ Source::Store { .. }) => plain(&source.to_string()),
        Standing::Trusted(source) => plain(&format!("trusted: {source}")),
        Standing::Changed { known } => format!("CHANGED: known is {}", prints(known)),
        Standing::Unknown => "not trusted".to_owned(),
        Standing::Revoked => "REVOKED: never trusted".to_owned(),
    }
}

fn prints(known: &[KnownPrint]) -> String {
    let one = |known: &KnownPrint| plain(&format!("{} ({})", known.fingerprint, known.source));
    known.iter().map(one).collect::<Vec<_>>().join(" and ")
}

pub(super) fn trusted(host: &Address, trusted: &[Trusted]) -> String {
    trusted.iter().map(|key| one_trusted(host, key)).collect()
}

fn one_trusted(host: &Address, key: &Trusted) -> String {
    let Trusted { kind, fingerprint, already, replaced, beside } = key;
    let mut text = match already {
        Some(source) => format!("{host} already had {kind} {fingerprint} ({})\n", plain(&source.to_string())),
        None => format!("{host} is trusted with {kind} {fingerprint}\n"),
    };
    for old in replaced {
        let _infallible = writeln!(text, "  in place of {old}, which is refused from now on");
    }
    if !beside.is_empty() {
        let _infallible = writeln!(
            text,
            "  note: still trusted beside it: {}; take it out there, or mark it @revoked in the file of APPFERRY_KNOWN_HOSTS",
            prints(beside)
        );
    }
    text
}

pub(super) fn forgotten(host: &Address, forgotten: &[TrustedHostKey], left: &[KnownPrint]) -> String {
    let mut text = String::new();
    for TrustedHostKey { kind, fingerprint, .. } in forgotten {
        let _infallible = writeln!(text, "{host} is no longer trusted with {kind} {fingerprint}");
    }
    if !left.is_empty() {
        let _infallible = writeln!(text, "  note: still trusted: {}", prints(left));
    }
    text
}

pub(super) fn nothing_forgotten(host: &Address, left: &[KnownPrint]) -> String {
    let left = if left.is_empty() { "nothing".to_owned() } else { prints(left) };
    format!("nobody has trusted such a key of {host}; what is trusted: {left}. `appferry hosts list` shows all")
}
