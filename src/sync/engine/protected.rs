//! A followed branch that does not take our commits, because it is protected or a rule objects: they go to a branch of their
//! own, `appferry/<instance>`, and wait there to be merged (`APPFERRY_ON_PROTECTED=branch`).
//!
//! That branch only grows. It holds the followed branch and our changes on top, so that it can be merged as it is: where the
//! followed branch went on, it is merged into ours first. When an app arrives there, by whatever kind of merge, its two sides
//! are equal and it is in sync; nothing is remembered of how it came.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::status::AppState;
use crate::domain::words;
use crate::domain::{AppName, Failure, ObjectId, OnProtected, RefusalKind};
use crate::ports::{Commit, RefEdit, RefOutcome, RefUpdate};

use super::finding::Finding;
use super::tip::Unpushed;
use super::{Engine, Now};
use crate::sync::ref_names::component;
use crate::sync::state::{Proposal, Proposed};
use crate::sync::trees::with_apps;

/// Keeps the branch's commits here, too.
const PIN: &str = "refs/appferry/proposed";
/// After this long the followed branch is tried again: its protection may have been lifted.
const TRY_AGAIN: Duration = Duration::from_hours(1);
/// A refusal of our own branch is tried again after this long.
const RETRY: Duration = Duration::from_mins(1);
/// After so many apps that were refused in the same words, the rest is taken to be refused, too.
const ENOUGH: usize = 3;

/// What is known of the followed branch's protection since the start.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// The server's words, and until when they are believed.
    standing: Option<(String, Instant)>,
    /// Apps that were refused once, in the state that was refused: each is tried twice.
    declined: BTreeMap<AppName, Option<ObjectId>>,
    /// When our own branch is pushed again after a refusal.
    retry_at: Option<Instant>,
}

impl Engine {
    /// Takes what the followed branch refused to a branch of its own, if that is wanted and may help. Answers whether it was
    /// dealt with.
    pub(super) fn take_to_own_branch(&mut self, words: &str, now: Now) -> Result<bool, Failure> {
        let kind = RefusalKind::of(words);
        if self.settings.on_protected == OnProtected::Hold
            || !kind.is_about_the_branch()
            || self.state.notes.tip.is_none()
        {
            return Ok(false);
        }
        let pending = self.state.notes.pending.clone();
        if kind == RefusalKind::Protected || self.is_refused_alike(words) {
            self.protection.standing = Some((words.to_owned(), now.instant + TRY_AGAIN));
        } else if pending.len() > 1 || self.protection.declined != pending {
            if pending.len() == 1 {
                self.protection.declined.clone_from(&pending);
            }
            let apps: Vec<AppName> = pending.into_keys().collect();
            self.drop_unpushed(&apps, now)?;
            self.one_by_one = true;
            return Ok(true);
        }
        self.protection.declined.clear();
        self.propose(words, now)?;
        Ok(true)
    }

    fn is_refused_alike(&self, words: &str) -> bool {
        self.state.notes.proposal.as_ref().is_some_and(|known| known.words == words && known.apps.len() >= ENOUGH)
    }

    /// Where the branch is known to be protected, commits go to our own at once; and what was taken back here is taken back
    /// there. Answers whether anything moved.
    pub(super) fn propose_directly(&mut self, now: Now) -> Result<bool, Failure> {
        let withdrawn = self.withdraw_reverted(now)?;
        let Some((words, until)) = self.protection.standing.clone() else { return Ok(withdrawn) };
        if now.instant >= until {
            self.protection.standing = None;
            return Ok(withdrawn);
        }
        if self.state.notes.pending.is_empty() || self.state.notes.tip.is_none() {
            return Ok(withdrawn);
        }
        self.propose(&words, now)?;
        Ok(true)
    }

    /// A person wants these apps pushed: the followed branch is tried again.
    pub(super) fn try_followed_branch(&mut self, apps: &[AppName]) {
        if let Some(proposal) = &mut self.state.notes.proposal
            && apps.iter().any(|app| proposal.apps.remove(app).is_some())
        {
            proposal.apps.retain(|app, _| !apps.contains(app));
            self.protection = Protection::default();
            self.rest = None;
        }
    }

