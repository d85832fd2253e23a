//! The apps of one worker, whole, as the API sees them.

use std::fs::File;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::archive::Limits;
use crate::domain::status::RepositoryStatus;
use crate::domain::{AppName, Failure};
use crate::http::apps::{Apps, Scratch};
use crate::sync::engine::{Arrival, Save, SaveRefusal, Saved, Shelf};
use crate::sync::worker::Handle;

/// Reads from the shelf, and saves through the worker.
pub(super) struct WholeApps {
    worker: Handle,
    scratch: Scratch,
}

impl WholeApps {
    pub(super) fn new(worker: Handle, scratch: Scratch) -> Self {
        Self { worker, scratch }
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

    fn scratch(&self) -> Result<File, Failure> {
        self.scratch.file()
    }

    fn limits(&self) -> Limits {
        Limits::default()
    }

    async fn save(&self, save: Save) -> Result<Saved, SaveRefusal> {
        self.worker.save(save).await
    }

    async fn arrival(&self, app: AppName, saved: Saved) -> Result<Arrival, Failure> {
        self.worker.arrival(app, saved).await
    }
}
