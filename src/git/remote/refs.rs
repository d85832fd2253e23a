//! From what a person calls a commit to the commit, brought here: the same for every way to reach a repository.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use git2::{ObjectType, Repository};

use super::error::ours;
use super::{blocking, oid, upload_pack};
use crate::domain::{Failure, FailureClass, ObjectId};
use crate::ports::{FoundCommit, RemoteRef};

/// Fewer digits are taken for a name that is not there.
const FEWEST_DIGITS: usize = 7;
/// Names that a message lists.
const NAMED: usize = 20;

/// What is needed of a remote.
#[async_trait]
pub(super) trait Source: Sync {
    /// The bare repository here.
    fn repository(&self) -> &Path;
    /// All branches and tags.
    async fn list(&self) -> Result<Vec<RemoteRef>, Failure>;
    /// Brings these objects, which refs point at, and all that they reach.
    async fn bring(&self, wanted: Vec<ObjectId>) -> Result<(), Failure>;
}

/// See [`Remote::fetch_ref`](crate::ports::Remote::fetch_ref).
pub(super) async fn fetch(source: &impl Source, wanted: &str) -> Result<FoundCommit, Failure> {
    let refs = source.list().await?;
    let meant = meant(&refs, wanted)?;
    let tips: Vec<ObjectId> = match &meant {
        Meant::Ref(known) => vec![known.id],
        Meant::Commit(_) => refs.iter().map(|known| known.id).collect(),
    };
    let path = source.repository().to_owned();
    let absent = not_here(path.clone(), tips.clone()).await?;
    if !absent.is_empty() {
        source.bring(absent).await?;
    }
    blocking(move || match meant {
        Meant::Ref(known) => {
            let commit = commit_of(&path, known.id)?.ok_or_else(|| upload_pack::incomplete(known.id))?;
            Ok(FoundCommit { name: Some(known.name), commit })
        }
        Meant::Commit(digits) => Ok(FoundCommit { name: None, commit: reachable(&path, &digits, &tips)? }),
    })
    .await
}

/// Only the branches and tags, sorted, each once.
pub(super) fn branches_and_tags(mut refs: Vec<RemoteRef>) -> Vec<RemoteRef> {
    refs.retain(|known| known.name.starts_with("refs/heads/") || known.name.starts_with("refs/tags/"));
    refs.retain(|known| !known.name.ends_with("^{}"));
    refs.sort_by(|a, b| a.name.cmp(&b.name));
    refs.dedup_by(|a, b| a.name == b.name);
    refs
}

/// What a person meant.
#[derive(Debug, PartialEq, Eq)]
enum Meant {
    Ref(RemoteRef),
    /// The digits that a commit's id begins with.
    Commit(String),
}

fn meant(refs: &[RemoteRef], wanted: &str) -> Result<Meant, Failure> {
    let find = |name: String| refs.iter().find(|known| known.name == name).cloned();
    if let Some(known) = find(wanted.to_owned()) {
        return Ok(Meant::Ref(known));
    }
    match (find(format!("refs/heads/{wanted}")), find(format!("refs/tags/{wanted}"))) {
        (Some(branch), Some(tag)) if branch.id != tag.id => Err(Failure::new(
            FailureClass::Refused,
            format!("{wanted:?} is a branch and a tag at the remote"),
            format!("name the one that you mean: {} or {}", branch.name, tag.name),
        )),
        (Some(known), _) | (None, Some(known)) => Ok(Meant::Ref(known)),
        (None, None) if looks_like_an_id(wanted) => Ok(Meant::Commit(wanted.to_ascii_lowercase())),
        (None, None) => Err(absent(refs, wanted)),
    }
}