    /// An app that waits on our branch, unchanged on either side since it was put there.
    pub(super) fn waits_on_own_branch(
        &self,
        app: &AppName,
        ours: Option<ObjectId>,
        theirs: Option<ObjectId>,
    ) -> Option<Finding> {
        let proposal = self.state.notes.proposal.as_ref()?;
        let proposed = proposal.apps.get(app)?;
        if proposed.ours != ours || proposed.theirs != theirs {
            return None;
        }
        let Proposal { branch, push_error, words, .. } = proposal;
        let reason = match push_error {
            None => format!(
                "waits on branch {branch} to be merged into {:?}, which the remote does not let us push to: {words}",
                self.settings.branch.as_str()
            ),
            Some(error) => {
                format!(
                    "kept here, to wait on branch {branch}, which could not be pushed: {error}; it is tried again by itself"
                )
            }
        };
        Some(Finding::Wait(AppState::Held, reason))
    }

    /// What `app` is on our branch while it waits there, else `theirs`: what a new commit's words are told from.
    pub(super) fn state_before(&self, app: &AppName, theirs: Option<ObjectId>) -> Option<ObjectId> {
        let proposed = self.state.notes.proposal.as_ref().and_then(|proposal| proposal.apps.get(app));
        proposed.map_or(theirs, |proposed| proposed.tree)
    }

    /// For people: how much waits there.
    pub(super) fn proposal_notice(&self) -> Option<String> {
        let proposal = self.state.notes.proposal.as_ref().filter(|proposal| !proposal.apps.is_empty())?;
        let count = proposal.apps.len();
        let (apps, waits) = if count == 1 { ("app", "waits") } else { ("apps", "wait") };
        let followed = self.settings.branch.as_str();
        Some(format!("{count} {apps} {waits} on branch {} to be merged into {followed:?}", proposal.branch))
    }

    /// The push of our branch, if it waits.
    pub(super) fn outgoing_proposal(&self, now: Now) -> Option<RefUpdate> {
        let proposal = self.state.notes.proposal.as_ref()?;
        let is_used = !proposal.apps.is_empty() || proposal.pushed.is_some();
        let is_new = proposal.pushed != Some(proposal.head);
        let may = proposal.push_error.is_none() || self.protection.retry_at.is_none_or(|at| now.instant >= at);
        (is_used && is_new && may).then(|| RefUpdate {
            name: full_ref(&proposal.branch),
            expected: proposal.pushed,
            new: proposal.head,
        })
    }

    /// Takes over what became of the push of our branch.
    pub(super) fn take_proposal_outcome(
        &mut self,
        update: &RefUpdate,
        outcome: &RefOutcome,
        now: Now,
    ) -> Result<(), Failure> {
        let Some(proposal) = &mut self.state.notes.proposal else { return Ok(()) };
        self.rest = None;
        match outcome {
            RefOutcome::Accepted => {
                tracing::info!(branch = proposal.branch, commit = %update.new.short(), "pushed, to be merged");
                proposal.pushed = Some(update.new);
                proposal.push_error = None;
                Ok(())
            }
            RefOutcome::Refused(words) => {
                tracing::warn!(branch = proposal.branch, words, "our own branch was refused, too");
                proposal.push_error = Some(words.clone());
                self.protection.retry_at = Some(now.instant + RETRY);
                Ok(())
            }
            // Deleted there after it was merged, or somebody else pushed to it: it is begun anew, under the next name if this
            // one is taken. Nothing is forced.
            RefOutcome::Moved => self.begin_anew(update.expected.is_none(), now),
        }
    }

    /// Moves the unpushed commits onto our branch.
    fn propose(&mut self, words: &str, now: Now) -> Result<(), Failure> {
        self.all_or_nothing(|engine| engine.move_unpushed(words, now))
    }

    fn move_unpushed(&mut self, words: &str, now: Now) -> Result<(), Failure> {
        let mut proposal = self.proposal_on_tip(now)?;
        words.clone_into(&mut proposal.words);
        let pending = std::mem::take(&mut self.state.notes.pending);
        for Unpushed { commit, edits } in self.unpushed_since(self.state.notes.tip)? {
            proposal.head = self.put_on(proposal.head, &edits, commit)?;
            for (app, tree) in edits {
                let ours = pending.get(&app).copied().unwrap_or(tree);
                let theirs = self.remote.apps.get(&app).copied();
                proposal.apps.insert(app, Proposed { ours, tree, theirs });
            }
        }
        for app in pending.keys() {
            self.state.notes.wanted.remove(app);
            self.state.notes.confirmed.remove(app);
        }
        tracing::warn!(
            branch = proposal.branch,
            apps = pending.len(),
            words,
            "the branch refuses our commits: they wait on one of their own"
        );
        self.state.notes.head = self.state.notes.tip;
        self.ahead.clear();
        self.keep_proposal(proposal)
    }

