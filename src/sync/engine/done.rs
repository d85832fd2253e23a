//! What was done, until it was told: it is kept in the state, so that a kill in between loses no event.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::event::{Change, Direction, What};
use crate::domain::words::RELEASE;
use crate::domain::{AppName, ObjectId};
use crate::ports::AuditEntry;

use super::Engine;
use super::finding::Sides;
use crate::sync::trees::find_tree;

/// A row names at most so many apps.
const NAMED: usize = 20;
/// While nothing can be told, so much is remembered.
const REMEMBERED: usize = 20_000;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The same however often it is told.
    pub id: String,
    /// When (RFC 3339).
    pub time: String,
    /// The app, if it is about one.
    pub app: Option<AppName>,
    /// What.
    pub what: What,
}

/// What was done and not told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// In its order.
    pub deeds: Vec<Deed>,
    /// Where the branch is.
    pub tip: Option<ObjectId>,
}

impl Engine {
    /// What was done and not told yet.
    #[must_use]
    pub fn done(&self) -> Done {
        Done { deeds: self.state.notes.deeds.clone(), tip: self.tip() }
    }

    /// The first `count` of it was told. A kill before this is saved lets it be told again, with the same ids.
    pub fn forget_done(&mut self, count: usize) {
        let deeds = &mut self.state.notes.deeds;
        deeds.drain(..count.min(deeds.len()));
    }

    pub(super) fn note(&mut self, app: Option<&AppName>, what: What) {
        if self.state.notes.deeds.len() >= REMEMBERED {
            tracing::warn!(kind = what.kind(), "too much is untold; this event is lost");
            return;
        }
        let id = format!("{:016x}", rand::random::<u64>());
        let time = jiff::Timestamp::now().to_string();
        self.state.notes.deeds.push(Deed { id, time, app: app.cloned(), what });
    }

    pub(super) fn end_conflict(&mut self, app: &AppName) {
        if self.state.notes.conflicts.remove(app).is_some() {
            self.note(Some(app), What::ConflictResolved {});
        }
    }

    /// What the head holds of these apps.
    pub(super) fn apps_at_head<'a>(
        &self,
        apps: impl Iterator<Item = &'a AppName>,
    ) -> BTreeMap<AppName, Option<ObjectId>> {
        let at_head =
            |app: &AppName| self.ahead.get(app).copied().unwrap_or_else(|| self.remote.apps.get(app).copied());
        apps.map(|app| (app.clone(), at_head(app))).collect()
    }

    pub(super) fn note_committed(
        &mut self,
        before: &BTreeMap<AppName, Option<ObjectId>>,
        edits: &BTreeMap<AppName, Option<ObjectId>>,
        message: &str,
    ) {
        let commit = self.state.notes.head.map(|id| id.to_string()).unwrap_or_default();
        let subject = message.lines().next().unwrap_or_default();
        for (app, tree) in edits {
            let published = self.is_published(before.get(app).copied().flatten(), *tree);
            self.note(Some(app), What::Committed { commit: commit.clone(), subject: subject.to_owned(), published });
        }
    }

    /// The remote has these apps now; `before` it had those.
    pub(super) fn note_pushed(
        &mut self,
        pushed: &BTreeMap<AppName, Option<ObjectId>>,
        before: &BTreeMap<AppName, ObjectId>,
    ) {
        for (app, tree) in pushed {
            let old = before.get(app).copied();
            let change = Change::between(old.is_some(), tree.is_some());
            let published = self.is_published(old, *tree);
            let commit = self.tip_text();
            self.note(Some(app), What::Pushed { commit: commit.clone(), change, published });
            if published {
                self.note(Some(app), What::Published { commit, direction: Direction::Out });
            }
        }
    }

    /// An app was installed over `old`.
    pub(super) fn note_installed(&mut self, app: &AppName, old: Option<ObjectId>, sides: Sides) {
        let change = Change::between(sides.local.is_some(), sides.remote.is_some());
        let published = self.is_published(old, sides.remote);
        let commit = self.tip_text();
        self.note(Some(app), What::Installed { commit: commit.clone(), change, published });
        if published {
            self.note(Some(app), What::Published { commit, direction: Direction::In });
        }
    }

    /// Both sides are found equal although the base is an older one: a kill cut off the note of a push or an install.
    pub(super) fn note_adopted(&mut self, app: &AppName) {
        let (base, remote) = (self.state.bases.get(app).copied(), self.remote.apps.get(app).copied());
        if base.is_none() || base == remote {
            return;
        }
        if self.is_tip_ours() {
            let before = base.map(|tree| (app.clone(), tree)).into_iter().collect();
            self.note_pushed(&BTreeMap::from([(app.clone(), remote)]), &before);
        } else {
            self.note_installed(app, base, Sides { base, local: base, remote });
        }
    }

    /// Whether this instance made the newest commit, by its trailer.
    fn is_tip_ours(&self) -> bool {
        let tip = self.tip().and_then(|tip| self.repo.commit(tip).ok());
        let ours = format!("Appferry-Instance: {}", self.settings.instance);
        tip.is_some_and(|commit| commit.message.lines().any(|line| line.trim() == ours))
    }

    pub(super) fn note_refused(&mut self, words: &str) {
        let mut pending = self.state.notes.pending.keys();
        let app = pending.next().filter(|_| self.state.notes.pending.len() == 1).cloned();
        self.note(app.as_ref(), What::Refused { message: words.to_owned() });
    }

    /// Whether the release in an app's tree is there and another than before. What cannot be read is none.
    fn is_published(&self, old: Option<ObjectId>, new: Option<ObjectId>) -> bool {
        let release = |tree| find_tree(&*self.repo, tree, RELEASE).ok().flatten();
        let now = new.and_then(|new| release(Some(new)));
        now.is_some() && now != old.and_then(|old| release(Some(old)))
    }

    fn tip_text(&self) -> String {
        self.tip().map(|tip| tip.to_string()).unwrap_or_default()
    }
}

