//! Apps whose names some file systems take for one: those that are new on either side are held.

use std::collections::{BTreeMap, HashMap};

use crate::domain::AppName;
use crate::domain::input::collisions::folded;
use crate::domain::status::AppState;

use super::Engine;
use super::finding::Finding;
use crate::sync::hostile::collision;

/// For each app that collides with another one: what is wrong.
pub(super) fn colliding<'a>(apps: impl Iterator<Item = &'a AppName>) -> BTreeMap<AppName, String> {
    let mut groups: HashMap<_, Vec<&AppName>> = HashMap::new();
    for app in apps {
        groups.entry(folded(app.as_str())).or_default().push(app);
    }
    let mut found = BTreeMap::new();
    for group in groups.values().filter(|group| group.len() > 1) {
        for app in group {
            let other = group.iter().find(|other| *other != app).unwrap_or(app);
            found.insert((*app).clone(), collision(app.as_str(), other.as_str()));
        }
    }
    found
}

impl Engine {
    /// An app that is on its way out collides with none; of those that stay, the ones that both sides know go on.
    pub(super) fn hold_collisions(&mut self) {
        let staying = self.findings.iter().filter(|(app, finding)| !self.goes(app, finding)).map(|(app, _)| app);
        for (app, reason) in colliding(staying) {
            let known = self.state.bases.contains_key(&app) || self.state.notes.pending.contains_key(&app);
            let is_told =
                matches!(self.findings.get(&app), Some(Finding::Wait(AppState::Held | AppState::Conflict, _)));
            if !known && !is_told {
                self.findings.insert(app, Finding::Wait(AppState::Held, reason));
            }
        }
    }

    fn goes(&self, app: &AppName, finding: &Finding) -> bool {
        match finding {
            Finding::Gone | Finding::HeldRemoval(_) => true,
            Finding::Push(sides) => sides.local.is_none(),
            Finding::Pull(sides) | Finding::Replace(sides) => sides.remote.is_none(),
            Finding::Committed => self.state.notes.pending.get(app).is_some_and(Option::is_none),
            Finding::InSync | Finding::Adopt | Finding::Merge(_) | Finding::Wait(..) => false,
        }
    }
}
