//! Our own branch of the remote, where changes wait to be merged: it only grows, and is begun anew when it is no longer ours.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::words;
use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::{Commit, RefEdit, RefOutcome, RefUpdate};

use crate::sync::engine::{Engine, Now};
use crate::sync::ref_names::component;
use crate::sync::state::Proposal;
use crate::sync::trees::with_apps;

/// Keeps the branch's commits here, too.
const PIN: &str = "refs/appferry/proposed";
/// A refusal of our own branch is tried again after this long.
const RETRY: Duration = Duration::from_mins(1);

impl Engine {
    /// The push of our branch, if it waits.
    pub(in crate::sync::engine) fn outgoing_proposal(&self, now: Now) -> Option<RefUpdate> {
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
    pub(in crate::sync::engine) fn take_proposal_outcome(
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

    /// Our branch, with all that the followed one has.
    pub(super) fn proposal_on_tip(&self, now: Now) -> Result<Proposal, Failure> {
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

    pub(super) fn keep_proposal(&mut self, proposal: Proposal) -> Result<(), Failure> {
        self.repo.edit_refs(&[RefEdit { name: PIN.to_owned(), to: Some(proposal.head) }])?;
        self.state.notes.proposal = Some(proposal);
        self.rest = None;
        Ok(())
    }

    /// A commit on top of `parent` with these apps changed; `parent` itself if that changes nothing.
    pub(super) fn put_on(
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

    pub(super) fn own_commit(&self, message: &str, now: Now) -> Commit {
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
