//! How people name a server: its name with or without a port, or the URL of a repository on it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::domain::RepoUrl;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Why a text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum AddressError {
    #[error("{0:?} has no SSH host key; give a host, `host:port`, `git@host:path` or `ssh://…`")]
    NoSsh(String),
    #[error(
        "{0:?} is not a host: {1}; give a host, `host:port`, `git@host:path` or `ssh://…` (names in other scripts as `xn--…`)"
    )]
    Form(String, &'static str),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let plain = if text.contains('/') { None } else { Some(RepoUrl::parse(&as_url(text))) };
        let url = match plain {
            Some(Ok(url)) => Ok(url),
            // A URL may stand without its path here.
            _ if text.contains("://") => RepoUrl::parse(text).or_else(|_| RepoUrl::parse(&format!("{text}/x"))),
            Some(Err(error)) if !text.contains('@') => Err(error),
            _ => RepoUrl::parse(text),
        };
        match url.map_err(|error| AddressError::Form(error.shown.trim_end_matches("/x").to_owned(), error.problem))? {
            RepoUrl::Ssh { host, port, .. } => Ok(Self { host, port }),
            RepoUrl::Https { .. } | RepoUrl::Path(_) => Err(AddressError::NoSsh(text.to_owned())),
        }
    }
}

/// `host`, `host:port`, `[host]:port` as in `known_hosts`, or an IPv6 address, as a URL.
fn as_url(text: &str) -> String {
    if text.parse::<Ipv6Addr>().is_ok() {
        return format!("ssh://[{text}]/x");
    }
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, port)) if !name.contains(':') => format!("ssh://{name}{port}/x"),
        _ => format!("ssh://{text}/x"),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_server_is_understood_in_every_form_that_people_have_at_hand() {
        for (text, host, port) in [
            ("GitHub.com", "github.com", 22),
            ("git.example.com.", "git.example.com.", 22),
            ("git.example.com:2222", "git.example.com", 2222),
            ("[git.example.com]:2222", "git.example.com", 2222),
            ("127.0.0.1:2222", "127.0.0.1", 2222),
            ("::1", "::1", 22),
            ("[::1]", "::1", 22),
            ("[0:0::1]:2222", "::1", 2222),
            ("git@github.com:team/apps.git", "github.com", 22),
            ("git@github.com:apps.git", "github.com", 22),
            ("git@[git.example.com:2222]:apps.git", "git.example.com", 2222),
            ("git.example.com:team/apps.git", "git.example.com", 22),
            ("git@github.com", "github.com", 22),
            ("ssh://git@git.example.com:7999/proj/apps.git", "git.example.com", 7999),
            ("ssh://git@git.example.com:7999", "git.example.com", 7999),
            ("ssh://git.example.com", "git.example.com", 22),
            (" xn--mnchen-3ya.example ", "xn--mnchen-3ya.example", 22),
        ] {
            assert_eq!(text.parse(), Ok(Address { host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn what_names_no_ssh_server_is_refused_with_the_forms() {
        for text in
            ["", "-oProxyCommand=x", "host:0", "host:99999", "münchen.example", "a b", "ssh://", "user@", "@host"]
        {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("`host:port`"), "{text}: {error}");
        }
        for text in ["https://github.com/team/apps.git", "/srv/apps.git"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::NoSsh(text.into())));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_shown_is_understood_again(text in r"(ssh://|git@|)[\[\]a-zA-Z0-9:.-]{0,20}(:[0-9]{0,5})?(/?[a-z]{0,3})|\PC{0,30}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
            }
        }
    }
}
