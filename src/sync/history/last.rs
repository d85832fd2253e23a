//! The last commit of every app, in one walk of history: a commit answers for the apps that it changed, and its parents for the
//! others. What was found is remembered, so that the next walk ends where this one began; and where the time was up, the next
//! question goes on.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::{AppName, Failure, ObjectId};

use super::changes::Changes;
use super::log::Cut;
use super::walk::Walk;
use super::{CommitShown, Reader};

/// How long one question reads. A commit of 10,000 apps costs milliseconds, and people wait for the answer.
const AT_ONCE: Duration = Duration::from_secs(1);
/// So many walks are remembered.
const REMEMBERED: usize = 2;

/// The last commits of the apps, as far as history was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastCommits {
    /// By the app's name.
    pub found: BTreeMap<String, CommitShown>,
    /// Apps that none of the commits read so far changed: asking again reads on.
    pub unread: BTreeSet<String>,
}

/// What earlier questions found.
#[derive(Debug, Default)]
pub struct KnownCommits {
    /// What the last walks found, newest first: one from what was committed here, one from the remote's tip.
    walks: Mutex<Vec<Walk>>,
    /// Walks through the history of one app that stopped, newest first.
    pub(super) cuts: Mutex<Vec<Cut>>,
    /// What the commits changed that were read.
    pub(super) changes: Changes,
}

impl Reader {
    /// For each app its last commit.
    ///
    /// # Errors
    /// As the repository.
    pub fn last_commits(&self) -> Result<LastCommits, Failure> {
        let Some(head) = self.head else { return Ok(LastCommits::default()) };
        self.last_of(head, &self.apps_of(head)?, AT_ONCE)
    }

    /// For each of `apps` the commit that made it what it is at the remote, also if that took it away.
    ///
    /// # Errors
    /// As the repository.
    pub fn last_commits_there(&self, apps: &BTreeSet<AppName>) -> Result<LastCommits, Failure> {
        let Some(tip) = self.tip.filter(|_| !apps.is_empty()) else { return Ok(LastCommits::default()) };
        self.last_of(tip, &apps.iter().map(|app| app.as_str().as_bytes().to_vec()).collect(), AT_ONCE)
    }

    /// The last commits of `names`, which may be gone at `head`. Another question meanwhile waits for this one, and then finds
    /// what it has found.
    fn last_of(&self, head: ObjectId, names: &HashSet<Vec<u8>>, time: Duration) -> Result<LastCommits, Failure> {
        let mut known = self.known.walks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut walk = match known.iter().position(|walk| walk.head == head) {
            Some(at) => known.remove(at),
            None => Walk::from(head, self.apps_of(head)?),
        };
        walk.look_for(names);
        let walked = walk.go_on(self, &known, Instant::now() + time);
        let answer = walked.and_then(|()| self.told(&walk, names));
        known.insert(0, walk);
        known.truncate(REMEMBERED);
        answer
    }

    fn told(&self, walk: &Walk, names: &HashSet<Vec<u8>>) -> Result<LastCommits, Failure> {
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).ok();
        let mut shown: HashMap<ObjectId, CommitShown> = HashMap::new();
        let mut answer = LastCommits::default();
        for (name, id) in names.iter().filter_map(|name| walk.found.get_key_value(name)) {
            let Some(id) = id else { continue };
            let commit = match shown.entry(*id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(CommitShown::new(*id, &self.repo.commit(*id)?)),
            };
            answer.found.extend(text(name).map(|name| (name, commit.clone())));
        }
        let unread = walk.open.values().flatten().filter(|name| names.contains(*name));
        answer.unread = unread.filter_map(|name| text(name)).collect();
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::tests::{Made, NAMES, Written, made, reader, write};
    use super::*;
    use crate::git::local::LocalRepo;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However often the time is up, and whatever is committed meanwhile: in the end each app has its commit, and no answer on
        /// the way names a wrong one.
        #[test]
        fn a_walk_in_pieces_finds_what_one_look_at_each_commit_finds(commits in prop::collection::vec(made(), 1..24)) {
            let folder = tempfile::tempdir().expect("a folder");
            let repo = Arc::new(LocalRepo::open_or_create(folder.path()).expect("a repository"));
            let history = write(&repo, &commits);
            let known = Arc::new(KnownCommits::default());
            let names: HashSet<Vec<u8>> = NAMES.iter().map(|name| name.as_bytes().to_vec()).collect();
            for (at, Made { asked, .. }) in commits.iter().enumerate() {
                let reader = reader(&repo, &known, history[at].id);
                for _ in 0..*asked {
                    let answer = reader.last_of(history[at].id, &names, Duration::ZERO).expect("an answer");
                    check(&history, at, &answer);
                }
            }
            let at = history.len() - 1;
            let reader = reader(&repo, &known, history[at].id);
            let mut questions = 0;
            loop {
                let answer = reader.last_of(history[at].id, &names, Duration::ZERO).expect("an answer");
                check(&history, at, &answer);
                if answer.unread.is_empty() {
                    break;
                }
                questions += 1;
                prop_assert!(questions <= 4 * history.len(), "it does not come to an end");
            }
        }
    }

    /// The slow and plain way.
    fn plainly(history: &[Written], at: usize, app: usize) -> Option<ObjectId> {
        let Written { id, apps, parents } = &history[at];
        match parents.iter().find(|parent| history[**parent].apps[app] == apps[app]) {
            Some(parent) => plainly(history, *parent, app),
            None => (!parents.is_empty() || apps[app] > 0).then_some(*id),
        }
    }

    fn check(history: &[Written], at: usize, answer: &LastCommits) {
        for (app, name) in NAMES.iter().enumerate() {
            let right = plainly(history, at, app).map(|id| id.to_string());
            match answer.found.get(*name) {
                Some(commit) => assert_eq!(Some(&commit.id), right.as_ref(), "{name}"),
                None => assert!(answer.unread.contains(*name) || right.is_none(), "{name} is neither found nor unread"),
            }
        }
    }
}
