//! What is shown of keys.

use crate::cli::output;
use crate::keys::{KeyRecord, PairRecord};

const COLUMNS: usize = 8;

pub(super) fn table(keys: &[KeyRecord]) -> String {
    if keys.is_empty() {
        return "The key store is empty. Make a key with: appferry keys generate NAME\n".to_owned();
    }
    let header =
        ["NAME", "SOURCE", "TYPE", "BITS", "FINGERPRINT", "CREATED", "LAST USED", "USED BY"].map(str::to_owned);
    let rows: Vec<[String; COLUMNS]> = std::iter::once(header).chain(keys.iter().map(row)).collect();
    output::table(&rows)
}

fn row(key: &KeyRecord) -> [String; COLUMNS] {
    [
        key.name.to_string(),
        key.source.to_owned(),
        key.pair.kind.clone(),
        key.pair.bits.to_string(),
        key.pair.fingerprint.clone(),
        key.created.clone().unwrap_or_else(|| "-".to_owned()),
        key.last_used.as_ref().map_or_else(|| "never".to_owned(), |used| used.at.clone()),
        used_by(key),
    ]
}

pub(super) fn details(key: &KeyRecord) -> String {
    let last_used = key.last_used.as_ref();
    let last_used = last_used.map_or_else(|| "never".to_owned(), |used| format!("{}, {}", used.at, used.purpose));
    let mut lines = vec![("Name", key.name.to_string()), ("Source", key.source.to_owned())];
    lines.extend(pair_lines(&key.pair));
    lines.extend([
        ("Created", key.created.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("Last used", last_used),
        ("Used by", used_by(key)),
        ("Generation", key.pair.generation.to_string()),
    ]);
    if let Some(previous) = &key.previous {
        lines.push(("Rotation", rotation(&key.pair)));
        lines.push(("Previous", format!("{}, {} bits, {}", previous.kind, previous.bits, previous.fingerprint)));
    }
    lines.into_iter().fold(String::new(), |text, (label, value)| format!("{text}{label:<12} {value}\n"))
}

fn pair_lines(pair: &PairRecord) -> [(&'static str, String); 4] {
    [
        ("Type", format!("{}, {} bits", pair.kind, pair.bits)),
        ("Fingerprint", pair.fingerprint.clone()),
        ("Public key", pair.public_key.clone()),
        ("Passphrase", pair.passphrase.words().to_owned()),
    ]
}

/// How far a rotation has come.
fn rotation(new: &PairRecord) -> String {
    match &new.first_login {
        None => "under way: no login with the new key yet; the previous one is used until then".to_owned(),
        Some(at) => format!(
            "under way: first login with the new key at {at}; the previous one is dropped when all that uses the key was seen to work"
        ),
    }
}

fn used_by(key: &KeyRecord) -> String {
    if key.used_by.is_empty() { "nothing".to_owned() } else { key.used_by.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::KeyName;
    use crate::keys::{LastUse, PassphraseState};

    fn key(name: &str) -> KeyRecord {
        KeyRecord {
            name: KeyName::new(name).unwrap(),
            source: "store",
            pair: PairRecord {
                generation: 1,
                kind: "ed25519".into(),
                bits: 256,
                fingerprint: "SHA256:abc".into(),
                public_key: format!("ssh-ed25519 AAAA {name}"),
                passphrase: PassphraseState::None,
                first_login: None,
            },
            created: Some("2026-01-02T03:04:05Z".into()),
            last_used: None,
            used_by: Vec::new(),
            previous: None,
        }
    }

    #[test]
    fn the_table_is_aligned() {
        let used = LastUse { at: "2026-02-02T03:04:05Z".into(), purpose: "git git@host:22".into() };
        let long =
            KeyRecord { last_used: Some(used), used_by: vec!["environment of prod".into()], ..key("a-longer-name") };
        insta::assert_snapshot!(table(&[key("a"), long.clone()]), @"
        NAME           SOURCE  TYPE     BITS  FINGERPRINT  CREATED               LAST USED             USED BY
        a              store   ed25519  256   SHA256:abc   2026-01-02T03:04:05Z  never                 nothing
        a-longer-name  store   ed25519  256   SHA256:abc   2026-01-02T03:04:05Z  2026-02-02T03:04:05Z  environment of prod
        ");
        insta::assert_snapshot!(details(&long), @"
        Name         a-longer-name
        Source       store
        Type         ed25519, 256 bits
        Fingerprint  SHA256:abc
        Public key   ssh-ed25519 AAAA a-longer-name
        Passphrase   none
        Created      2026-01-02T03:04:05Z
        Last used    2026-02-02T03:04:05Z, git git@host:22
        Used by      environment of prod
        Generation   1
        ");
    }

    #[test]
    fn an_empty_store_says_so() {
        assert!(table(&[]).starts_with("The key store is empty."));
    }
}
