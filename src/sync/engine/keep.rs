//! Nothing is lost (promise 1): what would be overwritten and is not in Git's history is first kept as a commit under a ref of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AppName, Failure, FailureClass, ObjectId};
use crate::ports::{Commit, RefEdit};

use super::{Engine, Now};
use crate::sync::ref_names::{component, parse_time_component, time_component};
use crate::sync::trees::{app_trees, with_apps};

/// Where the refs are.
const KEPT: &str = "refs/appferry/kept/";
/// Where the tips of histories are that the remote rewrote.
const HISTORIES: &str = "refs/appferry/histories/";
/// After a rewriting, so many apps can be restored one by one; the old history holds them all.
const MOST_BY_APP: usize = 200;
/// So many of an app's newest are compared with what is to be kept.
const REMEMBERED: usize = 20;
const SECONDS_A_DAY: i64 = 86_400;

/// Content that was kept aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAside {
    /// The ref, below `refs/appferry/kept/`.
    pub id: String,
    /// The app.
    pub app: String,
    /// The commit that holds it.
    pub commit: String,
    /// When (RFC 3339).
    pub time: String,
    /// Why.
    pub reason: String,
}

impl Engine {
    /// Keeps `tree` of `app`. An app that is not there needs no keeping.
    pub(super) fn keep_aside(
        &mut self,
        app: &AppName,
        tree: Option<ObjectId>,
        reason: &str,
        now: Now,
    ) -> Result<(), Failure> {
        let Some(tree) = tree else { return Ok(()) };
        let now = self.recorded(now);
        let edits = std::iter::once((app.clone(), Some(tree))).collect();
        let commit = Commit {
            tree: with_apps(&*self.repo, None, &self.settings.prefix, &edits)?,
            parents: self.state.notes.tip.into_iter().collect(),
            author: self.author(now),
            committer: self.committer(now),
            message: format!("Kept aside: {reason}\n"),
        };
        let folder = format!("{KEPT}{}/", component(app.as_str()));
        let earlier = self.repo.list_refs(&folder)?;
        for (_, id) in earlier.iter().rev().take(REMEMBERED) {
            if self.repo.commit(*id)?.tree == commit.tree {
                return Ok(()); // the same is tried again and again while the remote refuses it
            }
        }
        let commit = self.repo.write_commit(&commit)?;
        let time = time_component(now.unix_seconds);
        let name = free_name(&earlier, &format!("{folder}{time}"));
        tracing::info!(%app, commit = %commit.short(), reason, "kept the state on disk aside");
        self.repo.edit_refs(&[RefEdit { name, to: Some(commit) }])
    }

    /// The branch does not contain its old tip any more: what only that held is kept, whole and by app (rule 8).
    pub(super) fn keep_history(
        &mut self,
        old_tip: ObjectId,
        old_apps: &BTreeMap<AppName, ObjectId>,
        now: Now,
    ) -> Result<(), Failure> {
        tracing::warn!(old_tip = %old_tip.short(), "the branch was rewritten at the remote; its old history is kept here");
        let time = time_component(self.recorded(now).unix_seconds);
        let name = free_name(&self.repo.list_refs(HISTORIES)?, &format!("{HISTORIES}{time}"));
        self.repo.edit_refs(&[RefEdit { name, to: Some(old_tip) }])?;
        let changed: Vec<(&AppName, &ObjectId)> =
            old_apps.iter().filter(|(app, tree)| self.remote.apps.get(*app) != Some(*tree)).collect();
        for (app, tree) in changed.into_iter().take(MOST_BY_APP) {
            self.keep_aside(app, Some(*tree), "taken away by a rewritten history", now)?;
        }
        Ok(())
    }

    /// Everything that is kept aside, newest first.
    ///
    /// # Errors
    /// As the repository.
    pub fn kept(&self) -> Result<Vec<KeptAside>, Failure> {
        let mut list = Vec::new();
        for (name, id) in self.repo.list_refs(KEPT)? {
            let commit = self.repo.commit(id)?;
            let apps = app_trees(&*self.repo, Some(commit.tree), &self.settings.prefix)?.apps;
            let time = jiff::Timestamp::from_second(commit.committer.seconds).unwrap_or_default();
            list.push(KeptAside {
                id: name.strip_prefix(KEPT).unwrap_or(&name).to_owned(),
                app: apps.into_keys().next().map(String::from).unwrap_or_default(),
                commit: id.to_string(),
                time: time.to_string(),
                reason: commit.message.trim().trim_start_matches("Kept aside: ").to_owned(),
            });
        }
        list.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
        Ok(list)
    }

    /// Brings what was kept aside back to the disk; what is there now is kept aside in its turn. Answers the app.
    ///
    /// # Errors
    /// Disk; or that there is no such id, or that the app is being written.
    pub fn restore_kept(&mut self, id: &str, now: Now) -> Result<AppName, Failure> {
        let (app, tree) = self.kept_app(id)?;
        let local = self.here(&app, now)?;
        self.bring_to(&app, local, tree, "replaced by what was kept aside earlier", now)?;
        Ok(app)
    }

    /// The app that is kept aside under an id, and its state.
    pub(super) fn kept_app(&self, id: &str) -> Result<(AppName, ObjectId), Failure> {
        let no_such = || {
            let message = format!("nothing is kept aside under {id:?}");
            Failure::new(FailureClass::Refused, message, "`appferry sync backups` lists what there is")
        };
        let name = format!("{KEPT}{id}");
        let found = self.repo.list_refs(KEPT)?.into_iter().find(|(known, _)| *known == name);
        let (_, commit) = found.ok_or_else(no_such)?;
        let root = self.repo.commit(commit)?.tree;
        let apps = app_trees(&*self.repo, Some(root), &self.settings.prefix)?.apps;
        apps.into_iter().next().ok_or_else(no_such)
    }

    /// Forgets what was kept aside longer ago than the settings say.
    pub(super) fn expire_kept(&mut self, now: Now) -> Result<(), Failure> {
        if !self.may_expire(now) {
            return Ok(());
        }
        let oldest = now.unix_seconds - i64::from(self.settings.kept_days) * SECONDS_A_DAY;
        let expired = |name: &str| {
            let time = name.rsplit('/').next().and_then(parse_time_component);
            time.is_some_and(|time| time < oldest)
        };
        let histories = self.repo.list_refs(HISTORIES)?;
        let edits: Vec<RefEdit> = (self.repo.list_refs(KEPT)?.into_iter().chain(histories))
            .filter(|(name, _)| expired(name))
            .map(|(name, _)| RefEdit { name, to: None })
            .collect();
        if edits.is_empty() { Ok(()) } else { self.repo.edit_refs(&edits) }
    }
}

/// `name`, or `name-2` and so on if it is taken: what is kept never takes the place of what was kept before.
fn free_name(taken: &[(String, ObjectId)], name: &str) -> String {
    let is_free = |name: &String| !taken.iter().any(|(other, _)| other == name);
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| name.to_owned())
}
