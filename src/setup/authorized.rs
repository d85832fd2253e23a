//! Lines of `authorized_keys`, as sshd reads them (`AUTHORIZED_KEYS FILE FORMAT` in sshd(8)).

use std::fmt;

use super::narrow::{self, Destination};

/// sshd before 9.0 cuts longer lines off; a key takes up to 1.5 KiB of it.
const LONGEST: usize = 4096;

/// Nobody listens there, and no plain account may: with this, a key that may forward to a target opens no port on the server.
const LISTENS_NOWHERE: &str = "localhost:1";

/// What narrows a key. Always begins with `restrict`; what is allowed on top is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOptions {
    permit_open: Vec<Destination>,
    port_forwarding: bool,
    without_listening: bool,
    from: Vec<String>,
    command: Option<String>,
    expires: Option<String>,
}

/// Why an option cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No `host:port`.
    #[error("{0:?} is no target of a tunnel; give `host:port` or `[IPv6]:port`, with `*` for any port")]
    Destination(String),
    /// No pattern of `from=`.
    #[error(
        "{pattern:?} is nothing that a key can come from: {problem}; give an address, a range such as `10.0.0.0/8`, or a name"
    )]
    From {
        /// As given.
        pattern: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A list that only excludes.
    #[error("a list of origins that only excludes lets nobody in; add what is allowed, such as `*`")]
    OnlyExcludes,
    /// No time.
    #[error("{0:?} is no end; give a day such as `2027-01-31`, or `2027-01-31T12:00`, with `Z` behind it for UTC")]
    Expiry(String),
    /// Nothing, or what no line of the file can hold.
    #[error("the command {0}; write a script on the server and name it here")]
    Command(&'static str),
    /// Too much for one line.
    #[error("the options of the key are longer than {LONGEST} bytes, which older servers cut off; use fewer")]
    Long,
}

impl KeyOptions {
    /// Nothing but commands: no forwarding, no terminal, no agent.
    #[must_use]
    pub fn commands_only() -> Self {
        Self::default()
    }

    /// Tunnels to this target are allowed, and to no other that is not named, too.
    #[must_use]
    pub fn permitting(mut self, destination: Destination) -> Self {
        self.permit_open.push(destination);
        self
    }

    /// Tunnels are allowed; without a target of [`permitting`](Self::permitting), to anywhere.
    #[must_use]
    pub fn forwarding(self, allowed: bool) -> Self {
        Self { port_forwarding: allowed, ..self }
    }

    /// Leaves out the option that keeps the key from opening ports on the server: `OpenSSH` before 7.8 refuses a line that has it.
    #[must_use]
    pub fn for_old_servers(self) -> Self {
        Self { without_listening: true, ..self }
    }

    /// The key counts only when it comes from one of these.
    ///
    /// # Errors
    /// [`OptionError::From`], [`OptionError::OnlyExcludes`].
    pub fn from(self, patterns: &[String]) -> Result<Self, OptionError> {
        let patterns: Vec<String> =
            patterns.iter().flat_map(|list| list.split(',')).map(|pattern| pattern.trim().to_owned()).collect();
        patterns.iter().try_for_each(|pattern| narrow::from_pattern(pattern))?;
        if !patterns.is_empty() && patterns.iter().all(|pattern| pattern.starts_with('!')) {
            return Err(OptionError::OnlyExcludes);
        }
        Ok(Self { from: patterns, ..self })
    }

    /// Whatever is asked for, this command runs.
    ///
    /// # Errors
    /// [`OptionError::Command`].
    pub fn command(self, command: &str) -> Result<Self, OptionError> {
        if command.trim().is_empty() {
            return Err(OptionError::Command("is empty"));
        }
        if command.chars().any(char::is_control) {
            return Err(OptionError::Command("holds a line break or another control character, which no key line can"));
        }
        if command.ends_with('\\') {
            return Err(OptionError::Command(
                "ends with a backslash, which sshd takes for a part of the closing quote",
            ));
        }
        Ok(Self { command: Some(command.to_owned()), ..self })
    }

    /// The key counts until then: a day begins at 0:00, in the server's own time unless `Z` stands behind it.
    ///
    /// # Errors
    /// [`OptionError::Expiry`].
    pub fn expires(self, end: &str) -> Result<Self, OptionError> {
        Ok(Self { expires: Some(narrow::expiry(end)?), ..self })
    }

    /// Whether all of it fits into a line that every sshd reads.
    ///
    /// # Errors
    /// [`OptionError::Long`].
    pub fn checked(self) -> Result<Self, OptionError> {
        if self.to_string().len() > LONGEST { Err(OptionError::Long) } else { Ok(self) }
    }

    /// Whether tunnels are allowed.
    #[must_use]
    pub fn forwards(&self) -> bool {
        self.port_forwarding || !self.permit_open.is_empty()
    }
}

impl fmt::Display for KeyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("restrict")?;
        if self.forwards() {
            f.write_str(",port-forwarding")?;
        }
        for destination in &self.permit_open {
            write!(f, ",permitopen={}", Quoted(&destination.to_string()))?;
        }
        if self.forwards() && !self.without_listening {
            write!(f, ",permitlisten={}", Quoted(LISTENS_NOWHERE))?;
        }
        if !self.from.is_empty() {
            write!(f, ",from={}", Quoted(&self.from.join(",")))?;
        }
        if let Some(command) = &self.command {
            write!(f, ",command={}", Quoted(command))?;
        }
        if let Some(end) = &self.expires {
            write!(f, ",expiry-time={}", Quoted(end))?;
        }
        Ok(())
    }
}

