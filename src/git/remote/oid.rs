//! Object names, ours and libgit2's.

use crate::domain::ObjectId;

/// Ours to libgit2's.
pub(crate) fn to_git(id: ObjectId) -> git2::Oid {
    // 20 bytes are always a SHA-1 name; the fallback names no object.
    git2::Oid::from_bytes(id.as_bytes()).unwrap_or(git2::Oid::ZERO_SHA1)
}

/// libgit2's to ours.
pub(crate) fn from_git(id: git2::Oid) -> ObjectId {
    id.as_bytes().try_into().map_or(ObjectId::ZERO, ObjectId::from_bytes)
}
