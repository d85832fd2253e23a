//! Whether a save that came through the API has reached the remote.

use std::collections::BTreeMap;

use super::Engine;
use super::finding::Finding;
use super::save::Saved;
use crate::domain::status::AppState;
use crate::domain::{AppName, ObjectId};

/// Whether what was saved is at the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is; the branch is at this commit.
    Pushed(ObjectId),
    /// Not yet; it goes on by itself.
    Waiting(Option<String>),
    /// The remote refused it, in these words.
    Refused(String),
    /// It waits for something that the reason names.
    Held(AppState, String),
}

/// The last save of each app that came through the API, and whether the remote has had it since: the base soon moves on to
/// what it was merged into.
#[derive(Debug, Default)]
pub(super) struct Awaited(BTreeMap<AppName, (ObjectId, bool)>);

impl Awaited {
    /// The remote contains this state of the app.
    pub(super) fn note(&mut self, app: &AppName, base: Option<ObjectId>) {
        if let Some((tree, arrived)) = self.0.get_mut(app) {
            *arrived |= Some(*tree) == base;
        }
    }

    /// A save begins. A deletion is not waited for.
    pub(super) fn begin(&mut self, app: &AppName, tree: Option<ObjectId>) {
        self.0.extend(tree.map(|tree| (app.clone(), (tree, false))));
    }

    fn has_arrived(&self, app: &AppName, tree: Option<ObjectId>) -> bool {
        self.0.get(app).is_some_and(|(awaited, arrived)| *arrived && Some(*awaited) == tree)
    }
}

impl Engine {
    /// Whether what was saved has arrived at the remote.
    #[must_use]
    pub fn save_arrival(&self, app: &AppName, saved: &Saved) -> Arrival {
        let is_base = self.state.bases.get(app).copied() == saved.tree;
        let was_base = self.awaited.has_arrived(app, saved.tree);
        if let Some(tip) = self.state.notes.tip
            && !self.state.notes.pending.contains_key(app)
            && (is_base
                || was_base
                || saved.commit.is_some_and(|commit| self.repo.descends_from(tip, commit).unwrap_or(false)))
        {
            return Arrival::Pushed(tip);
        }
        if let Some(refusal) = self.refused.get(app) {
            return Arrival::Refused(refusal.words.clone());
        }
        match self.findings.get(app) {
            Some(Finding::Wait(AppState::Modified, reason)) => Arrival::Waiting(Some(reason.clone())),
            Some(Finding::Wait(state, reason)) => Arrival::Held(*state, reason.clone()),
            Some(Finding::HeldRemoval(reason)) => Arrival::Held(AppState::Held, reason.clone()),
            _ => Arrival::Waiting(None),
        }
    }
}
