//! The apps of one worker, whole, as the API sees them.

use std::fs::File;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::archive::Limits;
use crate::config::Config;
use crate::domain::input::size::FileSize;
use crate::domain::status::RepositoryStatus;
use crate::domain::{AppName, Failure};
use crate::http::apps::{Apps, Uploads};
use crate::sync::engine::{Arrival, Save, SaveRefusal, Saved, Shelf};
use crate::sync::worker::Handle;

/// What an app that comes through the API may be at most; of its files each repository has a limit of its own.
pub(super) fn limits(config: &Config) -> Limits {
    Limits { whole: u64::from(config.upload_mib) << 20, ..Limits::default() }
}

/// Reads from the shelf, and saves through the worker.
pub(super) struct WholeApps {
    worker: Handle,
    uploads: Uploads,
    largest_file: FileSize,
}

impl WholeApps {
    pub(super) fn new(worker: Handle, uploads: Uploads, largest_file: FileSize) -> Self {
        Self { worker, uploads, largest_file }
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
        Limits { file: self.largest_file.0, ..self.uploads.limits() }
    }

    async fn save(&self, save: Save) -> Result<Saved, SaveRefusal> {
        self.worker.save(save).await
    }

    async fn arrival(&self, app: AppName, saved: Saved) -> Result<Arrival, Failure> {
        self.worker.arrival(app, saved).await
    }
}
