//! The service and its workers, as the API sees them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::apps::WholeApps;
use super::fleet::Fleet;
use crate::domain::conflict_view::ConflictView;
use crate::domain::input::size::FileSize;
use crate::domain::status::{AppStatus, RepositoryState, Status};
use crate::domain::{AppName, Failure};
use crate::http::apps::{Apps, Uploads};
use crate::http::{Action, ActionReport, AppRow, Backup, Service, SyncControl};
use crate::sync::history::{AppDiff, HistoryPage, Reader};
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
    largest_file: FileSize,
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
        let (worker, largest_file) = self.fleet.handle(name)?;
        Ok(Arc::new(Control { worker, uploads: self.uploads.clone(), largest_file }))
    }
}

#[async_trait]
impl SyncControl for Control {
    async fn act(&self, action: Action, dry_run: bool) -> Result<ActionReport, Failure> {
        self.worker.act(action, dry_run).await
    }

    async fn apps(&self) -> Result<Vec<AppRow>, Failure> {
        let last = self.worker.read(Reader::last_commits).await?;
        let apps = self.worker.status().borrow().apps.clone();
        let row = |app: AppStatus| AppRow {
            commit: last.found.get(&app.name).cloned(),
            commit_unread: last.unread.contains(&app.name),
            app,
        };
        Ok(apps.into_iter().map(row).collect())
    }

    async fn diff(&self, app: AppName, commit: Option<String>) -> Result<AppDiff, Failure> {
        self.worker.diff(app, commit).await
    }

    async fn history(&self, app: AppName, limit: usize, before: Option<String>) -> Result<HistoryPage, Failure> {
        let page = move |reader: &Reader| {
            let before = before.map(|before| reader.find_commit(&before)).transpose()?;
            reader.history(&app, limit, before)
        };
        self.worker.read(page).await
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

    async fn conflict(&self, app: AppName) -> Result<ConflictView, Failure> {
        self.worker.glance(move |engine| engine.conflict_view(&app)).await
    }

    fn whole_apps(&self) -> Result<Arc<dyn Apps>, Failure> {
        Ok(Arc::new(WholeApps::new(self.worker.clone(), self.uploads.clone(), self.largest_file)))
    }
}
