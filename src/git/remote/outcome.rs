//! From what the server advertised and reported to what became of each ref.

use super::advertisement::Advertisement;
use super::receive_pack::{Report, is_tag};
use crate::ports::{RefOutcome, RefUpdate};

/// What can be said before anything is sent: `None` for the updates that are worth sending.
///
/// A tag names a commit of the branch that is pushed with it, so it stays here when the branch has moved.
pub(crate) fn before_sending(advertised: &Advertisement, updates: &[RefUpdate]) -> Vec<Option<RefOutcome>> {
    let decide = |update: &RefUpdate| match advertised.find(&update.name) {
        there if there == update.expected => None,
        there if there == Some(update.new) => Some(RefOutcome::Accepted), // by an earlier push whose report was lost
        _ => Some(RefOutcome::Moved),
    };
    let mut outcomes: Vec<Option<RefOutcome>> = updates.iter().map(decide).collect();
    let has_moved = |(update, outcome): (&RefUpdate, &Option<RefOutcome>)| {
        !is_tag(update) && matches!(outcome, Some(RefOutcome::Moved))
    };
    if updates.iter().zip(&outcomes).any(has_moved) {
        for (_, outcome) in updates.iter().zip(&mut outcomes).filter(|(update, _)| is_tag(update)) {
            *outcome = Some(RefOutcome::Moved);
        }
    }
    outcomes
}

/// A line of the report, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The outcome is clear.
    Clear(RefOutcome),
    /// The server could not move the ref, and does not say why: refused in these words if the ref is still where it was.
    LookAgain(String),
    /// The server lacks objects that were not sent because it seemed to have them.
    Incomplete(String),
}

impl Verdict {
    /// The outcome for `update`, with the help of a second look at the refs `now`, if there was one.
    pub(crate) fn settled(self, update: &RefUpdate, now: Option<&Advertisement>) -> RefOutcome {
        match self {
            Self::Clear(outcome) => outcome,
            Self::Incomplete(words) => RefOutcome::Refused(words),
            Self::LookAgain(words) => match now.map(|now| now.find(&update.name)) {
                Some(there) if there == Some(update.new) => RefOutcome::Accepted,
                Some(there) if there != update.expected => RefOutcome::Moved,
                Some(_) => RefOutcome::Refused(words),
                None => RefOutcome::Moved, // where it is now, the fetch will tell
            },
        }
    }
}

/// What `report` says about `update`.
pub(crate) fn verdict(report: &Report, update: &RefUpdate) -> Verdict {
    let refused = |words: String| Verdict::Clear(RefOutcome::Refused(words));
    match (report.about(&update.name), &report.unpack_error) {
        (_, Some(error)) if is_incomplete(error) => Verdict::Incomplete(with_words(error, &report.said)),
        (_, Some(error)) => {
            refused(with_words(&format!("the server could not store the objects: {error}"), &report.said))
        }
        (Some(None), None) => Verdict::Clear(RefOutcome::Accepted),
        (Some(Some(reason)), None) => reason_of(reason, &report.said),
        (None, None) => refused(with_words("the server's report does not mention this ref", &report.said)),
    }
}

/// What a reason means. Sources: git's `receive-pack.c` and `refs/files-backend.c`, libgit2, `JGit`.
///
/// Only a sure sign of another value counts as moved; every other sign of a race is looked into, so that a server that
/// always refuses is never taken for one that is always faster.
fn reason_of(reason: &str, said: &str) -> Verdict {
    let (lower, words) = (reason.to_lowercase(), said.to_lowercase());
    let has = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    if has(&["hook declined"]) {
        return Verdict::Clear(RefOutcome::Refused(with_words(reason, said)));
    }
    let other_value = |text: &str| text.contains("cannot lock ref") && text.contains("but expected");
    if other_value(&lower) || other_value(&words) || words.contains("reference already exists") {
        return Verdict::Clear(RefOutcome::Moved);
    }
    if has(&["missing necessary objects", "bad ref"]) {
        return Verdict::Incomplete(with_words(reason, said));
    }
    let race = ["fetch first", "non-fast-forward", "stale info", "already exists", "old value", "update ref", "lock"];
    if has(&race) {
        return Verdict::LookAgain(with_words(reason, said));
    }
    Verdict::Clear(RefOutcome::Refused(with_words(reason, said)))
}

fn is_incomplete(unpack_error: &str) -> bool {
    unpack_error.to_lowercase().contains("missing")
}

fn with_words(reason: &str, said: &str) -> String {
    if said.is_empty() { reason.to_owned() } else { format!("{reason}: {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ObjectId;

    fn verdict_of(reason: &str, said: &str) -> Verdict {
        let update = RefUpdate { name: "refs/heads/a".into(), expected: None, new: ObjectId::ZERO };
        let report =
            Report { unpack_error: None, refs: vec![(update.name.clone(), Some(reason.into()))], said: said.into() };
        verdict(&report, &update)
    }

    #[test]
    fn a_race_that_a_second_look_cannot_clear_up_is_left_to_the_fetch() {
        let update = RefUpdate { name: "refs/heads/a".into(), expected: None, new: ObjectId::ZERO };
        assert_eq!(Verdict::LookAgain("fetch first".into()).settled(&update, None), RefOutcome::Moved);
    }

    #[test]
    fn a_lost_race_is_told_from_a_refusal() {
        let moved = Verdict::Clear(RefOutcome::Moved);
        assert_eq!(verdict_of("fetch first", ""), Verdict::LookAgain("fetch first".into()));
        assert_eq!(
            verdict_of("failed to update ref", "error: cannot lock ref 'refs/heads/a': is at 1 but expected 2"),
            moved
        );
        assert_eq!(
            verdict_of("failed to update ref", "error: disk full"),
            Verdict::LookAgain("failed to update ref: error: disk full".into())
        );
        let hook = RefOutcome::Refused("pre-receive hook declined: not on friday".into());
        assert_eq!(verdict_of("pre-receive hook declined", "not on friday"), Verdict::Clear(hook));
        let tricky = verdict_of("pre-receive hook declined", "cannot lock ref: it is x but expected y");
        assert!(matches!(tricky, Verdict::Clear(RefOutcome::Refused(_))), "a hook may say anything");
        let protected = RefOutcome::Refused("protected branch hook declined".into());
        assert_eq!(verdict_of("protected branch hook declined", ""), Verdict::Clear(protected));
    }
}
