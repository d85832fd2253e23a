//! What shall be pushed, and what came of it.

use std::time::{Duration, Instant};

use crate::domain::event::What;
use crate::domain::{AppName, Failure, ObjectId};
use crate::ports::{RefOutcome, RefUpdate};

use super::{Engine, Knowledge, Now, Refusal};
use crate::sync::action::RefFate;
use crate::sync::state::Sent;

/// A refusal is tried again after this long, doubled with each further one up to the limit.
const FIRST_RETRY: Duration = Duration::from_mins(1);
const LAST_RETRY: Duration = Duration::from_hours(1);
/// After so many apps in a row the rest is taken to be refused for the same reason.
const ENOUGH_REFUSALS: usize = 3;

/// The updates of one push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// For [`Remote::push`](crate::ports::Remote::push), in its order.
    pub updates: Vec<RefUpdate>,
    /// What each update is for.
    purposes: Vec<Purpose>,
}

/// What a ref is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// The branch that is followed.
    Branch,
    /// The conflict branch of this app.
    Conflict(AppName),
    /// The branch of our own for what the followed one does not take.
    Proposal,
    /// A tag that a person asked for.
    Tag,
}

impl Outgoing {
    /// Whether there is nothing to push.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.updates.is_empty()
    }

    fn add(&mut self, update: RefUpdate, purpose: Purpose) {
        self.updates.push(update);
        self.purposes.push(purpose);
    }
}

/// What the worker does after a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushEffect {
    /// Go on.
    Done,
    /// Somebody pushed first: fetch, then go on.
    FetchFirst,
    /// Refused in these words; the apps in question are held.
    Refused(String),
}

impl Engine {
    /// The refs that wait to be pushed. Each `new` descends from its `expected`: the head is built on the tip, and a
    /// conflict branch only grows.
    #[must_use]
    pub fn outgoing(&self, now: Now) -> Outgoing {
        let mut outgoing = Outgoing::default();
        let notes = &self.state.notes;
        let may_push = matches!(self.remote.knowledge, Knowledge::Tip | Knowledge::Unborn);
        if let Some(head) = notes.head.filter(|head| may_push && Some(*head) != notes.tip) {
            let name = self.settings.branch.full_ref();
            outgoing.add(RefUpdate { name, expected: notes.tip, new: head }, Purpose::Branch);
        }
        if let Some(tag) = self.tag_update().filter(|_| may_push) {
            outgoing.add(tag, Purpose::Tag);
            return outgoing; // what becomes of the two depends on each other, and on nothing else
        }
        for (app, note) in &notes.conflicts {
            if may_push && note.pushed != Some(note.commit) && note.push_error.is_none() {
                let name = format!("refs/heads/{}", note.branch);
                outgoing
                    .add(RefUpdate { name, expected: note.pushed, new: note.commit }, Purpose::Conflict(app.clone()));
            }
        }
        if let Some(update) = self.outgoing_proposal(now).filter(|_| may_push) {
            outgoing.add(update, Purpose::Proposal);
        }
        outgoing
    }

    /// What is to be pushed, once it is certain that a start after a crash in the middle of the push knows what was pushed.
    ///
    /// # Errors
    /// Disk: nothing may be sent. Internal if an update is not a fast-forward.
    pub fn set_out(&mut self, now: Now) -> Result<Outgoing, Failure> {
        let outgoing = self.outgoing(now);
        self.prove_fast_forward(&outgoing)?;
        let before = self.state.notes.sent.clone();
        if outgoing.purposes.contains(&Purpose::Branch)
            && let Some(head) = self.state.notes.head
        {
            self.note_sent(head);
        }
        if let Err(failure) = self.write_state(now) {
            self.state.notes.sent = before; // nothing is sent
            return Err(failure);
        }
        Ok(outgoing)
    }

