//! The service and its workers, as the API sees them.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::apps::WholeApps;
use super::fleet::Fleet;
use crate::domain::conflict_view::ConflictView;
use crate::domain::status::{RepositoryState, Status};
use crate::domain::{AppName, Failure};
use crate::http::apps::{Apps, Uploads};
use crate::http::{ActionReport, AppOutcome, Backup, Selection, Service, SyncControl, Take};
use crate::sync::engine::conflict;
use crate::sync::worker::Handle;

/// Answers the API from the status, and knows the workers.
pub(super) struct Whole {
    fleet: Arc<Fleet>,
    stop: CancellationToken,
    uploads: Uploads,
}

impl Whole {
    pub(super) fn new(fleet: Arc<Fleet>, stop: CancellationToken, uploads: Uploads) -> Self {
        Self { fleet, stop, uploads }
    }
}

/// Asks one worker.
pub(super) struct Control {
    pub(super) worker: Handle,
    uploads: Uploads,
}

impl Control {
    /// What became of `apps`, in the words of the status after the pass.
    fn report(&self, apps: Vec<AppName>, done: &str) -> ActionReport {
        let status = self.worker.status().borrow().clone();
        let outcome = |app: AppName| {
            let shown = status.apps.iter().find(|shown| shown.name == app.as_str());
            let reason = shown.and_then(|shown| shown.reason.clone());
            AppOutcome { app: app.into(), done: reason.is_none(), message: reason.unwrap_or_else(|| done.to_owned()) }
        };
        ActionReport { apps: apps.into_iter().map(outcome).collect() }
    }
}

pub(super) fn selected(selection: Selection) -> Option<BTreeSet<AppName>> {
    match selection {
        Selection::All => None,
        Selection::Apps(apps) => Some(apps.into_iter().collect()),
    }
}

impl Service for Whole {
    fn status(&self) -> Status {
        self.fleet.status()
    }

    fn readiness(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("it is ending".to_owned());
        }
        let repositories = self.fleet.repositories();
        match repositories.iter().find(|repository| repository.state == RepositoryState::Starting) {
            Some(repository) => Err(format!("{}: {}", repository.url, repository.summary)),
            None => Ok(()),
        }
    }

    fn repository(&self, name: Option<&str>) -> Result<Arc<dyn SyncControl>, Failure> {
        Ok(Arc::new(Control { worker: self.fleet.handle(name)?, uploads: self.uploads.clone() }))
    }
}

#[async_trait]
impl SyncControl for Control {
    async fn confirm(&self, apps: Selection) -> Result<ActionReport, Failure> {
        let apps = self.worker.confirm(selected(apps)).await?;
        Ok(self.report(apps, "the removal was confirmed"))
    }

    async fn resolve(&self, app: AppName, take: Take) -> Result<ActionReport, Failure> {
        let (take, done) = match take {
            Take::Ours => (conflict::Take::Ours, "ours was taken"),
            Take::Theirs => (conflict::Take::Theirs, "theirs was taken; ours is kept aside"),
        };
        let apps = self.worker.resolve(app, take).await?;
        Ok(self.report(apps, done))
    }

    async fn conflict(&self, app: AppName) -> Result<ConflictView, Failure> {
        self.worker.ask(move |engine, _| engine.conflict_view(&app)).await
    }

    async fn push(&self, apps: Selection) -> Result<ActionReport, Failure> {
        let apps = self.worker.push(selected(apps)).await?;
        Ok(self.report(apps, "pushed"))
    }

    async fn add(&self, apps: Vec<AppName>) -> Result<ActionReport, Failure> {
        let apps = self.worker.push(Some(apps.into_iter().collect())).await?;
        Ok(self.report(apps, "added to Git"))
    }

    async fn backups(&self) -> Result<Vec<Backup>, Failure> {
        let kept = self.worker.kept().await?;
        let backup = |kept: crate::sync::engine::KeptAside| Backup {
            reference: kept.id,
            app: kept.app,
            time: kept.time,
            reason: kept.reason,
        };
        Ok(kept.into_iter().map(backup).collect())
    }

    async fn restore(&self, reference: String) -> Result<ActionReport, Failure> {
        let apps = self.worker.restore_kept(reference).await?;
        Ok(self.report(apps, "brought back to the apps folder; what was there is kept aside"))
    }

    fn apps(&self) -> Result<Arc<dyn Apps>, Failure> {
        Ok(Arc::new(WholeApps::new(self.worker.clone(), self.uploads.clone())))
    }
}
