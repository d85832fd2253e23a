//! The commits that changed one app, newest first, also under the names that it had before.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::domain::words::RELEASE;
use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::sync::trees::find_tree;

use super::back::{Back, Step};
use super::{CommitShown, KnownCommits, LONGEST, MOST_COMMITS, Reader};

/// So many walks that stopped are remembered.
const REMEMBERED: usize = 8;

/// What a commit did to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppFate {
    /// It came.
    Added,
    /// Its files changed.
    Changed,
    /// It got its name.
    Renamed,
    /// It went.
    Removed,
}

/// One commit of an app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The commit.
    #[serde(flatten)]
    pub commit: CommitShown,
    /// The app's name then.
    pub app: String,
    /// What it did.
    pub change: AppFate,
    /// The name before, if this commit renamed the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<String>,
    /// The app was published: `last_release/` changed.
    pub published: bool,
    /// The remote has it.
    pub pushed: bool,
}

/// Some of an app's commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// Newest first.
    pub commits: Vec<HistoryEntry>,
    /// There may be more: ask for those before this commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The time was up here: commits before this one were not looked at. Asking for those goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_before: Option<String>,
}

/// A walk that stopped, so that the next question goes on from there.
#[derive(Debug)]
pub(super) struct Cut {
    app: AppName,
    /// What the next question is for: what is before this commit.
    at: ObjectId,
    back: Back,
    /// The walk has not come to that commit yet.
    skipping: bool,
}

impl KnownCommits {
    fn keep_cut(&self, cut: Cut) {
        let mut cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        cuts.retain(|known| (&known.app, known.at) != (&cut.app, cut.at));
        cuts.insert(0, cut);
        cuts.truncate(REMEMBERED);
    }

    fn cut(&self, app: &AppName, before: Option<ObjectId>) -> Option<(Back, bool)> {
        let cuts = self.cuts.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = cuts.iter().find(|known| known.app == *app && Some(known.at) == before)?;
        Some((cut.back.clone(), cut.skipping))
    }
}

impl Reader {
    /// The newest commits that changed the app, `limit` at most; those before the commit `before`, if it is given. Where the time
    /// was up, the question for what is before that goes on from there.
    ///
    /// # Errors
    /// As the repository.
    pub fn history(&self, app: &AppName, limit: usize, before: Option<ObjectId>) -> Result<HistoryPage, Failure> {
        self.history_within(LONGEST, app, limit, before)
    }

    fn history_within(
        &self,
        time: Duration,
        app: &AppName,
        limit: usize,
        before: Option<ObjectId>,
    ) -> Result<HistoryPage, Failure> {
        let deadline = Instant::now() + time;
        let (mut back, mut skipping) =
            self.known.cut(app, before).unwrap_or_else(|| (Back::from(self.head, app), before.is_some()));
        let unpushed = self.unpushed()?;
        let mut page = HistoryPage::default();
        let mut full: Option<Cut> = None;
        while let Some(seen) = back.next(self)? {
            if let Some(step) = seen.step.filter(|_| !skipping) {
                if let Some(cut) = full {
                    page.next = Some(cut.at.to_string());
                    self.known.keep_cut(cut);
                    return Ok(page);
                }
                page.commits.push(self.entry(&step, !unpushed.contains(&step.id))?);
                if page.commits.len() >= limit {
                    full = Some(Cut { app: app.clone(), at: seen.id, back: back.clone(), skipping });
                }
            }
            skipping &= Some(seen.id) != before;
            if Instant::now() > deadline && !back.is_over() {
                let at = before.filter(|_| skipping).unwrap_or(seen.id);
                page.unread_before = Some(at.to_string());
                self.known.keep_cut(Cut { app: app.clone(), at, back, skipping });
                break;
            }
        }
        Ok(page)
    }

    /// The name that the app had in a commit of its history, when it was another one.
    pub(super) fn name_at(&self, app: &AppName, commit: ObjectId) -> Result<Option<AppName>, Failure> {
        self.name_at_within(LONGEST, app, commit)
    }

    fn name_at_within(&self, time: Duration, app: &AppName, commit: ObjectId) -> Result<Option<AppName>, Failure> {
        let deadline = Instant::now() + time;
        let mut found = None;
        let mut back = Back::from(self.head, app);
        while let Some(seen) = back.next(self)? {
            if seen.id == commit {
                return Ok(Some(seen.name).filter(|name| name != app));
            }
            if let Some(Step { change: AppFate::Renamed, before: Some((name, _)), .. }) = seen.step
                && self.repo.descends_from(seen.id, commit)?
            {
                found = Some(name);
            }
            if Instant::now() > deadline && !back.is_over() {
                return Err(too_long(app, commit));
            }
        }
        Ok(found)
    }

