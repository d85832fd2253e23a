//! A followed branch that does not take our commits, because it is protected or a rule objects: they go to a branch of their
//! own, `appferry/<instance>`, and wait there to be merged (`APPFERRY_ON_PROTECTED=branch`).
//!
//! That branch only grows. It holds the followed branch and our changes on top, so that it can be merged as it is: where the
//! followed branch went on, it is merged into ours first. When an app arrives there, by whatever kind of merge, its two sides
//! are equal and it is in sync; nothing is remembered of how it came.

mod branch;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::domain::status::AppState;
use crate::domain::{AppName, Failure, ObjectId, OnProtected, RefusalKind};

use super::finding::Finding;
use super::tip::Unpushed;
use super::{Engine, Now};
use crate::sync::state::{Proposal, Proposed};

/// After this long the followed branch is tried again: its protection may have been lifted.
const TRY_AGAIN: Duration = Duration::from_hours(1);
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

    /// Moves the unpushed commits onto our branch.
    fn propose(&mut self, words: &str, now: Now) -> Result<(), Failure> {
        self.all_or_nothing(|engine| engine.move_unpushed(words, now))
    }

    fn move_unpushed(&mut self, words: &str, now: Now) -> Result<(), Failure> {
        let mut proposal = self.proposal_on_tip(now)?;
        words.clone_into(&mut proposal.words);
        let pending = std::mem::take(&mut self.state.notes.pending);
        for Unpushed { commit, edits, .. } in self.unpushed_since(self.state.notes.tip)? {
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
}
