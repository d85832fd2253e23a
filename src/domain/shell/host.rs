//! A host that commands run on.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::ShellName;
use crate::domain::KeyName;

/// A host that commands run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShellHost {
    /// What it is called here.
    pub name: ShellName,
    /// Host name or address, without brackets.
    pub address: String,
    /// TCP port.
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// The account there.
    pub user: String,
    /// The key to log in with.
    #[serde(deserialize_with = "key_name")]
    pub key: KeyName,
    /// What reads scripts there.
    #[serde(default)]
    pub shell: Shell,
}

/// What reads scripts on a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shell {
    /// The POSIX shell of the host.
    #[default]
    Sh,
    /// bash, without its start files.
    Bash,
    /// dash.
    Dash,
    /// zsh.
    Zsh,
    /// ksh.
    Ksh,
    /// The shell of busybox.
    Busybox,
    /// Windows PowerShell.
    Powershell,
    /// PowerShell 7 and later.
    Pwsh,
    /// cmd.exe: one line, without variables.
    Cmd,
}

/// Why a host is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The address.
    #[error("{0:?} is not an address; write `host`, `host:port` or `[IPv6]:port`")]
    Address(String),
    /// The user.
    #[error("{0:?} is not a user; give the account's name on that host, without spaces and not starting with `-`")]
    User(String),
    /// The shell.
    #[error("{0:?} is no shell that is known; use sh, bash, dash, zsh, ksh, busybox, powershell, pwsh or cmd")]
    Shell(String),
}

impl ShellHost {
    /// Whether address, port and user can be what they say.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn check(&self) -> Result<(), HostError> {
        if !is_host(&self.address) || self.port == 0 {
            return Err(HostError::Address(format!("{}:{}", self.address, self.port)));
        }
        let user = &self.user;
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if user.is_empty() || user.len() > 128 || user.starts_with('-') || user.contains(odd) {
            return Err(HostError::User(user.clone()));
        }
        Ok(())
    }

    /// `user@host:port`, for people.
    #[must_use]
    pub fn place(&self) -> String {
        let address = if self.address.contains(':') { format!("[{}]", self.address) } else { self.address.clone() };
        format!("{}@{address}:{}", self.user, self.port)
    }

    /// Splits `host`, `host:port`, `[host]:port` or an IPv6 address.
    ///
    /// # Errors
    /// [`HostError::Address`].
    pub fn split_address(text: &str) -> Result<(String, u16), HostError> {
        let wrong = || HostError::Address(text.to_owned());
        let port = |port: &str| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong);
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            match rest.split_once(']') {
                Some((host, "")) => (host, ssh_port()),
                Some((host, rest)) => (host, port(rest.strip_prefix(':').ok_or_else(wrong)?)?),
                None => return Err(wrong()),
            }
        } else if text.matches(':').count() == 1 {
            let (host, number) = text.split_once(':').ok_or_else(wrong)?;
            (host, port(number)?)
        } else {
            (text, ssh_port())
        };
        if is_host(host) { Ok((host.to_owned(), port)) } else { Err(wrong()) }
    }
}

impl Shell {
    /// What is run to read a script from standard input; `None` for cmd.exe, which gets its line as the command.
    #[must_use]
    pub const fn program(self) -> Option<&'static str> {
        Some(match self {
            Self::Sh => "exec sh",
            Self::Bash => "exec bash --norc",
            Self::Dash => "exec dash",
            Self::Zsh => "exec zsh",
            Self::Ksh => "exec ksh",
            Self::Busybox => "exec busybox sh",
            Self::Powershell => "powershell -NoLogo -NoProfile -NonInteractive -Command -",
            Self::Pwsh => "pwsh -NoLogo -NoProfile -NonInteractive -Command -",
            Self::Cmd => return None,
        })
    }

    /// Whether it is a PowerShell.
    #[must_use]
    pub const fn is_powershell(self) -> bool {
        matches!(self, Self::Powershell | Self::Pwsh)
    }
}

impl FromStr for Shell {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        serde_json::from_value(text.into()).map_err(|_| HostError::Shell(text.to_owned()))
    }
}

const fn ssh_port() -> u16 {
    22
}

fn is_host(host: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    !host.is_empty() && host.len() <= 255 && !host.starts_with('-') && host.chars().all(allowed)
}

fn key_name<'de, D: Deserializer<'de>>(input: D) -> Result<KeyName, D::Error> {
    KeyName::new(String::deserialize(input)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_split_or_refused() {
        for (text, host, port) in [
            ("web", "web", 22),
            ("web:2222", "web", 2222),
            ("[::1]:22", "::1", 22),
            ("::1", "::1", 22),
            ("[::1]", "::1", 22),
        ] {
            assert_eq!(ShellHost::split_address(text), Ok((host.to_owned(), port)), "{text}");
        }
        for text in ["", "-oProxyCommand=x", "web:0", "web:99999", "we b", "[::1", "[::1]x", "a@b"] {
            assert!(ShellHost::split_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_reads_back_as_it_was_written() {
        let text = r#"{"name":"web","address":"10.0.0.1","user":"dronahq","key":"k"}"#;
        let host: ShellHost = serde_json::from_str(text).unwrap();
        assert_eq!((host.port, host.shell, host.place().as_str()), (22, Shell::Sh, "dronahq@10.0.0.1:22"));
        assert!(host.check().is_ok());
        assert!(ShellHost { user: "-l".into(), ..host.clone() }.check().is_err());
        assert_eq!(serde_json::from_str::<ShellHost>(&serde_json::to_string(&host).unwrap()).unwrap(), host);
    }
}