    /// Our branch, with all that the followed one has.
    fn proposal_on_tip(&self, now: Now) -> Result<Proposal, Failure> {
        let tip =
            self.state.notes.tip.ok_or_else(|| Failure::internal("there is no branch to propose anything for"))?;
        let Some(mut proposal) = self.state.notes.proposal.clone() else {
            let branch = self.name_after(&format!("appferry/{}", component(&self.settings.instance)), false);
            return Ok(Proposal { branch, head: tip, ..Proposal::default() });
        };
        proposal.push_error = None;
        if proposal.apps.is_empty() && self.repo.descends_from(tip, proposal.head)? {
            proposal.head = tip; // merged as it was: it goes on from there
        } else if !self.repo.descends_from(proposal.head, tip)? {
            let edits = proposal.apps.iter().map(|(app, proposed)| (app.clone(), proposed.tree)).collect();
            let root = self.repo.commit(tip)?.tree;
            let subject = format!("Merge branch '{}' into {}", self.settings.branch, proposal.branch);
            proposal.head = self.repo.write_commit(&Commit {
                tree: with_apps(&*self.repo, Some(root), &self.settings.prefix, &edits)?,
                parents: vec![proposal.head, tip],
                ..self.own_commit(&subject, now)
            })?;
        }
        Ok(proposal)
    }

    /// Starts the branch again from the followed one's tip.
    fn begin_anew(&mut self, name_is_taken: bool, now: Now) -> Result<(), Failure> {
        let (Some(known), Some(tip)) = (self.state.notes.proposal.clone(), self.state.notes.tip) else { return Ok(()) };
        let branch = self.name_after(&known.branch, name_is_taken);
        let mut proposal = Proposal { branch, head: tip, pushed: None, push_error: None, ..known };
        for (app, proposed) in &proposal.apps {
            let theirs = self.remote.apps.get(app).copied();
            let commit = self.own_commit(&self.describe(app, theirs, proposed.tree)?, now);
            proposal.head = self.put_on(proposal.head, &BTreeMap::from([(app.clone(), proposed.tree)]), commit)?;
        }
        self.keep_proposal(proposal)
    }

    /// What waits there and was taken back here is taken back there, or it would return when that is merged.
    fn withdraw_reverted(&mut self, now: Now) -> Result<bool, Failure> {
        let Some(known) = &self.state.notes.proposal else { return Ok(false) };
        let is_reverted = |app: &&AppName| self.findings.get(*app) == Some(&Finding::InSync);
        let reverted: Vec<AppName> = known.apps.keys().filter(is_reverted).cloned().collect();
        if reverted.is_empty() {
            return Ok(false);
        }
        let mut proposal = self.proposal_on_tip(now)?;
        for app in reverted {
            let (before, after) = (self.state_before(&app, None), self.remote.apps.get(&app).copied());
            let commit = self.own_commit(&self.describe(&app, before, after)?, now);
            proposal.head = self.put_on(proposal.head, &BTreeMap::from([(app.clone(), after)]), commit)?;
            proposal.apps.remove(&app);
        }
        self.keep_proposal(proposal)?;
        Ok(true)
    }

    fn keep_proposal(&mut self, proposal: Proposal) -> Result<(), Failure> {
        self.repo.edit_refs(&[RefEdit { name: PIN.to_owned(), to: Some(proposal.head) }])?;
        self.state.notes.proposal = Some(proposal);
        self.rest = None;
        Ok(())
    }

    /// A commit on top of `parent` with these apps changed; `parent` itself if that changes nothing.
    fn put_on(
        &self,
        parent: ObjectId,
        edits: &BTreeMap<AppName, Option<ObjectId>>,
        like: Commit,
    ) -> Result<ObjectId, Failure> {
        let root = self.repo.commit(parent)?.tree;
        let tree = with_apps(&*self.repo, Some(root), &self.settings.prefix, edits)?;
        if tree == root {
            return Ok(parent);
        }
        self.repo.write_commit(&Commit { tree, parents: vec![parent], ..like })
    }

    fn own_commit(&self, message: &str, now: Now) -> Commit {
        let message = words::with_trailer(message, &self.settings.instance);
        let (author, committer) = (self.author(now), self.committer(now));
        Commit { tree: ObjectId::ZERO, parents: Vec::new(), author, committer, message }
    }

    /// `branch`, or the next one after it: `appferry/dev`, `appferry/dev-2`, … Never the one that is followed.
    fn name_after(&self, branch: &str, is_taken: bool) -> String {
        let first = format!("appferry/{}", component(&self.settings.instance));
        if !is_taken && branch != self.settings.branch.as_str() {
            return branch.to_owned();
        }
        let number =
            branch.strip_prefix(&first).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok()).unwrap_or(1);
        self.name_after(&format!("{first}-{}", number + 1), false)
    }
}

fn full_ref(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
