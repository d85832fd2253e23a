//! The address of a repository, in every form that people write.

use std::fmt;
use std::path::PathBuf;

use super::failure::{Failure, FailureClass};

mod parse;

/// The address of a repository. It holds no secret, and nothing in it can be taken for an option or a shell word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RepoUrl {
    /// `user@host:path` or `ssh://[user@]host[:port]/path`.
    Ssh {
        /// The account; `git` when the URL names none.
        user: String,
        /// Name or address, without brackets, in lower case.
        host: String,
        /// 22 when the URL names none.
        port: u16,
        /// The path exactly as the server shall get it: `team/apps.git`, `/srv/apps.git`, `~user/apps.git`.
        path: String,
    },
    /// `https://host[:port]/path`, without user or password.
    Https {
        /// The whole URL.
        url: String,
    },
    /// `file:///path`, or a plain path.
    Path(PathBuf),
}

/// Why a text is not the address of a repository.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a repository URL: {problem}")]
pub struct RepoUrlError {
    /// The text as given, without a password.
    pub shown: String,
    /// What is wrong, and what to write instead.
    pub problem: &'static str,
}

impl RepoUrl {
    /// Reads `text` as Git does, but refuses what could be taken for an option, and what holds a password.
    ///
    /// The forms are those of git-clone(1), "GIT URLS"; as there, `ssh://` and `file://` URLs are percent-decoded and
    /// `/~user` is sent as `~user`.
    ///
    /// # Errors
    /// [`RepoUrlError`] says what is wrong and what to write instead, and never shows a password.
    pub fn parse(text: &str) -> Result<Self, RepoUrlError> {
        parse::parse(text).map_err(|problem| RepoUrlError { shown: parse::without_secret(text), problem })
    }
}

impl From<RepoUrlError> for Failure {
    fn from(error: RepoUrlError) -> Self {
        Self::new(FailureClass::RepositoryAbsent, error.to_string(), "correct the URL")
    }
}

