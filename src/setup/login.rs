//! Who logs in where: `user@host[:port]`.

use std::fmt;
use std::str::FromStr;

use crate::domain::{KeyName, RepoUrl};
use crate::ports::SshTarget;

/// The name of an account: a letter or `_`, then letters, digits, `_`, `-` and `.`; 1 to 32 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

/// An account on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: String,
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text names no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No name of an account.
    #[error("{0:?} is not a name for an account; use a letter, then letters, digits, `_`, `-` and `.`, 32 at most")]
    User(String),
    /// No `user@host`.
    #[error("{0:?} is not a login; give `user@host` or `user@host:port`")]
    Form(String),
}

impl UserName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Self, LoginError> {
        let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if first && rest && text.len() <= 32 && !text.ends_with('.') {
            Ok(Self(text.to_owned()))
        } else {
            Err(LoginError::User(text.to_owned()))
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Login {
    /// With a stored key, where a session goes.
    #[must_use]
    pub fn with_key(&self, key: &KeyName) -> SshTarget {
        SshTarget { host: self.host.clone(), port: self.port, user: self.user.clone(), key: key.clone() }
    }
}

impl FromStr for Login {
    type Err = LoginError;

    fn from_str(text: &str) -> Result<Self, LoginError> {
        let form = || LoginError::Form(text.to_owned());
        if !text.contains('@') || text.contains('/') {
            return Err(form());
        }
        match RepoUrl::parse(&format!("ssh://{text}/x")) {
            Ok(RepoUrl::Ssh { user, host, port, .. }) => Ok(Self { user, host, port }),
            _ => Err(form()),
        }
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port } = self;
        if host.contains(':') { write!(f, "{user}@[{host}]:{port}") } else { write!(f, "{user}@{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_and_where_it_is() {
        for (text, shown) in [
            ("dronahq@db.example.com", "dronahq@db.example.com:22"),
            ("root@127.0.0.1:2222", "root@127.0.0.1:2222"),
            ("a@[2001:db8::1]:22", "a@[2001:db8::1]:22"),
        ] {
            assert_eq!(text.parse::<Login>().unwrap().to_string(), shown);
        }
        for text in ["host", "@host", "a@", "a@h:0", "a@h/x", "a b@-h", "a:b@h"] {
            assert!(text.parse::<Login>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_that_a_script_could_trip_over_is_refused() {
        for text in ["dronahq", "_svc", "a.b-c_1"] {
            assert_eq!(text.parse::<UserName>().unwrap().as_str(), text);
        }
        for text in ["", "-x", "1a", "a b", "a'b", "a$b", "a\nb", "a:b", "ä", "a.", &"x".repeat(33)] {
            assert!(text.parse::<UserName>().is_err(), "{text:?}");
        }
    }
}
