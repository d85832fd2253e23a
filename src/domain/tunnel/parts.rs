//! The ends and the hops of a tunnel, as people write them.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::domain::KeyName;

/// The longest path of a Unix socket that Linux takes.
const LONGEST_SOCKET: usize = 107;

/// A socket that we listen on is made under another name of so many bytes beside its own, and then moved.
const NAME_WHILE_MADE: usize = 8;

/// Where a tunnel listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    /// A loopback address; port 0 is any free one.
    Tcp(SocketAddr),
    /// A socket of mode 0600 at this absolute path.
    Unix(PathBuf),
}

/// A host on the way, and the account there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hop {
    /// The account.
    pub user: String,
    /// Name or address, without brackets.
    pub host: String,
    /// 22 when nothing else is said.
    pub port: u16,
    /// The key that logs in there, when it is not the tunnel's.
    pub key: Option<KeyName>,
}

/// Where a tunnel ends, as the bastion sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A host and a port.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a Unix socket there.
    Unix(String),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            let folder = text.rfind('/').map_or(0, |last| last + 1);
            return if text.ends_with('/') || text.chars().any(char::is_control) {
                Err(format!("{text:?} is no path of a socket; write one such as `/run/appferry/db.sock`"))
            } else if text.len().max(folder + NAME_WHILE_MADE) <= LONGEST_SOCKET {
                Ok(Self::Unix(text.into()))
            } else {
                Err(format!(
                    "the path {text:?} is too long for a socket; give it at most {LONGEST_SOCKET} bytes, and its folder at most {}",
                    LONGEST_SOCKET - NAME_WHILE_MADE
                ))
            };
        }
        let numeric =
            text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
        let address: SocketAddr = numeric.parse().map_err(|_| {
            format!("{text:?} is no place to listen; write `127.0.0.1:PORT` (0 for any free port), `[::1]:PORT`, or the path of a Unix socket from `/` on")
        })?;
        if address.ip().is_loopback() {
            Ok(Self::Tcp(address))
        } else {
            Err(format!(
                "{address} lets other machines into the tunnel; listen on 127.0.0.1, on [::1] or on a Unix socket"
            ))
        }
    }
}

impl Listen {
    /// Whether any free port will do.
    #[must_use]
    pub fn is_any_port(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.port() == 0)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl FromStr for Hop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{:?} is no SSH host; write `user@host` or `user@host:port`", without_password(text));
        let (place, key) = match text.split_once("?key=") {
            Some((place, key)) => (place, Some(KeyName::new(key).map_err(|error| error.to_string())?)),
            None => (text, None),
        };
        let (user, host) = place.rsplit_once('@').ok_or_else(wrong)?;
        let plain_user = |c: char| c.is_ascii_graphic() && !matches!(c, '@' | ':' | '/');
        if user.is_empty() || user.starts_with('-') || !user.chars().all(plain_user) {
            return Err(wrong());
        }
        let (host, port) = host_and_port(host, Some(22)).ok_or_else(wrong)?;
        Ok(Self { user: user.to_owned(), host, port, key })
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, joined(&self.host, self.port))?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "?key={key}"))
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            // A detour could lead out of what APPFERRY_TUNNELS_ALLOWED says.
            let is_straight = text.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
            return if is_straight && text.len() <= LONGEST_SOCKET && !text.chars().any(char::is_control) {
                Ok(Self::Unix(text.to_owned()))
            } else {
                Err(format!(
                    "{text:?} is no path of a socket; write at most {LONGEST_SOCKET} bytes, without `//`, `.` and `..`"
                ))
            };
        }
        let found = host_and_port(text, None);
        found.map(|(host, port)| Self::Tcp { host, port }).ok_or_else(|| {
            format!(
                "{text:?} is no target; write `host:port` as the bastion knows it, or the path of a Unix socket there"
            )
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => f.write_str(&joined(host, *port)),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// As it was written, but for what stands between `:` and the last `@`: somebody may have written a password there.
fn without_password(text: &str) -> String {
    match text.rsplit_once('@').and_then(|(account, host)| Some((account.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{user}:…@{host}"),
        None => text.to_owned(),
    }
}

/// `host:port`, `[address]:port`, or only a host where there is a port to fall back to.
fn host_and_port(text: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or_else(|| after.is_empty().then_some(""))?)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || host.starts_with('-') || !host.chars().all(plain) {
        return None;
    }
    let port = if port.is_empty() && !text.ends_with(':') {
        default?
    } else {
        // Reading a number, Rust takes a `+`, too.
        port.parse().ok().filter(|number| *number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()))?
    };
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_comes_back_in_one_form() {
        for (given, shown) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:5", "127.0.0.1:5"),
            ("[::1]:7", "[::1]:7"),
            ("/run/a", "/run/a"),
        ] {
            assert_eq!(given.parse::<Listen>().map(|listen| listen.to_string()), Ok(shown.to_owned()), "{given}");
        }
        for (given, shown) in [("u@Host", "u@host:22"), ("u@[::1]:2", "u@[::1]:2"), ("u@h:3?key=K", "u@h:3?key=K")] {
            assert_eq!(given.parse::<Hop>().map(|hop| hop.to_string()), Ok(shown.to_owned()), "{given}");
        }
        for (given, shown) in
            [("db.internal:5432", "db.internal:5432"), ("[fe80::1]:1", "[fe80::1]:1"), ("/run/x.sock", "/run/x.sock")]
        {
            assert_eq!(given.parse::<Endpoint>().map(|end| end.to_string()), Ok(shown.to_owned()), "{given}");
        }
    }

    #[test]
    fn a_password_that_was_written_where_none_belongs_is_not_repeated() {
        for given in ["me:secret@host", "ssh://me:secret@host", "me:se:cret@secret@host:22", "me:secret@h?key=-"] {
            let said = given.parse::<Hop>().unwrap_err();
            assert!(!said.contains("cret"), "{said}");
        }
        assert!("me:secret@host".parse::<Hop>().unwrap_err().starts_with("\"me:…@host\" is no SSH host"));
    }

    #[test]
    fn what_would_be_dangerous_or_is_half_is_refused() {
        for given in ["0.0.0.0:1", "192.0.2.1:5", "5432", "tmp/x", "", "/", "/run/", "/run/a\nb"] {
            assert!(given.parse::<Listen>().is_err(), "{given}");
        }
        for given in ["host", "-o@host", "u@-host", "u@h:0", "u@h:x", "u@h:+22", "u@h:", "u@", "u@h?key=-"] {
            assert!(given.parse::<Hop>().is_err(), "{given}");
        }
        for given in [
            "db",
            "db:",
            "db:0",
            "db:+80",
            "db:70000",
            "d b:1",
            "-x:1",
            "/run/../etc/x",
            "/run//x",
            "/run/./x",
            "/run/",
        ] {
            assert!(given.parse::<Endpoint>().is_err(), "{given}");
        }
    }
}
