//! What goes wrong on the wire, and its translation into failures that say what to do.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

use super::words;
use crate::domain::{Failure, FailureClass};
use crate::ports::{ProcessEnd, connection_lost};

/// An exchange that did not go as the protocol says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The stream ended before the answer did.
    #[error("the answer ended in the middle")]
    Ended,
    /// Nothing came, or nothing was taken, for this long.
    #[error("nothing moved for {0:?}")]
    Stalled(Duration),
    /// The stream broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A length that the pkt-line format does not know.
    #[error("{0:?} is not the length of a packet")]
    Length(String),
    /// A payload that does not fit a packet.
    #[error("{0} bytes do not fit one packet")]
    TooLong(usize),
    /// An `ERR` packet or a fatal side-band message: the server's own words.
    #[error("{0}")]
    Server(String),
    /// Something that the protocol does not foresee here.
    #[error("{0}")]
    Unexpected(String),
    /// The repository names its objects by SHA-256.
    #[error("object-format=sha256")]
    Sha256,
    /// It failed on our side of the wire.
    #[error("{0}")]
    Ours(Failure),
}

impl From<Failure> for WireError {
    fn from(failure: Failure) -> Self {
        Self::Ours(failure)
    }
}

/// What was asked of the remote; refusals mean different things for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// `git-upload-pack`.
    Read,
    /// `git-receive-pack`.
    Write,
}

impl Asking {
    /// The service's name on the wire.
    pub(crate) const fn service(self) -> &'static str {
        match self {
            Self::Read => "git-upload-pack",
            Self::Write => "git-receive-pack",
        }
    }

    const fn doing(self) -> &'static str {
        match self {
            Self::Read => "reading the branch",
            Self::Write => "pushing",
        }
    }
}

/// Turns an error of the exchange, and how the remote command ended, into one failure. The server's words win.
pub(crate) fn explain(error: WireError, asking: Asking, end: &ProcessEnd) -> Failure {
    if let WireError::Ours(failure) = error {
        return failure;
    }
    if matches!(error, WireError::Sha256) {
        return sha256();
    }
    let mut said = end.stderr.clone();
    if let WireError::Server(words) = &error {
        said.extend_from_slice(b"\n");
        said.extend_from_slice(words.as_bytes());
    }
    let said = words::clean(&said);
    if let Some(failure) = refusal(asking, &said, end.exit_status) {
        return failure;
    }
    match error {
        WireError::Stalled(limit) => stalled(asking, limit),
        _ if end.connection_lost => connection_lost(asking.doing()),
        WireError::Ended | WireError::Io(_) if said.is_empty() && end.exit_status.unwrap_or(0) == 0 => {
            connection_lost(asking.doing())
        }
        WireError::Server(_) | WireError::Ended | WireError::Io(_) => command_failed(asking, &said, end),
        WireError::Length(_)
        | WireError::TooLong(_)
        | WireError::Unexpected(_)
        | WireError::Sha256
        | WireError::Ours(_) => broken_protocol(asking, &error, &said),
    }
}

/// The failure that the server's words mean, if they are known.
pub(crate) fn refusal(asking: Asking, said: &str, exit_status: Option<u32>) -> Option<Failure> {
    let lower = said.to_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    if exit_status == Some(127)
        || any(&["command not found", "git-upload-pack: not found", "git-receive-pack: not found"])
    {
        let message = format!("the server has no {}: {said}", asking.service());
        return Some(Failure::new(FailureClass::RemoteCommand, message, "install git on the server"));
    }
    if any(&["dubious ownership"]) {
        let remedy = "on the server, make the account of the URL own the repository, or add it to `safe.directory`";
        return Some(Failure::new(
            FailureClass::RemoteCommand,
            format!("the server refuses to open the repository: {said}"),
            remedy,
        ));
    }
    let denied = any(&[
        "read only",
        "read-only",
        "permission denied",
        "denied to",
        "denied by", // gitolite
        "not allowed",
        "insufficient permission",
        "write access",
        "access denied",
        "unauthorized",
        "forbidden",
    ]);
    if denied && asking == Asking::Write {
        return Some(no_write_access(said));
    }
    let absent = any(&[
        "not found",
        "does not appear to be a git repository",
        "could not be found",
        "does not exist",
        "no such ",
    ]);
    if absent || denied {
        return Some(repository_absent(said));
    }
    None
}

/// The credential may read, but not write.
pub(crate) fn no_write_access(said: &str) -> Failure {
    let remedy = "give the credential write access: a deploy key with `Allow write access`, or an account that may push to this repository";
    Failure::new(FailureClass::Refused, format!("the remote does not let this credential push: {said}"), remedy)
}

/// The repository is not there for this credential.
pub(crate) fn repository_absent(said: &str) -> Failure {
    let remedy = "check the URL's spelling, and that the key or token was given access to this repository";
    Failure::new(
        FailureClass::RepositoryAbsent,
        format!("the remote has no such repository, or hides it from this credential: {said}"),
        remedy,
    )
}

/// The repository is of a kind that libgit2 and this protocol client do not speak.
pub(crate) fn sha256() -> Failure {
    let remedy = "use a repository made with `git init --object-format=sha1` (the default)";
    Failure::new(FailureClass::Protocol, "the repository is of object-format=sha256, which is not supported", remedy)
}