fn looks_like_an_id(text: &str) -> bool {
    (FEWEST_DIGITS..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn absent(refs: &[RemoteRef], wanted: &str) -> Failure {
    let short = |known: &RemoteRef| {
        let name = known.name.strip_prefix("refs/heads/").or_else(|| known.name.strip_prefix("refs/tags/"));
        name.map(str::to_owned).filter(|name| !name.starts_with("conflict/"))
    };
    let names: Vec<String> = refs.iter().filter_map(short).take(NAMED).collect();
    let there = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
    Failure::new(
        FailureClass::Refused,
        format!("the remote has no branch and no tag {wanted:?}; there are: {there}"),
        format!("name one of them, or a commit by {FEWEST_DIGITS} digits of its id or more"),
    )
}

/// Those of `ids` whose commits are not here.
async fn not_here(path: PathBuf, ids: Vec<ObjectId>) -> Result<Vec<ObjectId>, Failure> {
    blocking(move || {
        let mut absent = Vec::new();
        for id in ids {
            if !absent.contains(&id) && commit_of(&path, id)?.is_none() {
                absent.push(id);
            }
        }
        Ok(absent)
    })
    .await
}

/// The commit that `id` is or, as a tag, names, if it is here with its root tree. Packs are stored whole or not at all.
fn commit_of(path: &Path, id: ObjectId) -> Result<Option<ObjectId>, Failure> {
    let repository = open(path)?;
    let Ok(object) = repository.find_object(oid::to_git(id), None) else { return Ok(None) };
    let commit = object.peel_to_commit().ok().filter(|commit| commit.tree().is_ok());
    Ok(commit.map(|commit| oid::from_git(commit.id())))
}

/// The commit whose id begins with `digits`, if one of `tips` reaches it: others may lie here, but are not the remote's.
fn reachable(path: &Path, digits: &str, tips: &[ObjectId]) -> Result<ObjectId, Failure> {
    let read = || -> Result<Vec<git2::Oid>, git2::Error> {
        let repository = Repository::open_bare(path)?;
        let mut walk = repository.revwalk()?;
        for tip in tips {
            // A tag may name a file.
            let commit = repository.find_object(oid::to_git(*tip), None).and_then(|tip| tip.peel(ObjectType::Commit));
            if let Ok(commit) = commit {
                walk.push(commit.id())?;
            }
        }
        let mut found = Vec::new();
        for id in walk {
            let id = id?;
            if id.to_string().starts_with(digits) {
                found.push(id);
            }
        }
        Ok(found)
    };
    match read().map_err(|error| ours("looking for a commit in the branches", &error))?.as_slice() {
        [id] => Ok(oid::from_git(*id)),
        [] => Err(Failure::new(
            FailureClass::Refused,
            format!("no branch and no tag of the remote reaches a commit {digits}"),
            "check the id; a commit on no branch can be fetched once a branch or tag at the remote points at it",
        )),
        several => Err(Failure::new(
            FailureClass::Refused,
            format!("{} commits have ids that begin with {digits}", several.len()),
            "give more digits of the one that you mean",
        )),
    }
}

fn open(path: &Path) -> Result<Repository, Failure> {
    Repository::open_bare(path).map_err(|error| ours("opening the local repository", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, byte: u8) -> RemoteRef {
        RemoteRef { name: name.to_owned(), id: ObjectId::from_bytes([byte; 20]) }
    }

    #[test]
    fn a_name_is_a_branch_or_a_tag_and_digits_are_a_commit() {
        let refs = [known("refs/heads/abcdef0", 1), known("refs/heads/v1", 2), known("refs/tags/v1", 3)];
        assert_eq!(meant(&refs, "abcdef0"), Ok(Meant::Ref(refs[0].clone())), "a name comes first");
        assert_eq!(meant(&refs, "ABCDEF1"), Ok(Meant::Commit("abcdef1".to_owned())));
        assert_eq!(meant(&refs, "refs/tags/v1"), Ok(Meant::Ref(refs[2].clone())));
        assert!(meant(&refs, "v1").unwrap_err().remedy.contains("refs/heads/v1 or refs/tags/v1"));
        assert!(meant(&refs, "abc").unwrap_err().message.contains("there are: abcdef0, v1"));
    }
}
