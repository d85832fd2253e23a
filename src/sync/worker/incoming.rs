//! Requests about what arrives from Git.

use std::collections::BTreeSet;

use super::act::on_a_thread;
use super::before::{Before, Prepared};
use super::command::Handle;
use crate::domain::{AppName, BranchName, Failure, ObjectId};
use crate::sync::engine::incoming::{Deed, From, IncomingApps, Intake};

/// A branch that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewBranch {
    /// Where it is.
    pub commit: ObjectId,
    /// Whether it is new; as a try, whether it would be.
    pub made: bool,
}

impl Handle {
    /// What happened elsewhere and is not so here.
    ///
    /// # Errors
    /// That it is not known what is in Git, or the worker is busy or gone; disk.
    pub async fn incoming(&self) -> Result<IncomingApps, Failure> {
        let (mut list, reader) = self.question(|engine, now| Ok((engine.incoming(now)?, engine.reader()))).await?;
        on_a_thread(move || list.tell_commits(&reader).map(|()| list)).await
    }

    /// Takes in what waits of these apps.
    ///
    /// # Errors
    /// As [`incoming`](Self::incoming).
    pub async fn take_in(&self, what: Intake, apps: BTreeSet<AppName>, dry_run: bool) -> Result<Vec<Deed>, Failure> {
        self.wait_until_quiet(listed(Some(&apps))).await?;
        let begin = move |engine: &mut super::Engine, now| engine.take_in(what, apps, dry_run, now);
        self.ask_then(begin, |engine, steps| Ok(engine.deeds(steps))).await
    }

    /// Asks the remote now, and installs all that waits of these apps or of all.
    ///
    /// # Errors
    /// As [`incoming`](Self::incoming); that the remote does not answer.
    pub async fn pull(&self, apps: Option<BTreeSet<AppName>>, dry_run: bool) -> Result<Vec<Deed>, Failure> {
        self.wait_until_quiet(listed(apps.as_ref())).await?;
        let begin = move |engine: &mut super::Engine, now, _| engine.pull(apps.as_ref(), dry_run, now);
        self.ask_after(Before::Poll, begin, |engine, steps| Ok(engine.deeds(steps))).await
    }

    /// Brings apps to the state of another branch, tag or commit.
    ///
    /// # Errors
    /// As [`pull`](Self::pull); that there is no such branch, tag or commit.
    pub async fn pull_from(
        &self,
        from: String,
        apps: Option<BTreeSet<AppName>>,
        push: bool,
        dry_run: bool,
    ) -> Result<Vec<Deed>, Failure> {
        self.wait_until_quiet(listed(apps.as_ref())).await?;
        let before = Before::Fetch(from.clone());
        let begin = move |engine: &mut super::Engine, now, prepared| {
            let Prepared::Found(found) = prepared else { return Err(Failure::internal("nothing was fetched")) };
            engine.pull_from(&From { name: from, commit: found.commit }, apps, (push, dry_run), now)
        };
        self.ask_after(before, begin, |engine, steps| Ok(engine.deeds(steps))).await
    }

    /// Makes a branch at the remote from another branch, a tag or a commit.
    ///
    /// # Errors
    /// That the remote does not answer or refuses; that there is nothing to make it from, or another branch of that name.
    pub async fn create_branch(&self, name: BranchName, from: String, dry_run: bool) -> Result<NewBranch, Failure> {
        let begin = |_: &mut super::Engine, _, prepared| match prepared {
            Prepared::Branch { commit, made } => Ok(NewBranch { commit, made }),
            _ => Err(Failure::internal("no branch was asked for")),
        };
        self.ask_after(Before::Branch { name, from, dry_run }, begin, |_, branch| Ok(branch)).await
    }
}

fn listed(apps: Option<&BTreeSet<AppName>>) -> Option<Vec<AppName>> {
    apps.map(|apps| apps.iter().cloned().collect())
}