    fn entry(&self, step: &Step, pushed: bool) -> Result<HistoryEntry, Failure> {
        let before = step.before.as_ref().map(|(_, tree)| *tree);
        let release = find_tree(&*self.repo, step.after, RELEASE)?;
        let published = release.is_some() && release != find_tree(&*self.repo, before, RELEASE)?;
        let renamed = step.before.as_ref().filter(|_| step.change == AppFate::Renamed);
        Ok(HistoryEntry {
            commit: CommitShown::new(step.id, &step.commit),
            app: step.name.to_string(),
            change: step.change,
            renamed_from: renamed.map(|(name, _)| name.to_string()),
            published,
            pushed,
        })
    }

    /// The commits that the remote does not have.
    fn unpushed(&self) -> Result<Vec<ObjectId>, Failure> {
        let mut found = Vec::new();
        let mut at = self.head.filter(|head| Some(*head) != self.tip);
        while let Some(id) = at.filter(|id| Some(*id) != self.tip && found.len() < MOST_COMMITS) {
            found.push(id);
            at = self.repo.commit(id)?.parents.first().copied();
        }
        Ok(found)
    }
}

fn too_long(app: &AppName, commit: ObjectId) -> Failure {
    let message = format!(
        "the time was up before it was known what {:?} was called in {}: the branch is long",
        app.as_str(),
        commit.short()
    );
    Failure::new(FailureClass::TimeOut, message, "if it had another name then, ask for it under that name")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::tests::{NAMES, made, reader, write};
    use super::*;
    use crate::git::local::LocalRepo;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// However often the time is up: who goes on from where it was reads all that one long walk reads, in its order.
        #[test]
        fn a_history_that_is_read_in_pieces_is_whole(commits in prop::collection::vec(made(), 1..24), limit in 1..4_usize) {
            let folder = tempfile::tempdir().expect("a folder");
            let repo = Arc::new(LocalRepo::open_or_create(folder.path()).expect("a repository"));
            let history = write(&repo, &commits);
            let head = history.last().expect("a commit").id;
            for app in NAMES.map(|name| AppName::new(name).expect("a name")) {
                let whole = reader(&repo, &Arc::default(), head).history(&app, usize::MAX, None).expect("all of it").commits;
                let (mut read, mut before) = (Vec::new(), None);
                let known = Arc::default();
                for question in 0.. {
                    prop_assert!(question <= 400 * history.len(), "it does not come to an end");
                    let page = reader(&repo, &known, head).history_within(Duration::ZERO, &app, limit, before).expect("a page");
                    read.extend(page.commits);
                    let Some(next) = page.unread_before.or(page.next) else { break };
                    before = ObjectId::from_hex(&next);
                }
                prop_assert_eq!(&read, &whole);
                let filled = Arc::default();
                reader(&repo, &filled, head).last_commits().expect("the last commits");
                let again = reader(&repo, &filled, head).history(&app, usize::MAX, None).expect("all of it").commits;
                prop_assert_eq!(again, whole, "what each commit changed is known");
            }
        }
    }

    #[test]
    fn what_lies_behind_a_walk_that_was_cut_is_reached_by_asking_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = Arc::new(LocalRepo::open_or_create(folder.path()).expect("a repository"));
        let history = write(&repo, &super::super::tests::line(12));
        let (head, known) = (history.last().expect("a commit").id, Arc::default());
        let reader = reader(&repo, &known, head);
        let app = AppName::new(NAMES[0]).expect("a name");
        let asked = history[4].id;
        let mut questions = 0;
        let page = loop {
            let page = reader.history_within(Duration::ZERO, &app, 1, Some(asked)).expect("a page");
            if !page.commits.is_empty() {
                break page;
            }
            assert_eq!(page.unread_before, Some(asked.to_string()), "what was asked for is still to be read");
            questions += 1;
            assert!(questions <= history.len(), "it does not come to an end");
        };
        assert_eq!(page.commits[0].commit.id, history[3].id.to_string());
    }

    #[test]
    fn a_name_is_not_made_up_when_the_time_is_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = Arc::new(LocalRepo::open_or_create(folder.path()).expect("a repository"));
        let history = write(&repo, &super::super::tests::line(12));
        let reader = reader(&repo, &Arc::default(), history[11].id);
        let app = AppName::new(NAMES[0]).expect("a name");
        assert_eq!(reader.name_at(&app, history[2].id).expect("a name or none"), None);
        let failure = reader.name_at_within(Duration::ZERO, &app, history[2].id).expect_err("not known");
        assert_eq!(failure.class, FailureClass::TimeOut);
    }
}
