//! The names field of a `known_hosts` line (the file format that sshd(8) describes).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// How a host is called in `known_hosts`: `host` at port 22, `[host]:port` elsewhere.
pub(super) fn spec(host: &str, port: u16) -> String {
    let host = plain_name(host);
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// The name in the one form in which names are compared: in lower case, and without the dot that ends a name that is
/// complete.
pub(super) fn plain_name(host: &str) -> String {
    let host = host.to_lowercase();
    match host.strip_suffix('.') {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => host,
    }
}

/// Which hosts a line speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HostPattern {
    /// Patterns with `*` and `?`, in lower case; those that exclude are marked.
    Names(Vec<Name>),
    /// One name as HMAC-SHA1 under a salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// One pattern of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pattern: String,
    excludes: bool,
}

impl HostPattern {
    /// Reads the field; the error says what is wrong with it.
    pub(super) fn parse(field: &str) -> Result<Self, &'static str> {
        if let Some(rest) = field.strip_prefix("|1|") {
            return Self::parse_hashed(rest);
        }
        if field.starts_with('|') {
            return Err("its hashed name is of an unknown kind");
        }
        let name = |text: &str| {
            let (excludes, pattern) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
            Name { pattern: pattern.to_lowercase(), excludes }
        };
        let names: Vec<Name> = field.split(',').map(name).filter(|name| !name.pattern.is_empty()).collect();
        if names.is_empty() { Err("it names no host") } else { Ok(Self::Names(names)) }
    }

    fn parse_hashed(rest: &str) -> Result<Self, &'static str> {
        let (salt, hash) = rest.split_once('|').ok_or("its hashed name is cut off")?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| "its hashed name is not base64");
        Ok(Self::Hashed { salt: decode(salt)?, hash: decode(hash)? })
    }

    /// The names as they stand in the file; a hashed one is not known.
    pub(super) fn words(&self) -> String {
        let Self::Names(names) = self else { return "(hashed name)".to_owned() };
        let shown = |name: &Name| format!("{}{}", if name.excludes { "!" } else { "" }, name.pattern);
        names.iter().map(shown).collect::<Vec<_>>().join(",")
    }

    /// Whether the line speaks of the host called `spec` (see [`spec`]).
    pub(super) fn matches(&self, spec: &str) -> bool {
        match self {
            Self::Names(names) => {
                let mut hits = names.iter().filter(|name| glob(&name.pattern, spec)).peekable();
                hits.peek().is_some() && hits.all(|name| !name.excludes)
            }
            Self::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(spec.as_bytes()).verify_slice(hash).is_ok()),
        }
    }
}

/// Matches `*` and `?`. Goes back to the last `*` only, so hostile patterns cost no more than length times length.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, t));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hits(field: &str, host: &str, port: u16) -> bool {
        HostPattern::parse(field).unwrap().matches(&spec(host, port))
    }

    #[test]
    fn names_match_without_regard_to_case_and_only_at_their_port() {
        assert!(hits("GitHub.com", "github.COM", 22));
        assert!(!hits("github.com", "github.com", 443));
        assert!(hits("[git.example.com]:2222", "git.example.com", 2222));
        assert!(!hits("[git.example.com]:2222", "git.example.com", 22));
        assert!(hits("a.example,b.example", "b.example", 22));
        assert!(hits("github.com", "GitHub.com.", 22));
        assert_eq!(HostPattern::parse("A.example,!b.*").unwrap().words(), "a.example,!b.*");
    }

    #[test]
    fn wildcards_match_and_an_exclusion_beats_them() {
        assert!(hits("*.example.com", "git.example.com", 22));
        assert!(!hits("*.example.com", "example.com", 22));
        assert!(hits("git?.example.com", "git1.example.com", 22));
        assert!(!hits("*.example.com,!git.example.com", "git.example.com", 22));
        assert!(!hits("!git.example.com,*.example.com", "git.example.com", 22));
        assert!(!hits("!other.example.com", "git.example.com", 22));
        assert!(hits("[*.example.com]:2222", "git.example.com", 2222));
    }

    #[test]
    fn hashed_names_match_as_ssh_keygen_writes_them() {
        // ssh-keygen -H over `git.example.com` and over `[git.example.com]:2222`
        let salt = STANDARD.encode([7; 20]);
        for (host, port) in [("git.example.com", 22), ("git.example.com", 2222)] {
            let mac = Hmac::<Sha1>::new_from_slice(&[7; 20]).unwrap().chain_update(spec(host, port).as_bytes());
            let field = format!("|1|{salt}|{}", STANDARD.encode(mac.finalize().into_bytes()));
            assert!(hits(&field, "Git.Example.com", port));
            assert!(!hits(&field, "git.example.org", port));
        }
    }

    #[test]
    fn damaged_fields_are_refused_with_the_reason() {
        for field in ["|1|", "|1|x", "|1|!|!", "|2|a|b", ",", "!"] {
            assert!(HostPattern::parse(field).is_err(), "{field}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_and_a_name_matches_itself(field in "\\PC{0,40}", host in "[a-z0-9.-]{1,30}", port: u16) {
            if let Ok(pattern) = HostPattern::parse(&field) {
                pattern.matches(&spec(&host, port));
            }
            prop_assert!(HostPattern::parse(&spec(&host, port)).unwrap().matches(&spec(&host, port)));
        }
    }
}
