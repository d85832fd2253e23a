//! A history that the remote rewrote is just a new tip (rule 8): each app is planned from its pinned base. Only those with
//! unpushed edits that do not merge with it have diverged: they are kept as conflicts are, and called by that name.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::status::AppState;
use crate::domain::{AppName, ObjectId};

use super::Engine;

impl Engine {
    /// Notes which followed apps the rewriting changed. A note lasts until the app has its base in the new history.
    pub(super) fn note_rewritten(&mut self, old_apps: &BTreeMap<AppName, ObjectId>) {
        let names: BTreeSet<&AppName> = old_apps.keys().chain(self.remote.apps.keys()).collect();
        let changed = names.into_iter().filter(|app| old_apps.get(*app) != self.remote.apps.get(*app));
        let followed: Vec<AppName> = changed.filter(|app| self.state.bases.contains_key(*app)).cloned().collect();
        self.state.notes.rewritten.extend(followed);
    }

    /// What an app whose two sides clash is called.
    pub(super) fn clash_state(&self, app: &AppName) -> AppState {
        if self.state.notes.rewritten.contains(app) { AppState::Diverged } else { AppState::Conflict }
    }

    /// What a person is told first of a clash.
    pub(super) fn clash_cause(&self, app: &AppName) -> &'static str {
        if self.state.notes.rewritten.contains(app) {
            "diverged: the history in Git was rewritten, and what was changed here does not merge with it: "
        } else {
            ""
        }
    }
}
