//! The apps of one worker, whole, as the API sees them.

use std::fs::File;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::archive::Limits;
use crate::config::SyncConfig;
use crate::domain::status::RepositoryStatus;
use crate::domain::{AppName, Failure};
use crate::http::apps::{Apps, Uploads};
use crate::sync::engine::{Arrival, Save, SaveRefusal, Saved, Shelf};
use crate::sync::worker::Handle;

/// What an app that comes through the API may be at most.
pub(super) fn limits(sync: Option<&SyncConfig>) -> Limits {
    let limits = Limits::default();
    Limits { whole: sync.map_or(limits.whole, |sync| u64::from(sync.upload_mib) << 20), ..limits }
}

/// Reads from the shelf, and saves through the worker.
pub(super) struct WholeApps {
    worker: Handle,
    uploads: Uploads,
}

impl WholeApps {
    pub(super) fn new(worker: Handle, uploads: Uploads) -> Self {
        Self { worker, uploads }
    }
}

#[async_trait]
impl Apps for WholeApps {
    fn shelf(&self) -> Shelf {
        self.worker.shelf()
    }

    fn status(&self) -> watch::Receiver<RepositoryStatus> {
        self.worker.status()
    }

    fn temporary_file(&self) -> Result<File, Failure> {
        self.uploads.file()
    }

    fn limits(&self) -> Limits {
        self.uploads.limits()
    }

    async fn save(&self, save: Save) -> Result<Saved, SaveRefusal> {
        self.worker.save(save).await
    }

    async fn arrival(&self, app: AppName, saved: Saved) -> Result<Arrival, Failure> {
        self.worker.arrival(app, saved).await
    }
}
