//! Rest: a planning that left nothing to do holds until something changes, so that an idle pass costs nothing.

use super::disk::removal_delay;
use super::finding::Finding;
use super::{Engine, Knowledge, Now};
use crate::sync::state::Notes;

/// All that a planning depends on, beside the bases: they change with a note, or through `set_base`, which ends the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    notes: Notes,
    knowledge: Knowledge,
    disk_changes: u64,
}

impl Engine {
    /// Whether planning again would find what it found the last time.
    pub(super) fn is_at_rest(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| {
            rest.disk_changes == self.disk.changes()
                && rest.knowledge == self.remote.knowledge
                && rest.notes == self.state.notes
        })
    }

    /// Notes that nothing moved, if nothing will by itself either: no clock is waited for and nothing is tried again.
    pub(super) fn come_to_rest(&mut self, now: Now) {
        let lasting = |finding: &Finding| matches!(finding, Finding::InSync | Finding::Committed | Finding::Wait(..));
        let lasts = self.refused.is_empty()
            && !self.disk.is_counting(removal_delay(self.settings.debounce), now)
            && self.findings.values().all(lasting);
        self.rest = lasts.then(|| Rest {
            notes: self.state.notes.clone(),
            knowledge: self.remote.knowledge.clone(),
            disk_changes: self.disk.changes(),
        });
    }
}
