//! A repository somewhere else.

use async_trait::async_trait;

use crate::domain::{Failure, ObjectId};

/// What a poll of the branch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteTip {
    /// The branch points here.
    At(ObjectId),
    /// The repository has no branch at all.
    Unborn,
    /// The branch is not there, but these are (short names, sorted).
    Absent(Vec<String>),
}

/// A branch or a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// The full name, `refs/heads/…` or `refs/tags/…`.
    pub name: String,
    /// Where it points; for an annotated tag that is the tag's object, not the commit.
    pub id: ObjectId,
}

/// A commit that a person named, whose objects are here now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCommit {
    /// The branch or tag that was meant, by its full name; `None` when the commit was named by its id.
    pub name: Option<String>,
    /// The commit.
    pub commit: ObjectId,
}

/// One ref of a push: a compare-and-swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefUpdate {
    /// The full name, `refs/heads/…`.
    pub name: String,
    /// Where the remote's ref must point for the update to happen; `None`: it must not exist.
    pub expected: Option<ObjectId>,
    /// Where it shall point.
    pub new: ObjectId,
}

/// What became of one ref of a push, by the server's own report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefOutcome {
    /// The ref points at the new commit.
    Accepted,
    /// Somebody else moved the ref first: fetch, merge, try again.
    Moved,
    /// The server refused, in these words (report and hook output, without colours and control characters).
    Refused(String),
}

/// Why a push has no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushError {
    /// Nothing reached the server's refs.
    NotSent(Failure),
    /// The connection was lost after the pack was sent: whether the refs moved is only known after a fetch.
    Unknown(Failure),
}

/// The branch of a repository somewhere else.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Where the branch is now: one cheap question.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    async fn poll(&self) -> Result<RemoteTip, Failure>;

    /// Brings the branch's commit, and all that it reaches, into the local repository. Answers what the branch was at
    /// when the objects were sent, which may be newer than the last poll. Moves no ref of ours.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    async fn fetch(&self) -> Result<RemoteTip, Failure>;

    /// All branches and tags, sorted by name.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    async fn refs(&self) -> Result<Vec<RemoteRef>, Failure>;

    /// Brings a commit, and all that it reaches, into the local repository. `wanted` is a branch, a tag, a full ref name, or the id
    /// of a commit (7 digits or more), which must be reachable from a branch or a tag. Moves no ref of ours.
    ///
    /// # Errors
    /// A [`Failure`] with its class; [`FailureClass::Refused`](crate::domain::FailureClass::Refused) when there is no such thing, or more than one.
    async fn fetch_ref(&self, wanted: &str) -> Result<FoundCommit, Failure>;

    /// Sends the objects that the remote lacks and asks it to move the refs. The caller has proved that each `new`
    /// descends from its `expected`.
    ///
    /// Answers one outcome for each update, in the same order.
    ///
    /// # Errors
    /// [`PushError`] tells a push that was never sent from one whose outcome is unknown.
    async fn push(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError>;

    /// Whether it keeps away by itself from a host whose key was refused, until something else is known of that host: then
    /// asking each second costs the host nothing.
    fn holds_back(&self) -> bool {
        false
    }

    /// A push is likely within seconds: lets the remote get ready for it, in the background. Never fails: it is a wish.
    async fn prepare_push(&self) {}

    /// A person asks for something now: what is put off after a failure may be tried at once.
    fn try_at_once(&self) {}

    /// Asks the remote whether this credential may push, without pushing.
    ///
    /// # Errors
    /// A [`Failure`], mostly [`FailureClass::Refused`](crate::domain::FailureClass::Refused).
    async fn check_write(&self) -> Result<(), Failure>;
}

impl From<PushError> for Failure {
    fn from(error: PushError) -> Self {
        match error {
            PushError::NotSent(failure) | PushError::Unknown(failure) => failure,
        }
    }
}
