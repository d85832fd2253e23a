//! A line of `authorized_keys`, read as sshd reads it.

use super::narrow::Destination;

/// A line of the file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine {
    options: Vec<(String, Option<String>)>,
    /// The type of the key: `ssh-ed25519`.
    pub kind: String,
    /// The key in base64.
    pub blob: String,
}

impl KeyLine {
    /// Reads a line; `None` for one that sshd passes over: empty, a comment, or with quotes that do not end.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let line = line.trim_start_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (options, key) = if is_key_type(first_word(line)) { ("", line) } else { split_options(line)? };
        let mut words = key.split_ascii_whitespace();
        let (kind, blob) = (words.next()?, words.next()?);
        is_key_type(kind).then_some(())?;
        Some(Self { options: read_options(options)?, kind: kind.to_owned(), blob: blob.to_owned() })
    }

    /// The names of the options, as they are written.
    pub fn options(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(|(name, _)| name.as_str())
    }

    /// The algorithms that a key of this type can sign by.
    pub fn signs_by(&self) -> impl Iterator<Item = &str> {
        let of_rsa = ["rsa-sha2-512", "rsa-sha2-256"].into_iter().filter(|_| self.kind == "ssh-rsa");
        of_rsa.chain([self.kind.as_str()])
    }

    /// The value of an option, its name in any case; `Some("")` for one without a value.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let found = self.options.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(found.1.as_deref().unwrap_or_default())
    }

    /// The values of an option that may stand more than once.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.options.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name));
        named.filter_map(|(_, value)| value.as_deref())
    }

    /// Whether the line lets a tunnel to this target through.
    #[must_use]
    pub fn permits(&self, destination: &Destination) -> bool {
        let forwards = (self.option("restrict").is_none() && self.option("no-port-forwarding").is_none())
            || self.option("port-forwarding").is_some();
        let mut listed = self.all("permitopen").filter_map(|text| Destination::listed(text).ok()).peekable();
        forwards && (listed.peek().is_none() || listed.any(|known| known.covers(destination)))
    }
}

fn first_word(text: &str) -> &str {
    text.split([' ', '\t']).next().unwrap_or_default()
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"].iter().any(|start| word.starts_with(start))
}

/// The options, and what stands after the blank that ends them: one outside of quotes.
fn split_options(line: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut before) = (false, ' ');
    for (at, c) in line.char_indices() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            ' ' | '\t' if !quoted => return Some((line.get(..at)?, line.get(at..)?.trim_start_matches([' ', '\t']))),
            _ => {}
        }
        before = c;
    }
    None
}

fn read_options(mut rest: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut options = Vec::new();
    while !rest.is_empty() {
        let end = rest.find([',', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        let value = if let Some(quoted) = after.strip_prefix('=') {
            let (value, left) = dequote(quoted)?;
            rest = left;
            Some(value)
        } else {
            rest = after;
            None
        };
        options.push((name.to_owned(), value));
        rest = match rest.strip_prefix(',') {
            Some(next) => next,
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(options)
}

fn dequote(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = inside.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                value.push('"');
                chars.next();
            }
            '"' => return Some((value, inside.get(at + 1..)?)),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn to(text: &str) -> Destination {
        text.parse().unwrap()
    }

    #[test]
    fn a_line_says_what_it_permits() {
        let line =
            KeyLine::read("restrict,port-forwarding,permitopen=\"db:5432\",permitopen=\"web:*\" ssh-ed25519 AAAA x")
                .unwrap();
        assert!(line.permits(&to("db:5432")) && line.permits(&to("web:80")) && !line.permits(&to("db:22")));
        let restricted = KeyLine::read("restrict ssh-ed25519 AAAA").unwrap();
        assert!(!restricted.permits(&to("db:5432")));
        assert!(KeyLine::read("ssh-rsa AAAA c").unwrap().permits(&to("db:1")));
        assert_eq!(KeyLine::read("command=\"a, b\" ssh-rsa AAAA c").unwrap().option("Command"), Some("a, b"));
        for passed_over in ["", "  # x", "command=\"a ssh-rsa AAAA", "command=a ssh-rsa AAAA", "nonsense"] {
            assert_eq!(KeyLine::read(passed_over), None, "{passed_over}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC{0,60}") {
            let _ = KeyLine::read(&line);
        }
    }
}
