//! The words for what goes wrong on the way to a session.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use russh::{ChannelOpenFailure, Error};

use super::purpose::Purpose;
use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::{KeyVersion, ResolvedKey, SshTarget};

/// `user@host:port`, with brackets around an IPv6 address; without a user when nobody is to log in.
pub(super) fn whereto(target: &SshTarget) -> String {
    let at = if target.user.is_empty() { "" } else { "@" };
    format!("{}{at}{}", target.user, place(target))
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn place(SshTarget { host, port, .. }: &SshTarget) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn name_lookup(target: &SshTarget, error: &io::Error) -> Failure {
    Failure::new(
        FailureClass::NameLookup,
        format!("the name {} could not be looked up: {error}", target.host),
        "check how the host is written, and that this machine's name service (DNS) answers",
    )
}

pub(super) fn connect(target: &SshTarget, attempts: &[(SocketAddr, io::Error)]) -> Failure {
    let all_timed_out = attempts.iter().all(|(_, error)| error.kind() == io::ErrorKind::TimedOut);
    let class = if all_timed_out { FailureClass::TimeOut } else { FailureClass::Connect };
    let each: Vec<String> = attempts.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    Failure::new(
        class,
        format!("no connection to {} port {} ({})", target.host, target.port, each.join("; ")),
        "check that the server runs and that no firewall stands between; it is tried again by itself",
    )
}

pub(super) fn login_timed_out(target: &SshTarget, limit: Duration) -> Failure {
    Failure::new(
        FailureClass::TimeOut,
        format!("{} accepted the connection but no login was done within {} s", whereto(target), limit.as_secs()),
        "check that an SSH server listens at that port and is not overloaded; it is tried again by itself",
    )
}

/// What russh says before a session stands.
pub(super) fn handshake(target: &SshTarget, error: &Error, last_words: Option<&str>) -> Failure {
    let host = whereto(target);
    let said = last_words.map(|words| format!(", saying: {words}")).unwrap_or_default();
    match error {
        Error::NoCommonAlgo { kind, ours, theirs } => Failure::new(
            FailureClass::Protocol,
            format!("{host} and this program share no {kind:?} algorithm (ours: {ours:?}; theirs: {theirs:?})"),
            "update the server, or allow one of our algorithms in its configuration",
        ),
        Error::Version => Failure::new(
            FailureClass::Protocol,
            format!("{host} does not speak SSH 2"),
            "check the port: something else may listen there",
        ),
        Error::Disconnect | Error::HUP | Error::IO(_) | Error::SendError | Error::RecvError => Failure::new(
            FailureClass::ConnectionLost,
            format!("{host} closed the connection before the login was done{said}"),
            "the server may limit connections or be restarting; it is tried again by itself",
        ),
        other => Failure::new(
            FailureClass::Protocol,
            format!("the SSH handshake with {host} failed: {other}{said}"),
            "if it stays so, report it together with the server's log",
        ),
    }
}

pub(super) fn authentication(
    (target, purpose): (&SshTarget, Purpose),
    key: &ResolvedKey,
    partial: bool,
    banner: Option<&str>,
) -> Failure {
    let said = banner.map(|words| format!(", saying: {words}")).unwrap_or_default();
    let what = if partial { "wants more than a key to let in" } else { "does not accept" };
    Failure::new(
        FailureClass::Authentication,
        format!("{} {what} the key {} ({}) as user {}{said}", target.host, key.name, key.fingerprint, target.user),
        purpose.add_key(&key.name, target),
    )
}

/// Both key pairs of a key that is being rotated were refused; `new` is the failure of the new one.
pub(super) fn neither_pair(new: Failure, version: &KeyVersion) -> Failure {
    let previous = version.previous.as_deref().unwrap_or_default();
    Failure { message: format!("{}; nor the key pair before ({previous})", new.message), ..new }
}

/// The new pair was refused, and the one before cannot be had; `new` is the failure of the new one.
pub(super) fn previous_unusable(new: Failure, version: &KeyVersion) -> Failure {
    let previous = version.previous.as_deref().unwrap_or_default();
    let message = format!("{}; and the key pair before ({previous}) cannot be opened to stand in for it", new.message);
    Failure { message, ..new }
}

/// That the key pair before logs in, since the new one is refused.
pub(super) fn stands_in(target: &SshTarget, purpose: Purpose, version: &KeyVersion) -> String {
    let (key, new, old) = (&target.key, &version.fingerprint, version.previous.as_deref().unwrap_or_default());
    format!(
        "{} does not accept the new public key of {key} ({new}) yet, so the key pair before ({old}) is used; {}",
        whereto(target),
        purpose.add_key(key, target)
    )
}

pub(super) fn no_previous(key: &KeyName) -> Failure {
    Failure::new(
        FailureClass::Key,
        format!("the key pair that {key} had before its rotation is not there any more"),
        "nothing to do: the new one is used from now on",
    )
}

pub(super) fn bad_key(key: &ResolvedKey, problem: &str) -> Failure {
    Failure::new(
        FailureClass::Key,
        format!("the key {} cannot be used: {problem}", key.name),
        "import it again, or generate a new one and add its public key wherever the old one is",
    )
}

pub(super) fn channel_refused(target: &SshTarget, reason: &ChannelOpenFailure, in_use: usize) -> Failure {
    Failure::new(
        FailureClass::ChannelRefused,
        format!("{} refuses another channel ({reason:?}) while {in_use} are open", whereto(target)),
        "on a server of your own, raise MaxSessions in sshd_config; it is tried again by itself",
    )
}

/// `by`, a host on the way, does not connect to what comes next.
pub(super) fn no_way(by: &SshTarget, to: &str, reason: &ChannelOpenFailure) -> Failure {
    let by = whereto(by);
    match reason {
        ChannelOpenFailure::AdministrativelyProhibited => Failure::new(
            FailureClass::ChannelRefused,
            format!("{by} does not allow connections to {to}"),
            "allow it there: AllowTcpForwarding (or AllowStreamLocalForwarding) and PermitOpen in sshd_config, permitopen= and \
             port-forwarding in authorized_keys",
        ),
        ChannelOpenFailure::ConnectFailed => Failure::new(
            FailureClass::Connect,
            format!("{by} cannot connect to {to}"),
            format!("check that {to} runs, that {by} knows it by that name, and that no firewall stands between them"),
        ),
        other => Failure::new(
            FailureClass::ChannelRefused,
            format!("{by} refuses a channel to {to} ({other:?})"),
            "see the log of the SSH server there",
        ),
    }
}

pub(super) fn no_way_in_time(by: &SshTarget, to: &str, limit: Duration) -> Failure {
    Failure::new(
        FailureClass::TimeOut,
        format!("{} did not connect to {to} within {} s", whereto(by), limit.as_secs()),
        "check that the target runs, and that no firewall between the two drops packets",
    )
}

pub(super) fn channel_timed_out(target: &SshTarget, limit: Duration) -> Failure {
    Failure::new(
        FailureClass::TimeOut,
        format!("{} did not open a channel within {} s", whereto(target), limit.as_secs()),
        "nothing to do: it is tried again by itself, over a new connection",
    )
}

pub(super) fn session_lost(target: &SshTarget) -> Failure {
    crate::ports::connection_lost(&format!("opening a channel to {}", whereto(target)))
}

pub(super) fn shutting_down() -> Failure {
    Failure::new(FailureClass::ConnectionLost, "the service is shutting down", "")
}

/// Adds what is known about the host from outside to a failure that it caused; who is not there for Git has no URL to change.
pub(super) fn with_hint((target, purpose): (&SshTarget, Purpose), mut failure: Failure) -> Failure {
    let moved = target.host.eq_ignore_ascii_case("bitbucket.org") && failure.class != FailureClass::Key;
    if moved {
        let instead = match purpose {
            Purpose::Git => "git@ssh.bitbucket.org:… in the URL",
            Purpose::Tunnel | Purpose::Shell | Purpose::HostSetup => "ssh.bitbucket.org as the host",
        };
        let hint = format!(
            "Bitbucket Cloud moves Git over SSH from bitbucket.org to ssh.bitbucket.org (announced for 2026-11-12): try \
             {instead}, and trust its host key by its fingerprint"
        );
        failure.remedy = if failure.remedy.is_empty() { hint } else { format!("{}; {hint}", failure.remedy) };
    }
    failure
}

/// Text from the other side, made fit for one line of a message.
pub(super) fn tame(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().filter(|c| !c.is_control()).take(300).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::KeyName;

    fn target(host: &str) -> SshTarget {
        SshTarget { host: host.into(), port: 22, user: "git".into(), key: KeyName::new("deploy").unwrap() }
    }

    #[test]
    fn what_fails_at_bitbucket_org_names_the_new_host() {
        let lost = || session_lost(&target("x"));
        let remedy = |purpose| with_hint((&target("Bitbucket.org"), purpose), lost()).remedy;
        assert!(remedy(Purpose::Git).contains("git@ssh.bitbucket.org:… in the URL"));
        for purpose in [Purpose::Tunnel, Purpose::Shell, Purpose::HostSetup] {
            let remedy = remedy(purpose);
            assert!(remedy.contains("try ssh.bitbucket.org as the host") && !remedy.contains("URL"), "{remedy}");
        }
        assert_eq!(with_hint((&target("ssh.bitbucket.org"), Purpose::Git), lost()), lost());
    }

    #[test]
    fn text_from_outside_is_one_short_line_without_control_characters() {
        assert_eq!(tame("a\r\n  b\u{1b}[31m\tc"), Some("a b[31m c".to_owned()));
        assert_eq!(tame(" \n "), None);
        assert_eq!(tame(&"x".repeat(1000)).map(|line| line.len()), Some(300));
    }
}