    /// Proves that every update is a fast-forward (rule 4), by history and not by how it was made.
    ///
    /// # Errors
    /// Internal, naming the ref, if one is not.
    fn prove_fast_forward(&self, outgoing: &Outgoing) -> Result<(), Failure> {
        for update in &outgoing.updates {
            let Some(expected) = update.expected else { continue };
            if !self.repo.descends_from(update.new, expected)? {
                return Err(Failure::internal(format!("the push of {} would not be a fast-forward", update.name)));
            }
        }
        Ok(())
    }

    /// Takes over what the remote answered to `outgoing`.
    ///
    /// # Errors
    /// Disk.
    pub fn take_outcomes(
        &mut self,
        outgoing: &Outgoing,
        outcomes: &[RefOutcome],
        now: Now,
    ) -> Result<PushEffect, Failure> {
        let mut effect = PushEffect::Done;
        let answers: Vec<_> = outgoing.updates.iter().zip(&outgoing.purposes).zip(outcomes).collect();
        let of_the_branch = answers.iter().find(|((_, purpose), _)| **purpose == Purpose::Branch).map(|(_, o)| *o);
        let mut again = false;
        if let Some(((update, _), outcome)) = answers.iter().find(|((_, purpose), _)| **purpose == Purpose::Tag) {
            again = self.take_tag_outcome(update, outcome, of_the_branch)?;
        }
        for ((update, purpose), outcome) in answers {
            self.tell_outcome(update, purpose, outcome);
            match purpose {
                Purpose::Tag => {}
                Purpose::Branch if again => {}
                Purpose::Conflict(app) => self.take_conflict_outcome(app, update, outcome, now),
                Purpose::Proposal => self.take_proposal_outcome(update, outcome, now)?,
                Purpose::Branch => effect = self.take_branch_outcome(update.new, outcome, now)?,
            }
        }
        self.save(now)?;
        Ok(effect)
    }

    fn tell_outcome(&mut self, update: &RefUpdate, purpose: &Purpose, outcome: &RefOutcome) {
        match outcome {
            RefOutcome::Accepted => self.tell_ref(update, RefFate::Accepted, None),
            RefOutcome::Moved if *purpose == Purpose::Tag => {} // told where it is understood
            RefOutcome::Moved => self.tell_ref(update, RefFate::Moved, None),
            RefOutcome::Refused(words) => self.tell_ref(update, RefFate::Refused, Some(words.clone())),
        }
    }

    fn take_branch_outcome(&mut self, pushed: ObjectId, outcome: &RefOutcome, now: Now) -> Result<PushEffect, Failure> {
        match outcome {
            RefOutcome::Accepted if self.state.notes.head != Some(pushed) => {
                self.all_or_nothing(|engine| engine.rebase_onto(pushed, now))?; // more was saved meanwhile
                self.after_push(pushed);
                Ok(PushEffect::Done)
            }
            RefOutcome::Accepted => {
                self.state.notes.sent = None;
                self.state.notes.tip = Some(pushed);
                self.state.notes.branch_seen = true;
                self.remote.knowledge = Knowledge::Tip;
                let ahead = std::mem::take(&mut self.ahead);
                let before = ahead.keys().filter_map(|app| Some((app.clone(), *self.remote.apps.get(app)?))).collect();
                self.note_pushed(&ahead, &before);
                for (app, tree) in ahead {
                    match tree {
                        Some(tree) => self.remote.apps.insert(app, tree),
                        None => self.remote.apps.remove(&app),
                    };
                }
                self.confirm_pending(now);
                self.after_push(pushed);
                Ok(PushEffect::Done)
            }
            // The note of what was sent stays: it may have landed and been overtaken. The branch tells, when it is seen.
            RefOutcome::Moved => Ok(PushEffect::FetchFirst),
            RefOutcome::Refused(words) => {
                self.note_refused(words);
                let sent = self.state.notes.sent.take();
                if !self.take_to_own_branch(words, now)? {
                    self.take_refusal(sent, words, now)?;
                }
                Ok(PushEffect::Refused(words.clone()))
            }
        }
    }