impl Done {
    /// The rows of the audit log that tell of it: one a direction.
    #[must_use]
    pub fn rows(&self, whereto: &str) -> Vec<AuditEntry> {
        let tip = self.tip.map(|tip| format!("{}; ", tip.short())).unwrap_or_default();
        let row = |direction: &str, outcome: &str, detail: String| AuditEntry {
            event: "app_git_sync",
            purpose: Some(format!("{direction} {whereto}")),
            outcome: outcome.to_owned(),
            detail: Some(detail),
            ..AuditEntry::default()
        };
        let apps = |wanted: fn(&What) -> bool| -> BTreeSet<&AppName> {
            self.deeds.iter().filter(|deed| wanted(&deed.what)).filter_map(|deed| deed.app.as_ref()).collect()
        };
        let pushed = apps(|what| matches!(what, What::Pushed { .. }));
        let installed = apps(|what| matches!(what, What::Installed { .. }));
        let mut rows = Vec::new();
        if !pushed.is_empty() {
            rows.push(row("push", "ok", format!("{tip}{}", named(&pushed))));
        }
        for deed in &self.deeds {
            if let What::Refused { message } = &deed.what {
                rows.push(row("push", "refused by the remote", message.clone()));
            }
        }
        if !installed.is_empty() {
            rows.push(row("pull", "ok", format!("{tip}{}", named(&installed))));
        }
        rows
    }
}

fn named(apps: &BTreeSet<&AppName>) -> String {
    let names: Vec<String> = apps.iter().take(NAMED).map(|app| format!("'{app}'")).collect();
    let more = match apps.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}: {}{more}", apps.len(), if apps.len() == 1 { "app" } else { "apps" }, names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deed(app: usize, what: What) -> Deed {
        let app = Some(AppName::new(format!("App {app:03}")).unwrap());
        Deed { id: String::new(), time: String::new(), app, what }
    }

    #[test]
    fn each_direction_is_a_row_that_names_its_apps_but_not_thousands() {
        let (commit, change, published) = (String::new(), Change::Added, false);
        let pushed = What::Pushed { commit: commit.clone(), change, published };
        let installed = What::Installed { commit, change, published };
        let deeds = std::iter::once(deed(0, pushed)).chain((0..30).map(|app| deed(app, installed.clone())));
        let done = Done { deeds: deeds.collect(), tip: None };
        let rows = done.rows("git@host:x main");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].purpose.as_deref(), Some("push git@host:x main"));
        assert_eq!(rows[0].detail.as_deref(), Some("1 app: 'App 000'"));
        assert!(rows[1].detail.as_ref().unwrap().ends_with("'App 019' and 10 more"));
        assert!(Done::default().rows("x").is_empty());
    }
}
