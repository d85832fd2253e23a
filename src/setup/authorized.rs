//! What narrows a key, written as sshd reads it (`AUTHORIZED_KEYS FILE FORMAT` in sshd(8)).

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
    /// In the past.
    #[error("{0} is over already, so that the key would never count; give a later end")]
    Over(String),
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
    /// [`OptionError::Expiry`], [`OptionError::Over`].
    pub fn expires(self, end: &str) -> Result<Self, OptionError> {
        let written = narrow::expiry(end)?;
        if narrow::is_over(&written, jiff::Timestamp::now()) {
            return Err(OptionError::Over(end.to_owned()));
        }
        Ok(Self { expires: Some(written), ..self })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::setup::key_line::KeyLine;

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
    }
}
