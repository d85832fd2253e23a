//! What a login is for: the first word of its row in the audit log, and where its key is to be added.

use super::failures::whereto;
use crate::domain::KeyName;
use crate::ports::{SessionClass, SshTarget};

/// What a login is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Polls, fetches and pushes.
    Git,
    /// A tunnel's way to its target.
    Tunnel,
    /// Commands of people.
    Shell,
    /// Setting a server up, or checking one.
    HostSetup,
}

impl Purpose {
    /// As the audit log has it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Tunnel => "tunnel",
            Self::Shell => "shell",
            Self::HostSetup => "host setup",
        }
    }

    /// Of a session of a pool that is for this; people's commands are the same in each pool.
    pub(super) const fn of(self, class: SessionClass) -> Self {
        match class {
            SessionClass::Shell => Self::Shell,
            SessionClass::Control | SessionClass::Bulk => self,
        }
    }

    /// What to do where the key is not let in.
    pub(super) fn add_key(self, key: &KeyName, target: &SshTarget) -> String {
        if self == Self::Git {
            return format!("add the public key of {key} {}", page_of_git_host(target));
        }
        let SshTarget { host, user, .. } = target;
        format!(
            "append the line that `appferry keys public {key}` prints to ~{user}/.ssh/authorized_keys on {host} \
             (`appferry host setup` makes a script for that), and check that {user} is the account that is meant"
        )
    }
}

/// The page or file of a Git host that takes a public key, with what the provider makes special.
fn page_of_git_host(target: &SshTarget) -> String {
    let host = target.host.to_lowercase();
    match host.as_str() {
        "github.com" | "ssh.github.com" => {
            "on GitHub, at the repository's Settings > Deploy keys, with write access allowed".to_owned()
        }
        "gitlab.com" => {
            "on GitLab, at the project's Settings > Repository > Deploy keys, with write permissions granted".to_owned()
        }
        "bitbucket.org" | "ssh.bitbucket.org" => "on Bitbucket, at Personal settings > SSH keys of the account that \
                pushes (a repository's access keys can only read)"
            .to_owned(),
        "ssh.dev.azure.com" | "vs-ssh.visualstudio.com" => {
            "on Azure DevOps, at User settings > SSH public keys (it takes RSA keys only)".to_owned()
        }
        "codeberg.org" => {
            "on Codeberg, at the repository's Settings > Deploy keys, with write access enabled".to_owned()
        }
        name if name.starts_with("git-codecommit.") => {
            "in AWS IAM, at the user's Security credentials > SSH public keys for CodeCommit, and use that SSH key ID \
             as the URL's user"
                .to_owned()
        }
        _ => format!(
            "on {host}: at the repository's deploy keys (with write access), or in ~{}/.ssh/authorized_keys of a plain \
             server",
            target.user
        ),
    }
}

/// `git git@host:22`, for the audit log.
pub(super) fn in_audit(purpose: Purpose, target: &SshTarget) -> String {
    format!("{} {}", purpose.words(), whereto(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str) -> SshTarget {
        SshTarget { host: host.into(), port: 22, user: "git".into(), key: KeyName::new("deploy").unwrap() }
    }

    #[test]
    fn a_refused_key_names_the_page_of_its_provider() {
        for (host, page) in [
            ("GitHub.com", "Deploy keys"),
            ("gitlab.com", "Deploy keys"),
            ("bitbucket.org", "Personal settings"),
            ("ssh.dev.azure.com", "SSH public keys"),
            ("git-codecommit.eu-west-1.amazonaws.com", "AWS IAM"),
            ("git.example.com", "~git/.ssh/authorized_keys"),
        ] {
            let target = target(host);
            assert!(Purpose::Git.add_key(&target.key, &target).contains(page), "{host}");
        }
    }

    #[test]
    fn a_server_that_is_no_git_host_is_not_told_of_repositories() {
        let target = target("github.com");
        for purpose in [Purpose::Tunnel, Purpose::Shell, Purpose::HostSetup] {
            let words = purpose.add_key(&target.key, &target);
            assert!(words.contains("~git/.ssh/authorized_keys on github.com"), "{words}");
            assert!(words.contains("`appferry keys public deploy`") && !words.contains("repository"), "{words}");
        }
    }

    #[test]
    fn commands_of_people_are_for_a_shell_in_every_pool() {
        assert_eq!(Purpose::Git.of(SessionClass::Shell), Purpose::Shell);
        assert_eq!(Purpose::HostSetup.of(SessionClass::Control), Purpose::HostSetup);
        assert_eq!(in_audit(Purpose::Git.of(SessionClass::Bulk), &target("h")), "git git@h:22");
    }
}
