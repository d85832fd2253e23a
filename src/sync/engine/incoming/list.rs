//! The list of what waits.

use std::collections::BTreeSet;

use crate::domain::status::AppState;
use crate::domain::{AppName, Failure};
use crate::sync::engine::finding::Finding;
use crate::sync::engine::{Engine, Now};
use crate::sync::history::{CommitShown, Reader};

use super::Arrival;

/// What happened elsewhere and is not so here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncomingApps {
    /// In Git, and not here.
    pub added: Vec<Arrived>,
    /// Changed in Git.
    pub updated: Vec<Arrived>,
    /// Here, and deleted in Git.
    pub deleted: Vec<Arrived>,
}

/// One app of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The app.
    pub app: AppName,
    /// Whether it was published there, and that is not here.
    pub published: bool,
    /// The commit that made it what it is in Git.
    pub change: Option<CommitShown>,
    /// That commit lies further back than was read so far.
    pub change_unread: bool,
    /// Whether it can be taken in, without and with its release.
    pub possible: [bool; 2],
    /// Why not, or what is to know of it.
    pub reason: Option<String>,
}

impl IncomingApps {
    /// Tells of each app who made it what it is in Git, as far as that was read. It may take its time, and needs no engine.
    ///
    /// # Errors
    /// As the repository.
    pub fn tell_commits(&mut self, reader: &Reader) -> Result<(), Failure> {
        let mut lists = [&mut self.added, &mut self.updated, &mut self.deleted];
        let apps = lists.iter().flat_map(|list| list.iter()).map(|arrived| arrived.app.clone()).collect();
        let mut commits = reader.last_commits_there(&apps)?;
        for arrived in lists.iter_mut().flat_map(|list| list.iter_mut()) {
            arrived.change = commits.found.remove(arrived.app.as_str());
            arrived.change_unread = commits.unread.contains(arrived.app.as_str());
        }
        Ok(())
    }
}

impl Engine {
    /// What waits, by what happened there. Which commits made it so, [`IncomingApps::tell_commits`] finds.
    ///
    /// # Errors
    /// Disk; or that it is not known what is in Git.
    pub fn incoming(&mut self, now: Now) -> Result<IncomingApps, Failure> {
        self.look_at_what_waits(&BTreeSet::new(), now)?;
        let mut found = Vec::new();
        for app in self.findings.keys().cloned().collect::<Vec<_>>() {
            let withheld = self.state.notes.withheld.contains_key(&app);
            let arrival = self.arrival(&app, now)?;
            if let Some(arrival) = arrival.or(withheld.then_some(Arrival::Updated)) {
                found.push((arrival, app));
            }
        }
        let mut list = IncomingApps::default();
        for (arrival, app) in found {
            let arrived = self.arrived(arrival, app)?;
            match arrival {
                Arrival::Added => list.added.push(arrived),
                Arrival::Updated => list.updated.push(arrived),
                Arrival::Deleted => list.deleted.push(arrived),
            }
        }
        Ok(list)
    }

    fn arrived(&self, arrival: Arrival, app: AppName) -> Result<Arrived, Failure> {
        let finding = self.findings.get(&app);
        let there = self.release_of(self.remote.apps.get(&app).copied())?;
        let here = self.release_of(self.disk.settled(&app))?;
        let differs = there != here;
        let published = there.is_some() && differs;
        let only_release = matches!(finding, Some(Finding::InSync));
        let deletable = matches!(
            finding,
            Some(Finding::HeldRemoval(_) | Finding::Wait(AppState::Conflict | AppState::Modified | AppState::Drift, _))
        );
        let takable = self.may_be_taken_in(&app) || arrival == Arrival::Deleted && deletable;
        let takable = takable && self.pin(&app).is_none();
        let possible = [takable && !only_release, differs && (takable || only_release)];
        let reason = if only_release {
            Some("all but its release is installed".to_owned())
        } else {
            finding.and_then(|finding| self.app_status(&app, finding).reason)
        };
        Ok(Arrived { app, published, change: None, change_unread: false, possible, reason })
    }
}
