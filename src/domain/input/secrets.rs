//! Secrets in files: private keys, keys of clouds, tokens. Found by how they begin, and believed only if what follows can be one.

use std::sync::LazyLock;

use memchr::memmem::Finder;

mod blocks;
mod rules;

use rules::{RULES, Rule, Shape};

/// A secret in a file. It knows where, and never what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What it is, with its article: `an AWS access key`.
    pub what: &'static str,
    /// Where it begins.
    pub start: usize,
    /// Where it ends; for a key block the end of its first line of key material.
    pub end: usize,
}

/// Compiled once: the search runs over every file that is committed.
static FINDERS: LazyLock<Vec<(Finder<'static>, &'static Rule)>> =
    LazyLock::new(|| RULES.iter().map(|rule| (Finder::new(rule.begins), rule)).collect());

/// The secrets in a file, in their order.
#[must_use]
pub fn find(bytes: &[u8]) -> Vec<Secret> {
    let mut found = Vec::new();
    for (finder, rule) in FINDERS.iter() {
        for start in finder.find_iter(bytes) {
            let (before, rest) = bytes.split_at_checked(start).unwrap_or_default();
            if let Some(length) = rule.length(before, rest) {
                found.push(Secret { what: rule.what, start, end: start + length });
            }
        }
    }
    found.sort_by_key(|secret| secret.start);
    found
}

/// The number of the line that `at` lies in, from 1.
#[must_use]
pub fn line(bytes: &[u8], at: usize) -> usize {
    1 + memchr::memchr_iter(b'\n', bytes.get(..at).unwrap_or_default()).count()
}

/// Whether a file holds exactly this secret of another one, wherever.
#[must_use]
pub fn holds(bytes: &[u8], secret: &Secret, of: &[u8]) -> bool {
    of.get(secret.start..secret.end).is_some_and(|needle| Finder::new(needle).find(bytes).is_some())
}

impl Rule {
    /// The length of the secret at the start of `rest`, if it is one.
    fn length(&self, before: &[u8], rest: &[u8]) -> Option<usize> {
        let begins = self.begins.len();
        match self.shape {
            Shape::Block => blocks::pem(rest),
            Shape::Putty => blocks::putty(rest),
            Shape::Tail { letters, least, most } => {
                if !is_at_boundary(before) {
                    return None;
                }
                let tail = rest.get(begins..)?;
                let length = tail.iter().take_while(|byte| letters.take(**byte)).count();
                let believable = (least..=most).contains(&length) && !is_placeholder(tail.get(..length)?);
                believable.then_some(begins + length)
            }
        }
    }
}

/// Whether a token may begin here: not in the middle of a word. `\n` in a JSON text is the end of one.
fn is_at_boundary(before: &[u8]) -> bool {
    match before {
        [] | [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., last] => !(last.is_ascii_alphanumeric() || matches!(last, b'_' | b'-')),
    }
}

/// What stands in documentation in the place of a secret.
fn is_placeholder(tail: &[u8]) -> bool {
    const WORDS: [&[u8]; 7] =
        [b"EXAMPLE", b"PLACEHOLDER", b"CHANGEME", b"DUMMY", b"XXXX", b"0000000000", b"1234567890"];
    // The key of the Azure storage emulator, which is the same everywhere.
    const EMULATOR: &[u8] = b"EBY8VDM02XNOCQFLQUWJPLLMETLC";
    let capitals = tail.to_ascii_uppercase();
    let within = |word: &[u8]| capitals.windows(word.len()).any(|window| window == word);
    blocks::distinct(tail) < 6 || WORDS.into_iter().any(within) || within(EMULATOR)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Secrets are put together here, so that no search for secrets stops at this file.
    fn token(begins: &str, length: usize) -> String {
        let tail = "aB3dE5gH7jK9mN2pQ4sT6vW8yZ".chars().cycle().take(length);
        begins.chars().chain(tail).collect()
    }

    fn key(label: &str, newline: &str) -> String {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        format!("-----BEGIN {label}-----{newline}{line}{newline}{line}{newline}-----END {label}-----{newline}")
    }

    fn found(text: &str) -> Vec<&'static str> {
        find(text.as_bytes()).into_iter().map(|secret| secret.what).collect()
    }

    #[test]
    fn private_keys_are_found_also_inside_json() {
        for label in
            ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]
        {
            for newline in ["\n", "\r\n", "\\n"] {
                assert_eq!(found(&format!("x\n{{\"k\": \"{}\"}}", key(label, newline))), ["a private key"], "{label}");
            }
        }
        let with_header = key("RSA PRIVATE KEY", "\n").replacen(
            "-----\n",
            "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\n",
            1,
        );
        assert_eq!(found(&with_header), ["a private key"]);
        let putty =
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 1\nAAAAIBcd\n";
        assert_eq!(found(putty), ["a PuTTY private key"]);
    }

    #[test]
    fn what_only_speaks_of_keys_is_none() {
        let public = key("PUBLIC KEY", "\n") + &key("CERTIFICATE", "\n");
        assert!(found(&public).is_empty());
        assert!(
            found("if (text.startsWith('-----BEGIN PRIVATE KEY-----')) { return text.replace(/-----END/, ''); }")
                .is_empty()
        );
        assert!(found("-----BEGIN PRIVATE KEY-----\nyour key here\n-----END PRIVATE KEY-----\n").is_empty());
        assert!(found("-----BEGIN PRIVATE KEY-----\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n").is_empty());
        assert!(found("PuTTY-User-Key-File-3: is how they begin").is_empty());
    }

    #[test]
    fn tokens_are_found_by_their_form() {
        let upper = |begins: &str| token(begins, 16).to_uppercase();
        for (text, what) in [
            (upper("AKIA"), "an AWS access key"),
            (upper("ASIA"), "an AWS access key"),
            (token("AccountKey=", 86) + "==", "an Azure storage key"),
            (token("ghp_", 36), "a GitHub token"),
            (token("gho_", 36), "a GitHub token"),
            (token("github_pat_", 82), "a GitHub token"),
            (token("glpat-", 20), "a GitLab token"),
            (token("xoxb-", 40), "a Slack token"),
            (token("sk_live_", 24), "a Stripe key"),
        ] {
            assert_eq!(found(&format!("{{\"token\": \"{text}\"}}")), [what], "{what}");
            assert_eq!(found(&format!("a={text};b")), [what], "{what}");
            assert_eq!(found(&format!("\"a\\n{text}\\nb\"")), [what], "{what}");
            assert!(found(&format!("word{text}")).is_empty(), "{what} inside a word");
        }
    }

    #[test]
    fn examples_and_placeholders_are_allowed() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAXXXXXXXXXXXXXXXX",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk_live_...",
            "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
            "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;",
            "AccountKey={{azure.key}}",
            "xoxb-your-token-here",
        ] {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_secret_says_its_line_and_is_known_again_in_another_version() {
        let old = format!("first\nsecond = {}\n", token("ghp_", 36));
        let secret = find(old.as_bytes()).remove(0);
        assert_eq!(line(old.as_bytes(), secret.start), 2);
        let moved = format!("new first\n{old}");
        let there = find(moved.as_bytes()).remove(0);
        assert!(holds(old.as_bytes(), &there, moved.as_bytes()));
        assert!(!holds(b"nothing", &there, moved.as_bytes()));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_much(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..40) {
            let begins = RULES[at % RULES.len()].begins;
            let text = [&bytes[..bytes.len() / 2], begins, &bytes[bytes.len() / 2..]].concat();
            for secret in find(&text) {
                prop_assert!(secret.start < secret.end && secret.end <= text.len());
            }
        }
    }
}
