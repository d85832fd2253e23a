//! A tag on what is pushed: an annotated tag object, sent together with the branch. It belongs to the push that was asked for: what
//! does not get through then is told, and not tried later.

use std::collections::BTreeSet;

use crate::domain::{AppName, Failure, ObjectId, TagName};
use crate::ports::{RefEdit, RefOutcome, RefUpdate, Signature, Tag};
use crate::sync::action::{RefFate, RefReport};
use crate::sync::ref_names::component;

use crate::sync::engine::finding::Finding;
use crate::sync::engine::{Engine, Knowledge};

/// Refs that remember which commit we tagged.
const TAGGED: &str = "refs/appferry/tagged/";

/// A tag that was asked for.
#[derive(Clone, Debug)]
pub(in crate::sync::engine) struct Tagging {
    name: TagName,
    message: String,
    tagger: Signature,
    /// The apps that must be committed before.
    apps: BTreeSet<AppName>,
    /// The commit, and the tag object on it.
    made: Option<(ObjectId, ObjectId)>,
    /// The server has answered.
    told: bool,
}

impl Tagging {
    pub(super) fn new(name: TagName, message: String, tagger: Signature, apps: BTreeSet<AppName>) -> Self {
        Self { name, message, tagger, apps, made: None, told: false }
    }
}

impl Engine {
    /// Makes the tag that was asked for, on the head, once all of its apps are committed.
    pub(in crate::sync::engine) fn prepare_tag(&mut self) -> Result<(), Failure> {
        let Some(head) = self.state.notes.head.or(self.state.notes.tip) else { return Ok(()) };
        let Some(tagging) = self.tagging.as_ref().filter(|tagging| !tagging.told) else { return Ok(()) };
        let made = if tagging.apps.iter().any(|app| self.is_uncommitted(app)) {
            None
        } else if tagging.made.is_some_and(|(target, _)| target == head) {
            tagging.made
        } else {
            let (name, tagger) = (tagging.name.to_string(), tagging.tagger.clone());
            let message = tagging.message.clone();
            Some((head, self.repo.write_tag(&Tag { target: head, name, tagger, message })?))
        };
        if let Some(tagging) = &mut self.tagging {
            tagging.made = made;
        }
        Ok(())
    }

    fn is_uncommitted(&self, app: &AppName) -> bool {
        !matches!(
            self.findings.get(app),
            None | Some(Finding::InSync | Finding::Adopt | Finding::Committed | Finding::Pull(_))
        )
    }

    /// The update that makes the tag.
    pub(in crate::sync::engine) fn tag_update(&self) -> Option<RefUpdate> {
        let tagging = self.tagging.as_ref().filter(|tagging| !tagging.told)?;
        let (target, new) = tagging.made?;
        let is_head = Some(target) == self.state.notes.head.or(self.state.notes.tip);
        is_head.then(|| RefUpdate { name: tagging.name.full_ref(), expected: None, new })
    }

    /// What became of the tag; `branch` is what became of the branch in the same push.
    ///
    /// Answers whether the branch is to be pushed again, alone: it was refused together with the tag, and which of them the server
    /// objects to only shows then.
    pub(in crate::sync::engine) fn take_tag_outcome(
        &mut self,
        update: &RefUpdate,
        outcome: &RefOutcome,
        branch: Option<&RefOutcome>,
    ) -> Result<bool, Failure> {
        let Some((target, _)) = self.tagging.as_ref().and_then(|tagging| tagging.made) else { return Ok(false) };
        let known = format!("{TAGGED}{}", component(update.name.trim_start_matches("refs/tags/")));
        let branch_stands = branch.is_none_or(|branch| *branch == RefOutcome::Accepted);
        match outcome {
            RefOutcome::Accepted => self.repo.edit_refs(&[RefEdit { name: known, to: Some(target) }])?,
            RefOutcome::Moved if !branch_stands => return Ok(false), // not sent: the branch comes first
            RefOutcome::Moved => {
                let is_ours = self.repo.find_ref(&known)? == Some(target);
                let (outcome, words) = if is_ours {
                    (RefFate::Unchanged, "the tag is on this commit already")
                } else {
                    (RefFate::Exists, "the remote has a tag of this name, which is not touched; choose another name")
                };
                self.tell_ref(update, outcome, Some(words.to_owned()));
            }
            RefOutcome::Refused(_) => {}
        }
        if let Some(tagging) = &mut self.tagging {
            tagging.told = true;
        }
        Ok(matches!((outcome, branch), (RefOutcome::Refused(_), Some(RefOutcome::Refused(_)))))
    }

    /// Notes what became of a ref, for whoever asked.
    pub(in crate::sync::engine) fn tell_ref(&mut self, update: &RefUpdate, outcome: RefFate, words: Option<String>) {
        const MOST: usize = 1_000;
        if self.told.len() < MOST {
            // Where a tag of somebody else points, the server did not say.
            let is_elsewhere = matches!(outcome, RefFate::Unchanged | RefFate::Exists);
            let new = (!is_elsewhere).then(|| update.new.to_string());
            let old = update.expected.map(|id| id.to_string());
            self.told.push(RefReport { name: update.name.clone(), old, new, outcome, words });
        }
    }

    /// The pass is over: what is told of a tag that was not sent.
    pub(super) fn end_tagging(&mut self) -> Option<RefReport> {
        let tagging = self.tagging.take().filter(|tagging| !tagging.told)?;
        let waiting = tagging.apps.iter().find(|app| self.is_uncommitted(app));
        let why = match waiting {
            Some(app) => format!("the app {:?} is not committed", app.as_str()),
            None if self.state.notes.head.or(self.state.notes.tip).is_none() => "nothing is committed yet".to_owned(),
            None if matches!(self.remote.knowledge, Knowledge::Tip | Knowledge::Unborn) => {
                "the push did not get through".to_owned()
            }
            None => "the branch was not reached".to_owned(),
        };
        let words = Some(format!("the tag was not made: {why}; ask again once that is mended"));
        Some(RefReport { name: tagging.name.full_ref(), old: None, new: None, outcome: RefFate::NotSent, words })
    }
}
