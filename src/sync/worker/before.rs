//! What the remote is asked for before a request is begun: the engine itself never waits for the network.

use crate::domain::{BranchName, Failure, FailureClass, ObjectId};
use crate::ports::{FoundCommit, RefOutcome, RefUpdate, Remote};

use super::Worker;

/// What a request needs of the remote first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// The newest state of the branch.
    Poll,
    /// The newest state of the branch, and the objects of what a person called so.
    Fetch(String),
    /// A new branch, made from what a person called so; or, as a try, only what it would be.
    Branch { name: BranchName, from: String, dry_run: bool },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    /// The branch is known, if that was asked for.
    Ready,
    /// The commit that was meant.
    Found(FoundCommit),
    /// The branch is there, or would be.
    Branch { commit: ObjectId, made: bool },
}

impl Worker {
    /// Does what is to be done before. The outer error is a defect of the engine.
    pub(super) async fn prepare(&mut self, before: Before) -> Result<Result<Prepared, Failure>, Failure> {
        if before == Before::Nothing {
            return Ok(Ok(Prepared::Ready));
        }
        self.remote.try_at_once();
        match before {
            Before::Nothing => Ok(Ok(Prepared::Ready)),
            Before::Poll => Ok(self.poll_for_a_person().await?.map(|()| Prepared::Ready)),
            Before::Fetch(wanted) => {
                if let Err(failure) = self.poll_for_a_person().await? {
                    return Ok(Err(failure));
                }
                Ok(self.remote.fetch_ref(&wanted).await.map(Prepared::Found))
            }
            Before::Branch { name, from, dry_run } => {
                let made = make_branch(&*self.remote, &name, &from, dry_run).await;
                if made.is_ok() && name.as_str() == self.face.branch {
                    self.poll().await?; // it is followed: from now on there is something to follow
                }
                Ok(made)
            }
        }
    }

    async fn poll_for_a_person(&mut self) -> Result<Result<(), Failure>, Failure> {
        self.poll().await?;
        Ok(match self.link.failure() {
            Some(error) => Err(error.failure.clone()),
            None => Ok(()),
        })
    }
}

/// Lets a branch begin where the remote already has a commit. Nothing but the name is new there.
async fn make_branch(remote: &dyn Remote, name: &BranchName, from: &str, dry_run: bool) -> Result<Prepared, Failure> {
    let full = name.full_ref();
    let refs = remote.refs().await?;
    let FoundCommit { commit, .. } = remote.fetch_ref(from).await?;
    if let Some(there) = refs.iter().find(|known| known.name == full) {
        return if there.id == commit {
            Ok(Prepared::Branch { commit, made: false })
        } else {
            Err(is_there(name, there.id, commit))
        };
    }
    let clash = |known: &str| known.starts_with(&format!("{full}/")) || full.starts_with(&format!("{known}/"));
    if let Some(other) = refs.iter().find(|known| clash(&known.name)) {
        return Err(Failure::new(
            FailureClass::Refused,
            format!("the remote has {}, and in Git a branch cannot be beside one below it", other.name),
            "choose a name that is not a folder of another, or the other way round",
        ));
    }
    if dry_run {
        return Ok(Prepared::Branch { commit, made: true });
    }
    let outcomes = remote.push(&[RefUpdate { name: full, expected: None, new: commit }]).await?;
    match outcomes.into_iter().next() {
        Some(RefOutcome::Accepted) => {
            tracing::info!(branch = %name, commit = %commit.short(), "made a branch at the remote");
            Ok(Prepared::Branch { commit, made: true })
        }
        Some(RefOutcome::Refused(words)) => Err(Failure::new(
            FailureClass::Refused,
            format!("the remote refuses the branch {:?}: {words}", name.as_str()),
            "allow this key to make branches, or have it made by somebody who may",
        )),
        Some(RefOutcome::Moved) | None => Err(Failure::new(
            FailureClass::Refused,
            format!("somebody else made the branch {:?} in the meantime", name.as_str()),
            "ask again: it is said then where it is",
        )),
    }
}

fn is_there(name: &BranchName, there: ObjectId, wanted: ObjectId) -> Failure {
    Failure::new(
        FailureClass::Refused,
        format!("the branch {:?} is there already, at {} and not at {}", name.as_str(), there.short(), wanted.short()),
        "follow it as it is, or choose another name; appferry moves no branch that is not its own",
    )
}
