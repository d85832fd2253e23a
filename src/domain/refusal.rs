//! Why a server refuses an update, read from its words: no protocol says it in any other way.

/// The reason for a refusal, as far as the words tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Nobody, or not this credential, may push to this branch.
    Protected,
    /// The account or repository has used up what it may use.
    Quota,
    /// The server's disk is full, or it cannot write.
    Storage,
    /// Another command works on the repository there, or one that was killed left its lock.
    Locked,
    /// A hook or a rule objects to what was pushed.
    Rule,
}

/// What becomes of commits that the followed branch does not take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnProtected {
    /// Their apps are held.
    #[default]
    Hold,
    /// They go to a branch of their own, to be merged.
    Branch,
}

const PROTECTED: [&str; 14] = [
    "protected branch", // GitHub, GitLab, Gitea, Forgejo
    "protected branches",
    "gh006", // GitHub, branch protection
    "gh013", // GitHub, rulesets
    "repository rule",
    "branch is protected",
    "tf402455", // Azure DevOps: a pull request is needed
    "pull request to update",
    "via a pull request",
    "through a pull request",
    "via pull request",
    "via merge request",
    "denied by",           // gitolite
    "not allowed to push", // GitLab, Gerrit
];
const BITBUCKET: &str = "permissions do not allow you to"; // Bitbucket, branch permissions
const QUOTA: [&str; 6] = [
    "disk quota exceeded",
    "quota",
    "repository size limit",
    "over its size limit",
    "size limit exceeded",
    "storage limit",
];
const STORAGE: [&str; 6] = [
    "no space left",
    "read-only file system",
    "could not store the objects",
    "unable to create temporary",
    "unpacker error",
    "input/output error",
];

const LOCKED: [&str; 2] = [".lock': file exists", "another git process seems to be running"];

impl RefusalKind {
    /// What these words mean. A full disk comes before the rest: a hook that cannot write says so in its own way.
    #[must_use]
    pub fn of(words: &str) -> Self {
        let lower = words.to_lowercase();
        let any = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
        if any(&QUOTA) {
            Self::Quota
        } else if any(&STORAGE) {
            Self::Storage
        } else if any(&LOCKED) {
            Self::Locked
        } else if any(&PROTECTED) || lower.contains(BITBUCKET) {
            Self::Protected
        } else {
            Self::Rule
        }
    }

    /// What a person can do about it. All of it is tried again by itself.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Protected => {
                "allow this key to push to the branch, or set APPFERRY_ON_PROTECTED=branch to have changes put on a branch to be merged; it is tried again by itself"
            }
            Self::Quota => {
                "free space in the account or repository at the Git host, or raise its quota; it is tried again by itself"
            }
            Self::Storage => {
                "the server cannot store what is pushed: free space on its disk, or tell those who run it; it is tried again by itself"
            }
            Self::Locked => {
                "it is tried again by itself; if it stays, a Git command that was killed on the server has left that lock file, and those who run the server have to remove it"
            }
            Self::Rule => {
                "allow this key to push to the branch, or mend what its hook objects to; it is tried again by itself"
            }
        }
    }

    /// Whether another branch of the same repository could take what this one did not.
    #[must_use]
    pub const fn is_about_the_branch(self) -> bool {
        matches!(self, Self::Protected | Self::Rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_known_servers_are_told_apart() {
        use RefusalKind::{Locked, Protected, Quota, Rule, Storage};
        for (words, kind) in [
            (
                "protected branch hook declined: error: GH006: Protected branch update failed for refs/heads/main.",
                Protected,
            ),
            ("push declined due to repository rule violations: GH013: Repository rule violations found", Protected),
            (
                "pre-receive hook declined: GitLab: You are not allowed to push code to protected branches on this project.",
                Protected,
            ),
            (
                "pre-receive hook declined: Branch refs/heads/main can only be modified through pull requests via pull request",
                Protected,
            ),
            (
                "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
                Protected,
            ),
            ("hook declined: Permission denied: your permissions do not allow you to update main", Protected),
            ("hook declined: FATAL: W refs/heads/main team/apps appferry DENIED by refs/.*", Protected),
            ("pre-receive hook declined: fatal: Disk quota exceeded", Quota),
            ("the server could not store the objects: unpack-objects abnormal exit: No space left on device", Storage),
            ("the server could not store the objects: index-pack abnormal exit", Storage),
            (
                "failed to update ref: error: cannot lock ref 'refs/heads/main': Unable to create '/srv/apps.git/./refs/heads/main.lock': File exists.; Another git process seems to be running in this repository",
                Locked,
            ),
            ("pre-receive hook declined: not on friday", Rule),
        ] {
            assert_eq!(RefusalKind::of(words), kind, "{words}");
        }
    }
}
