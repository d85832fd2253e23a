//! Apps of a locked instance that stay where a person put them.

use crate::domain::plan::Change;
use crate::domain::status::AppState;
use crate::domain::{AppName, Failure, ObjectId};
use crate::sync::engine::Engine;
use crate::sync::engine::finding::Finding;

impl Engine {
    /// What planning finds for an app that is pinned and differs from the branch.
    pub(in crate::sync::engine) fn find_pinned(
        &mut self,
        app: &AppName,
        local: Option<ObjectId>,
        remote: Option<ObjectId>,
    ) -> Result<Option<Finding>, Failure> {
        let Some(pin) = self.pin(app) else { return Ok(None) };
        let (tree, shown) = (pin.tree, format!("{} ({})", pin.from, pin.commit.short()));
        if self.comparer.change(&*self.repo, local, remote)? != Change::Real {
            return Ok(None);
        }
        let name = app.as_str();
        let back = format!("`appferry sync pull {name:?}` lets it follow the branch again");
        let at_it = self.comparer.change(&*self.repo, Some(tree), local)? != Change::Real;
        Ok(Some(if at_it {
            Finding::Wait(AppState::Held, format!("pinned at {shown} by a person; {back}"))
        } else {
            let reason = format!("pinned at {shown}, and changed here although this instance is locked; {back}");
            Finding::Wait(AppState::Drift, reason)
        }))
    }

    /// Where an app stays; only on a locked instance.
    pub(in crate::sync::engine) fn pin(&self, app: &AppName) -> Option<&crate::sync::state::Pin> {
        self.state.notes.pins.get(app).filter(|_| self.settings.mode.locked)
    }
}
