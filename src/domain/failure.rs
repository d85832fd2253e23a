//! What went wrong, in the same words everywhere: log, status, command line.

use std::fmt;

/// The class of a failure; it decides whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The host's name could not be resolved.
    NameLookup,
    /// No connection to the host and port.
    Connect,
    /// The other side did not answer in time.
    TimeOut,
    /// The host key is unknown, changed or revoked.
    HostKey,
    /// The server did not accept the credential.
    Authentication,
    /// The session is there, but the server refused a channel on it.
    ChannelRefused,
    /// The remote command ran and failed.
    RemoteCommand,
    /// The repository does not exist, or the credential may not see it.
    RepositoryAbsent,
    /// The branch does not exist.
    BranchAbsent,
    /// The remote refused the update: protected branch, hook, quota, read-only key.
    Refused,
    /// The connection was lost in the middle of an exchange.
    ConnectionLost,
    /// The other side broke the protocol, or speaks one that is not supported.
    Protocol,
    /// The disk here is full, read-only or not readable.
    Disk,
    /// The local repository is damaged: an object or a ref of it is missing or is not what it should be.
    Damaged,
    /// The key is not in the store, or cannot be unlocked.
    Key,
    /// A place of this machine cannot be listened on.
    Listen,
    /// There are as many already as may be.
    Limit,
    /// A defect or state of our own that should not be.
    Internal,
}

impl FailureClass {
    /// Whether trying again is pointless until a person changes something.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::HostKey | Self::Authentication | Self::Key)
    }

    /// The class as words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NameLookup => "name lookup",
            Self::Connect => "connect",
            Self::TimeOut => "time-out",
            Self::HostKey => "host key",
            Self::Authentication => "authentication",
            Self::ChannelRefused => "channel refused",
            Self::RemoteCommand => "remote command",
            Self::RepositoryAbsent => "repository absent",
            Self::BranchAbsent => "branch absent",
            Self::Refused => "refused by the remote",
            Self::ConnectionLost => "connection lost",
            Self::Protocol => "protocol",
            Self::Disk => "disk",
            Self::Damaged => "local repository damaged",
            Self::Key => "key",
            Self::Listen => "listen",
            Self::Limit => "limit",
            Self::Internal => "internal",
        }
    }
}

/// A failure with its class, what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub struct Failure {
    /// Decides the handling.
    pub class: FailureClass,
    /// What is wrong, one sentence without a final full stop, no secrets.
    pub message: String,
    /// What a person can do about it; empty when waiting is all there is.
    pub remedy: String,
}

impl Failure {
    /// A failure of `class` that says what is wrong and what to do.
    pub fn new(class: FailureClass, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { class, message: message.into(), remedy: remedy.into() }
    }

    /// A failure of our own: something that should not be, worth a bug report.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(FailureClass::Internal, message.to_string(), "please report this, with the log around it")
    }

    /// A failure of the disk here while `doing` something.
    #[must_use]
    pub fn disk(doing: impl fmt::Display, error: &std::io::Error) -> Self {
        let remedy = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                "free space on that file system; nothing is lost and work goes on by itself"
            }
            std::io::ErrorKind::PermissionDenied => "give the user that appferry runs as access to it",
            std::io::ErrorKind::ReadOnlyFilesystem => "mount it writable",
            _ => "check the file system; work goes on by itself once it answers",
        };
        Self::new(FailureClass::Disk, format!("{doing}: {error}"), remedy)
    }
}

/// What many remedies promise.
const AGAIN: &str = "it is tried again by itself";

impl Failure {
    /// The same, of something that nobody tries again by itself.
    #[must_use]
    pub fn of_one_try(self) -> Self {
        let whole = self.remedy.strip_prefix("nothing to do: ").unwrap_or(&self.remedy);
        let remedy = match whole.strip_prefix(AGAIN) {
            Some(rest) => format!("try again{rest}"),
            None => self.remedy.replace(AGAIN, "then try again"),
        };
        Self { remedy, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_tries_again_what_is_tried_once() {
        for (remedy, once) in [
            ("it is tried again by itself; check the network", "try again; check the network"),
            ("nothing to do: it is tried again by itself, over a new connection", "try again, over a new connection"),
            ("raise MaxSessions; it is tried again by itself", "raise MaxSessions; then try again"),
            ("nothing to do: the new one is used", "nothing to do: the new one is used"),
            ("", ""),
        ] {
            assert_eq!(Failure::new(FailureClass::Connect, "x", remedy).of_one_try().remedy, once);
        }
    }
}
