//! A repository on a file system of this machine, for tests and the demo.
//!
//! Objects travel as packs between the two repositories and refs are compared and swapped under libgit2's lock. **No hooks of
//! the other repository run**, and its `receive.*` settings are not asked; a server that must enforce rules is reached over
//! SSH or HTTPS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use git2::{ErrorCode, Repository};

use super::error::{ours, repository_absent, sha256};
use super::indexer::PackStore;
use super::pack::{self, Plan};
use super::receive_pack::is_tag;
use super::{Settings, blocking, oid, refs, upload_pack};
use crate::domain::{BranchName, Failure, FailureClass, ObjectId};
use crate::ports::{FoundCommit, LocalRepository, PushError, RefOutcome, RefUpdate, Remote, RemoteRef, RemoteTip};

/// See the module.
pub(super) struct PathRemote {
    there: Arc<Place>,
    local: Arc<dyn LocalRepository>,
}

/// The two repositories and the branch.
struct Place {
    there: PathBuf,
    here: PathBuf,
    branch: BranchName,
}

impl PathRemote {
    /// A remote at `path`.
    pub(super) fn new(settings: Settings, path: PathBuf) -> Self {
        let there = Place { there: path, here: settings.repository, branch: settings.branch };
        Self { there: Arc::new(there), local: settings.local }
    }

    async fn at_place<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Place) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let place = self.there.clone();
        blocking(move || work(&place)).await
    }
}

#[async_trait]
impl Remote for PathRemote {
    async fn poll(&self) -> Result<RemoteTip, Failure> {
        self.at_place(|place| tip(&open(&place.there)?, &place.branch)).await
    }

    async fn fetch(&self) -> Result<RemoteTip, Failure> {
        self.at_place(fetch).await
    }

    async fn refs(&self) -> Result<Vec<RemoteRef>, Failure> {
        self.at_place(|place| refs_of(&open(&place.there)?)).await
    }

    async fn fetch_ref(&self, wanted: &str) -> Result<FoundCommit, Failure> {
        refs::fetch(self, wanted).await
    }

    async fn push(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        let (local, updates) = (self.local.clone(), updates.to_vec());
        let pushed = self.at_place(move |place| {
            local.flush()?;
            push(place, &updates)
        });
        pushed.await.map_err(PushError::NotSent)
    }

    async fn check_write(&self) -> Result<(), Failure> {
        self.at_place(|place| {
            let objects = open(&place.there)?.commondir().join("objects");
            rustix::fs::access(&objects, rustix::fs::Access::WRITE_OK).map_err(|error| {
                let message = format!("{} is not writable: {error}", objects.display());
                Failure::new(
                    FailureClass::Refused,
                    message,
                    "give the user that appferry runs as write access to the repository",
                )
            })
        })
        .await
    }
}

fn open(path: &Path) -> Result<Repository, Failure> {
    Repository::open(path).map_err(|error| {
        let words = error.message().to_lowercase();
        if words.contains("objectformat") || words.contains("object format") {
            sha256()
        } else {
            repository_absent(&format!("{}: {}", path.display(), error.message()))
        }
    })
}

fn unreadable(error: &git2::Error) -> Failure {
    Failure::new(
        FailureClass::RemoteCommand,
        format!("the remote repository cannot be read: {}", error.message()),
        "run `git fsck` in it",
    )
}