    fn after_push(&mut self, pushed: ObjectId) {
        for refusal in self.refused.values_mut() {
            refusal.tip = Some(pushed); // the tip moved by our own push: no reason to try again at once
        }
        tracing::info!(tip = %pushed.short(), "pushed");
    }

    /// Several apps are tried again one by one; a single one is held, in the state that was sent.
    fn take_refusal(&mut self, sent: Option<Sent>, words: &str, now: Now) -> Result<(), Failure> {
        let notes = &self.state.notes;
        let (apps, renamed) =
            sent.map_or_else(|| (notes.pending.clone(), notes.renamed.clone()), |sent| (sent.pending, sent.renamed));
        let names: Vec<AppName> = apps.keys().chain(notes.pending.keys()).cloned().collect();
        let units = apps.len() - renamed.len().min(apps.len()); // a rename is one thing under two names
        self.drop_unpushed(&names, now)?;
        let refused_alike = self.refused.values().filter(|refusal| refusal.words == words).count();
        if units > 1 && refused_alike < ENOUGH_REFUSALS {
            self.one_by_one = true;
            return Ok(());
        }
        for (app, local) in apps {
            let attempts = self.refused.get(&app).map_or(0, |refusal| refusal.attempts) + 1;
            let wait = FIRST_RETRY.saturating_mul(1 << (attempts - 1).min(10)).min(LAST_RETRY);
            tracing::warn!(%app, words, retry_in_s = wait.as_secs(), "the remote refused the push");
            let tip = self.state.notes.tip;
            let retry_at = now.instant + wait;
            self.refused.insert(app, Refusal { words: words.to_owned(), local, tip, retry_at, attempts });
        }
        if self.refused.values().filter(|refusal| refusal.words == words).count() >= ENOUGH_REFUSALS {
            self.one_by_one = false; // all the others in one push: accepted, or refused alike
        }
        Ok(())
    }

    fn take_conflict_outcome(&mut self, app: &AppName, update: &RefUpdate, outcome: &RefOutcome, now: Now) {
        let time = crate::sync::ref_names::time_component(self.recorded(now).unix_seconds);
        let Some(note) = self.state.notes.conflicts.get_mut(app) else { return };
        match outcome {
            RefOutcome::Accepted => {
                note.pushed = Some(update.new);
                note.push_error = None;
            }
            RefOutcome::Moved => {
                // The branch is not where we left it (an answer was lost, or somebody used it): a new one keeps ours.
                note.branch = branch_after(&note.branch, &time);
                note.pushed = None;
            }
            RefOutcome::Refused(words) => {
                note.push_error = Some(words.clone());
                self.note(Some(app), What::Refused { message: words.clone() });
            }
        }
    }

    /// The words of a standing refusal, if there is one, and how long until it is tried again.
    pub(super) fn refusal(&self) -> Option<(String, Duration)> {
        let refusal = self.refused.values().min_by_key(|refusal| refusal.retry_at)?;
        Some((refusal.words.clone(), refusal.retry_at.saturating_duration_since(Instant::now())))
    }
}

/// The next name for a conflict branch whose name is taken: that of `time`, or numbered if it has that already.
fn branch_after(branch: &str, time: &str) -> String {
    let (folder, old) = branch.rsplit_once('/').unwrap_or(("conflict", branch));
    match old.strip_prefix(time) {
        None => format!("{folder}/{time}"),
        Some(number) => {
            let number = number.trim_start_matches('-').parse::<u64>().unwrap_or(1);
            format!("{folder}/{time}-{}", number.saturating_add(1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_branch_finds_a_free_name_while_the_clock_stands_still() {
        let mut branch = "conflict/dev/A/20250101T000000Z".to_owned();
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..12 {
            branch = branch_after(&branch, "20250102T000000Z");
            assert!(names.insert(branch.clone()), "{branch} again");
        }
        assert!(names.contains("conflict/dev/A/20250102T000000Z-12"), "{names:?}");
    }
}
