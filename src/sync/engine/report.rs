//! What a person is told about one repository, as far as the engine knows it.

use std::time::Duration;

use crate::domain::status::{AppState, AppStatus};
use crate::domain::{AppName, Failure};
use crate::sync::elsewhere::Elsewhere;

use super::finding::Finding;
use super::{Engine, Knowledge};

/// The engine's part of the status.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry an app, sorted by name.
    pub apps: Vec<AppStatus>,
    /// The newest commit here.
    pub local_tip: Option<String>,
    /// The newest commit known of the remote's branch.
    pub remote_tip: Option<String>,
    /// Apps with commits that are not pushed yet.
    pub unpushed: usize,
    /// Why the apps folder cannot be used, if it cannot.
    pub not_mounted: Option<String>,
    /// Names of other branches, when ours is not there.
    pub branch_absent: Option<Vec<String>>,
    /// The words of a standing refusal, and how long until it is tried again.
    pub refused: Option<(String, Duration)>,
    /// An app whose install failed.
    pub install_failure: Option<(AppName, Failure)>,
    /// Whether removals wait for a person.
    pub held_removals: bool,
    /// Things that work, but not as they should.
    pub notices: Vec<String>,
}

impl Engine {
    /// What the last planning came to.
    #[must_use]
    pub fn report(&self) -> Report {
        let notes = &self.state.notes;
        let apps: Vec<AppStatus> = self.findings.iter().map(|(app, finding)| self.app_status(app, finding)).collect();
        let held_removals = self.findings.values().any(|finding| matches!(finding, Finding::HeldRemoval(_)));
        Report {
            apps,
            local_tip: notes.head.or(notes.tip).map(|id| id.to_string()),
            remote_tip: notes.tip.map(|id| id.to_string()),
            unpushed: notes.pending.len(),
            not_mounted: self.disk.not_mounted.clone(),
            branch_absent: match &self.remote.knowledge {
                Knowledge::Absent(others) => Some(others.clone()),
                _ => None,
            },
            refused: self.refusal(),
            install_failure: self.install_failure().map(|(app, failure)| (app.clone(), failure.clone())),
            held_removals,
            notices: self.notices(),
        }
    }

    fn notices(&self) -> Vec<String> {
        let here = (self.disk.refused_names.iter())
            .map(|(name, rule)| format!("the folder \"{name}\" in the apps folder is not synced: {rule}"));
        let there = (self.remote.refused_names.iter())
            .map(|(name, rule)| format!("refused from Git: {name:?} beside the apps: {rule}"));
        let notices =
            here.chain(there).chain(self.elsewhere_notice()).chain(self.proposal_notice()).chain(self.mending_notice());
        notices.chain(self.withheld_notices()).collect()
    }

    /// Who meets appferry with a repository of another layout would else be told that everything is in sync: of no apps.
    fn elsewhere_notice(&self) -> Option<String> {
        let (elsewhere, prefix) = (self.remote.elsewhere.as_ref()?, self.settings.prefix.as_str());
        let none = match prefix {
            "" => "no app is at the root of the repository".to_owned(),
            prefix => format!("no app is in {prefix:?} in Git"),
        };
        Some(match elsewhere {
            Elsewhere::OneApp => format!(
                "{none}, but the repository looks like one app itself: `layout = \"single\"` in the file of APPFERRY_CONFIG syncs it"
            ),
            Elsewhere::Folder(folder) => {
                let there = if folder == "." { "its root".to_owned() } else { format!("{folder:?}") };
                format!("{none}, but {there} holds what looks like apps: APPFERRY_PREFIX={folder:?} syncs them")
            }
        })
    }

    pub(super) fn app_status(&self, app: &AppName, finding: &Finding) -> AppStatus {
        let (state, reason) = match finding {
            Finding::InSync | Finding::Adopt => (AppState::InSync, None),
            Finding::Committed => (AppState::Modified, Some("committed here, not pushed yet".to_owned())),
            Finding::Push(_) => (AppState::Modified, Some("changed here, about to be pushed".to_owned())),
            Finding::Merge(_) => (AppState::Modified, Some("changed on both sides, about to be merged".to_owned())),
            Finding::Pull(_) | Finding::Replace(_) => (AppState::Behind, Some(self.why_behind(app))),
            Finding::Gone => {
                (AppState::Modified, Some("its folder is gone; it counts as removed if it stays away".to_owned()))
            }
            Finding::HeldRemoval(reason) => (AppState::Held, Some(reason.clone())),
            Finding::Wait(state, reason) => (*state, Some(reason.clone())),
        };
        AppStatus { name: app.to_string(), state, reason }
    }

    fn why_behind(&self, app: &AppName) -> String {
        match self.install_failures.get(app) {
            Some(failure) => format!("not installed: {failure}"),
            None => "changed in Git, about to be installed".to_owned(),
        }
    }
}