fn tip(repository: &Repository, branch: &BranchName) -> Result<RemoteTip, Failure> {
    let read = || -> Result<RemoteTip, git2::Error> {
        match repository.refname_to_id(&branch.full_ref()) {
            Ok(id) => return Ok(RemoteTip::At(oid::from_git(id))),
            Err(error) if error.code() == ErrorCode::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut branches = Vec::new();
        for reference in repository.references_glob("refs/heads/*")? {
            let name = String::from_utf8_lossy(reference?.name_bytes()).into_owned();
            branches.extend(name.strip_prefix("refs/heads/").map(str::to_owned));
        }
        branches.sort();
        Ok(if branches.is_empty() { RemoteTip::Unborn } else { RemoteTip::Absent(branches) })
    };
    read().map_err(|error| unreadable(&error))
}

fn fetch(place: &Place) -> Result<RemoteTip, Failure> {
    let found = tip(&open(&place.there)?, &place.branch)?;
    let RemoteTip::At(wanted) = found else { return Ok(found) };
    if !upload_pack::is_here(&place.here, wanted)? {
        let there = upload_pack::haves(&place.here, &[])?;
        let plan = Plan { repository: place.there.clone(), new: vec![wanted], there, bases: Vec::new(), deltas: false };
        copy(&plan, &place.here).map_err(|failure| match failure.class {
            FailureClass::Damaged => unreadable(&git2::Error::from_str(&failure.message)), // theirs, not ours
            _ => failure,
        })?;
    }
    Ok(found)
}

#[async_trait]
impl refs::Source for PathRemote {
    fn repository(&self) -> &Path {
        &self.there.here
    }

    async fn list(&self) -> Result<Vec<RemoteRef>, Failure> {
        self.refs().await
    }

    async fn bring(&self, wanted: Vec<ObjectId>) -> Result<(), Failure> {
        self.at_place(move |place| {
            let there = upload_pack::haves(&place.here, &[])?;
            let plan = Plan { repository: place.there.clone(), new: wanted, there, bases: Vec::new(), deltas: false };
            copy(&plan, &place.here)
        })
        .await
    }
}

fn refs_of(repository: &Repository) -> Result<Vec<RemoteRef>, Failure> {
    let read = || -> Result<Vec<RemoteRef>, git2::Error> {
        let mut found = Vec::new();
        for reference in repository.references()? {
            let reference = reference?;
            let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
            found.extend(reference.target().map(|id| RemoteRef { name, id: oid::from_git(id) }));
        }
        Ok(refs::branches_and_tags(found))
    };
    read().map_err(|error| unreadable(&error))
}

fn copy(plan: &Plan, to: &Path) -> Result<(), Failure> {
    let mut store = PackStore::new(to)?;
    pack::write_to(plan, &mut store)?;
    store.commit()
}

fn push(place: &Place, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, Failure> {
    let repository = open(&place.there)?;
    let mut there: Vec<_> = updates.iter().filter_map(|update| update.expected).collect();
    let tips = repository.references().map_err(|error| unreadable(&error))?;
    there.extend(tips.filter_map(|tip| tip.ok()?.target()).map(oid::from_git));
    let new = updates.iter().map(|update| update.new).collect();
    copy(&Plan { repository: place.here.clone(), new, there, bases: Vec::new(), deltas: false }, &place.there)?;
    let mut outcomes = Vec::new();
    for update in updates {
        // A tag names a commit of the branch that is pushed with it.
        let alone = is_tag(update) && outcomes.iter().any(|outcome| *outcome != RefOutcome::Accepted);
        outcomes.push(if alone { RefOutcome::Moved } else { swap(&repository, update)? });
    }
    Ok(outcomes)
}

fn swap(repository: &Repository, update: &RefUpdate) -> Result<RefOutcome, Failure> {
    if is_checked_out(repository, &update.name) {
        let words = format!("{} is checked out there; use a bare repository (`git init --bare`)", update.name);
        return Ok(RefOutcome::Refused(words));
    }
    if repository.refname_to_id(&update.name).is_ok_and(|there| oid::from_git(there) == update.new) {
        return Ok(RefOutcome::Accepted);
    }
    let new = oid::to_git(update.new);
    let moved = match update.expected {
        Some(old) => repository.reference_matching(&update.name, new, true, oid::to_git(old), "push"),
        None => repository.reference(&update.name, new, false, "push"),
    };
    match moved {
        Ok(_) => Ok(RefOutcome::Accepted),
        Err(error)
            if matches!(
                error.code(),
                ErrorCode::Modified | ErrorCode::NotFound | ErrorCode::Exists | ErrorCode::Locked
            ) =>
        {
            Ok(RefOutcome::Moved)
        }
        Err(error) if error.class() == git2::ErrorClass::Os => {
            Err(ours("moving a ref of the remote repository", &error))
        }
        Err(error) => Ok(RefOutcome::Refused(error.message().to_owned())),
    }
}

fn is_checked_out(repository: &Repository, name: &str) -> bool {
    let head = repository.find_reference("HEAD").ok();
    !repository.is_bare() && head.is_some_and(|head| head.symbolic_target_bytes() == Some(name.as_bytes()))
}
