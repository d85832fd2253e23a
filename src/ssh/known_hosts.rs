//! The lines of a `known_hosts` file (the file format that sshd(8) describes).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{HashAlg, PublicKey};

use super::host_pattern::HostPattern;

/// The SHA-256 fingerprint, `SHA256:…`.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// The key as it stands in a line: `ssh-ed25519 AAAA…`.
pub(super) fn key_words(key: &PublicKey) -> String {
    let key = PublicKey::new(key.key_data().clone(), "").to_openssh().unwrap_or_default();
    key.trim_end().to_owned()
}

/// What a line says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// The hosts have this key.
    Trusted,
    /// No host may show this key (`@revoked`).
    Revoked,
    /// The key signs host certificates (`@cert-authority`).
    Authority,
}

/// One line that holds a key.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) marker: Marker,
    pub(super) hosts: HostPattern,
    pub(super) key: PublicKey,
}

/// Reads all lines. Those that are damaged are left out and come back as their numbers, each with what is wrong.
pub(super) fn parse(text: &str) -> (Vec<Line>, Vec<(usize, &'static str)>) {
    let mut lines = Vec::new();
    let mut damaged = Vec::new();
    for (number, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match parse_line(number, text) {
            Ok(line) => lines.push(line),
            Err(problem) => damaged.push((number, problem)),
        }
    }
    (lines, damaged)
}

fn parse_line(number: usize, text: &str) -> Result<Line, &'static str> {
    let mut words = text.split_ascii_whitespace().peekable();
    let marker = match words.next_if(|word| word.starts_with('@')) {
        None => Marker::Trusted,
        Some("@revoked") => Marker::Revoked,
        Some("@cert-authority") => Marker::Authority,
        Some(_) => return Err("its marker is unknown"),
    };
    let hosts = HostPattern::parse(words.next().ok_or("it is empty")?)?;
    let kind = words.next().ok_or("the key is missing")?;
    let blob = STANDARD.decode(words.next().ok_or("the key is missing")?).map_err(|_| "the key is not base64")?;
    let key = russh::keys::key::parse_public_key(&blob).map_err(|_| "the key is damaged or of an unknown type")?;
    if key.algorithm().as_str() != kind {
        return Err("the key is not of the type that stands before it");
    }
    Ok(Line { number, marker, hosts, key })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn reads_keys_markers_and_comments() {
        let text = format!("# ours\n\na.example {KEY} a comment\r\n  @revoked * {KEY}\n@cert-authority *.b {KEY}\n");
        let (lines, damaged) = parse(&text);
        assert_eq!(damaged, []);
        let seen: Vec<_> = lines.iter().map(|line| (line.number, line.marker)).collect();
        assert_eq!(seen, [(3, Marker::Trusted), (4, Marker::Revoked), (5, Marker::Authority)]);
        assert_eq!(fingerprint(&lines[0].key), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }

    #[test]
    fn damaged_lines_are_named_and_the_others_stand() {
        let cut = KEY.get(..60).unwrap();
        let text = format!(
            "a {cut}\nb\nc ssh-ed25519\nd ssh-rsa {}\n@what e {KEY}\nf ssh-ed25519 %%\ng {KEY}",
            KEY.split(' ').nth(1).unwrap()
        );
        let (lines, damaged) = parse(&text);
        assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [7]);
        assert_eq!(damaged.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_keys_that_ship_are_all_readable() {
        let (lines, damaged) = parse(include_str!("known_hosts"));
        assert_eq!(damaged, []);
        assert_eq!(lines.len(), 16);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\PC|\n){0,200}") {
            parse(&text);
        }

        #[test]
        fn no_change_of_a_good_line_panics(at in 0usize..100, byte in "\\PC") {
            let mut text = format!("[a.example]:2222,b {KEY}");
            if text.is_char_boundary(at.min(text.len())) {
                text.insert_str(at.min(text.len()), &byte);
            }
            parse(&text);
        }
    }
}