/// In quotes as sshd reads them: `\"` is a quote, every other backslash is itself.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\\\""))
    }
}

/// A line of the file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLine {
    options: Vec<(String, Option<String>)>,
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
        Some(Self { options: read_options(options)?, blob: blob.to_owned() })
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
        let mut listed = self.all("permitopen").filter_map(|text| text.parse::<Destination>().ok()).peekable();
        let is_listed = |known: Destination| {
            known.host() == destination.host() && (known.port().is_none() || known.port() == destination.port())
        };
        forwards && (listed.peek().is_none() || listed.any(is_listed))
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
    fn every_option_is_written_as_the_manual_has_it() {
        let all = KeyOptions::commands_only()
            .permitting(to("db:5432"))
            .permitting(to("[::1]:*"))
            .from(&["10.0.0.0/8".into(), "!10.1.0.0/16, *.example.com".into()])
            .and_then(|options| options.command(r#"echo "a b" c\d"#))
            .and_then(|options| options.expires("2027-01-31"))
            .unwrap();
        assert_eq!(
            all.to_string(),
            "restrict,port-forwarding,permitopen=\"db:5432\",permitopen=\"[::1]:*\",permitlisten=\"localhost:1\",\
             from=\"10.0.0.0/8,!10.1.0.0/16,*.example.com\",command=\"echo \\\"a b\\\" c\\d\",expiry-time=\"20270131\""
        );
        assert_eq!(KeyOptions::commands_only().to_string(), "restrict");
        let anywhere = KeyOptions::commands_only().forwarding(true).for_old_servers();
        assert_eq!(anywhere.to_string(), "restrict,port-forwarding");
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        let command = |text: &str| KeyOptions::commands_only().command(text).is_err();
        assert!(
            command("") && command(" ") && command("a\nb") && command("a\0b") && command("a\r") && command("a\u{7f}")
        );
        assert!(command("ends with \\") && !command("a \\ b") && !command(r#"a \" b"#));
        assert_eq!(KeyOptions::commands_only().from(&["!a".into()]), Err(OptionError::OnlyExcludes));
        assert!(KeyOptions::commands_only().command(&"x".repeat(5000)).unwrap().checked().is_err());
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
        fn whatever_command_is_taken_is_read_back_byte_for_byte(command in "[ -~äé]{0,40}") {
            if let Ok(options) = KeyOptions::commands_only().permitting(to("db:1")).command(&command) {
                let line = KeyLine::read(&format!("{options} ssh-ed25519 AAAA appferry:Key")).unwrap();
                prop_assert_eq!(line.option("command"), Some(command.as_str()));
                prop_assert_eq!(line.option("permitlisten"), Some("localhost:1"));
                prop_assert_eq!(line.blob, "AAAA");
            }
        }

        #[test]
        fn no_line_panics(line in "\\PC{0,60}") {
            let _ = KeyLine::read(&line);
        }
    }
}