/// Nothing moved for too long.
pub(crate) fn stalled(asking: Asking, limit: Duration) -> Failure {
    let message = format!("the remote did not go on for {} s while {}", limit.as_secs(), asking.doing());
    Failure::new(
        FailureClass::TimeOut,
        message,
        "it is tried again by itself; check the network and the server if it stays",
    )
}

fn command_failed(asking: Asking, said: &str, end: &ProcessEnd) -> Failure {
    let how = match (&end.signal, end.exit_status) {
        (Some(signal), _) => format!("was ended by SIG{signal}"),
        (None, Some(status)) => format!("ended with status {status}"),
        (None, None) => "failed".to_owned(),
    };
    let words = if said.is_empty() { "it gave no reason".to_owned() } else { format!("it said: {said}") };
    let message = format!("{} on the server {how}; {words}", asking.service());
    Failure::new(FailureClass::RemoteCommand, message, "look at these words, and at the server's log")
}

fn broken_protocol(asking: Asking, error: &WireError, said: &str) -> Failure {
    let also = if said.is_empty() { String::new() } else { format!(" (it also said: {said})") };
    // It may quote what the server sent.
    let error = words::clean(error.to_string().as_bytes());
    let message = format!("the server's answer to {} is not Git's protocol: {error}{also}", asking.service());
    let remedy =
        "check that the URL names a Git repository, and that the account's login files on the server print nothing";
    Failure::new(FailureClass::Protocol, message, remedy)
}

/// A failure of libgit2 on our own repository.
pub(crate) fn ours(doing: &str, error: &git2::Error) -> Failure {
    if error.class() == git2::ErrorClass::Os {
        let io = os_error_of(error);
        let remedy = "check the file system of the data folder: free space, permissions, mounted writable";
        let known = matches!(
            io.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
        );
        if known {
            return Failure::disk(doing, &io);
        }
        return Failure::new(FailureClass::Disk, format!("{doing}: {}", error.message()), remedy);
    }
    if is_damage(error.class()) {
        let remedy = "it is built anew from the remote by itself; check the disk";
        return Failure::new(FailureClass::Damaged, format!("{doing}: {}", error.message()), remedy);
    }
    Failure::internal(format!("{doing}: {}", error.message()))
}

/// What the system said. libgit2 keeps its words; the error number may be that of what was tidied up since.
fn os_error_of(error: &git2::Error) -> io::Error {
    let words = error.message();
    let named = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS].map(io::Error::from);
    let told = named.into_iter().find(|io| io.to_string().split(" (").next().is_some_and(|text| words.ends_with(text)));
    told.unwrap_or_else(io::Error::last_os_error)
}

const fn is_damage(class: git2::ErrorClass) -> bool {
    use git2::ErrorClass::{Object, Odb, Reference, Repository, Tree, Zlib};
    matches!(class, Object | Odb | Reference | Repository | Tree | Zlib)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class_of(asking: Asking, stderr: &str, exit_status: Option<u32>) -> FailureClass {
        let end = ProcessEnd { exit_status, stderr: stderr.into(), ..ProcessEnd::default() };
        explain(WireError::Ended, asking, &end).class
    }

    #[test]
    fn the_words_of_known_servers_have_a_class() {
        use FailureClass::{ConnectionLost, Refused, RemoteCommand, RepositoryAbsent};
        let read_only = "ERROR: The key you are authenticating with has been marked as read only.";
        assert_eq!(class_of(Asking::Write, read_only, Some(1)), Refused);
        assert_eq!(class_of(Asking::Write, "ERROR: Permission to a/b.git denied to deploy key", Some(1)), Refused);
        assert_eq!(class_of(Asking::Write, "ERROR: Repository not found.", Some(1)), RepositoryAbsent);
        let gitolite = "FATAL: W any apps reader DENIED by fallthru\n(or you mis-spelled the reponame)";
        assert_eq!(class_of(Asking::Write, gitolite, Some(25)), Refused);
        assert_eq!(class_of(Asking::Read, gitolite, Some(25)), RepositoryAbsent);
        assert_eq!(
            class_of(Asking::Read, "fatal: '/x' does not appear to be a git repository", Some(128)),
            RepositoryAbsent
        );
        assert_eq!(class_of(Asking::Read, "sh: git-upload-pack: not found", Some(127)), RemoteCommand);
        assert_eq!(class_of(Asking::Read, "out of cheese", Some(3)), RemoteCommand);
        assert_eq!(class_of(Asking::Read, "", None), ConnectionLost);
    }

    #[test]
    fn a_full_disk_reads_the_same_at_each_try_whatever_the_error_number_is_by_now() {
        let said = |file: &str| {
            let words = format!("cannot extend packfile '/data/pack/{file}': No space left on device");
            ours("storing a pack", &git2::Error::new(git2::ErrorCode::GenericError, git2::ErrorClass::Os, words))
        };
        let failure = said("pack_git2_1");
        assert_eq!(failure, said("pack_git2_2"));
        assert!(failure.remedy.contains("free space"), "{failure}");
    }
}