/// The form that parses to the same address again.
impl fmt::Display for RepoUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh { user, host, port, path } if path.starts_with('/') => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                let port = if *port == 22 { String::new() } else { format!(":{port}") };
                write!(f, "ssh://{user}@{host}{port}{}", path.replace('%', "%25").replace(' ', "%20"))
            }
            // A path below the account's home on another port has no `ssh://` form, but this one (see connect.c of Git).
            Self::Ssh { user, host, port, path } => match (host.contains(':'), *port) {
                (false, 22) => write!(f, "{user}@{host}:{path}"),
                (true, 22) => write!(f, "{user}@[{host}]:{path}"),
                (false, port) => write!(f, "{user}@[{host}:{port}]:{path}"),
                (true, port) => write!(f, "{user}@[[{host}]:{port}]:{path}"),
            },
            Self::Https { url } => f.write_str(url),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ssh(user: &str, host: &str, port: u16, path: &str) -> RepoUrl {
        RepoUrl::Ssh { user: user.into(), host: host.into(), port, path: path.into() }
    }

    #[test]
    fn reads_the_ssh_addresses_that_providers_give() {
        let cases = [
            ("git@github.com:team/apps.git", ssh("git", "github.com", 22, "team/apps.git")),
            ("org-123@github.com:team/apps.git", ssh("org-123", "github.com", 22, "team/apps.git")),
            ("github.com:team/apps", ssh("git", "github.com", 22, "team/apps")),
            (
                "git@ssh.dev.azure.com:v3/org/My Project/repo",
                ssh("git", "ssh.dev.azure.com", 22, "v3/org/My Project/repo"),
            ),
            (
                "ssh://git@ssh.dev.azure.com/v3/org/My%20Project/repo",
                ssh("git", "ssh.dev.azure.com", 22, "/v3/org/My Project/repo"),
            ),
            (
                "ssh://APKAEXAMPLE@git-codecommit.eu-west-1.amazonaws.com/v1/repos/apps",
                ssh("APKAEXAMPLE", "git-codecommit.eu-west-1.amazonaws.com", 22, "/v1/repos/apps"),
            ),
            ("ssh://git@git.corp.example:7999/~jo/apps.git", ssh("git", "git.corp.example", 7999, "~jo/apps.git")),
            ("ssh://git@bitbucket.corp:7999/proj/apps.git", ssh("git", "bitbucket.corp", 7999, "/proj/apps.git")),
            ("ssh://[::1]:2222/srv/apps.git", ssh("git", "::1", 2222, "/srv/apps.git")),
            ("git@[::1]:apps.git", ssh("git", "::1", 22, "apps.git")),
            ("git@[example.org:2222]:apps.git", ssh("git", "example.org", 2222, "apps.git")),
            ("host:/srv/apps.git", ssh("git", "host", 22, "/srv/apps.git")),
            ("host:/~jo/apps.git", ssh("git", "host", 22, "~jo/apps.git")),
            ("jo@corp.example@host:apps.git", ssh("jo@corp.example", "host", 22, "apps.git")),
            ("SSH://Git@GitHub.com/a/b", ssh("Git", "github.com", 22, "/a/b")),
        ];
        for (text, expected) in cases {
            assert_eq!(RepoUrl::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn reads_https_and_paths() {
        let https = |url: &str| Ok(RepoUrl::Https { url: url.into() });
        assert_eq!(
            RepoUrl::parse("https://jo@dev.azure.com/o/p/_git/r"),
            https("https://dev.azure.com/o/p/_git/r"),
            "the user name that Azure puts there is not needed"
        );
        assert_eq!(RepoUrl::parse("HTTPS://Git.Example:8443/a.git"), https("https://git.example:8443/a.git"));
        assert_eq!(RepoUrl::parse("http://127.0.0.1:80/a.git"), https("http://127.0.0.1:80/a.git"));
        assert_eq!(RepoUrl::parse("http://[::1]:3000/a.git"), https("http://[::1]:3000/a.git"));
        assert_eq!(RepoUrl::parse("file:///srv/my%20apps.git"), Ok(RepoUrl::Path("/srv/my apps.git".into())));
        assert_eq!(RepoUrl::parse("/srv/apps.git"), Ok(RepoUrl::Path("/srv/apps.git".into())));
    }

    #[test]
    fn refuses_what_an_option_a_command_or_nothing_could_hide_in() {
        for text in [
            "",
            " ",
            "-",
            "-oProxyCommand=x:y",
            "git@-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "ssh://git@-x/y",
            "-u@host:path",
            "ssh://-u@host/path",
            "host:-path",
            "host:",
            "@host:path",
            "git@:path",
            "ssh://host",
            "ssh://host/",
            "ssh:///path",
            "ssh://host:/x",
            "ssh://host:0/x",
            "ssh://host:99999/x",
            "ssh://git@host/a%0ab",
            "ssh://git@host/%2e%ff",
            "ssh://git@host/%zz",
            "git@host:a\nb",
            "ext::sh -c id",
            "codecommit::eu-west-1://apps",
            "git://host/x",
            "ftp://host/x",
            "http://example.org/a",
            "https://host",
            "https:///x",
            "https://host/a?b",
            "https://host/a#b",
            "https://host/a b",
            "https://-host/a",
            "apps.git",
            "./apps.git",
            "~/apps.git",
            "github.com/team/apps",
            "file://host/x",
            "file://relative",
            "/a\0b",
            "ho st:path",
            "us`er@host:path",
            "git@[:::1]:x",
            "git@[::1:x",
            "git@ho$t:x",
            "/",
            "https://host:/x",
        ] {
            assert!(RepoUrl::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_with_a_hint_and_never_shown() {
        for text in [
            "https://jo:s3cret@host/a.git",
            "https://ghp_s3cret@github.com/a.git",
            "https://s3cretaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@github.com/a.git",
            "https://jo:s3/cret@host/a.git",
            "ssh://git:s3cret@host/a.git",
            "git:s3cret@host:a.git",
            "ftp://jo:s3cret@host/a",
            "https://jo:s3c@ret@ho st/a",
        ] {
            let error = RepoUrl::parse(text).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("s3c"), "{error}");
        }
        let error = RepoUrl::parse("https://jo:s3cret@host/a.git").expect_err("a password");
        assert!(error.problem.contains("GIT_SYNC_PERSONAL_ACCESS_TOKEN"), "{error}");
    }

    proptest! {
        #[test]
        fn what_was_parsed_is_shown_in_a_form_that_parses_to_the_same(
            text in r"(ssh://|https://|file://|)([a-z~@-]{0,4}@)?(\[::1\]|[a-zA-Z.]{1,5}|\[h:22\])?(:[0-9]{0,3})?[/:]?[ -~é]{0,12}"
        ) {
            if let Ok(url) = RepoUrl::parse(&text) {
                prop_assert_eq!(RepoUrl::parse(&url.to_string()), Ok(url));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            if let Ok(url) = RepoUrl::parse(&text) {
                prop_assert_eq!(RepoUrl::parse(&url.to_string()), Ok(url));
            }
        }
    }
}
