//! The real adapters, for `appferry check`.

use std::sync::Arc;

use async_trait::async_trait;

use super::check::CheckParts;
use crate::config::{BaseConfig, Config, SyncConfig};
use crate::domain::Failure;
use crate::ports::{Keyring, Remote};

/// Opens the real key store and the real remote.
pub(super) struct RealParts;

impl RealParts {
    /// For this data folder; `config` is there when the whole environment is right.
    pub(super) const fn new(_base: &BaseConfig, _config: Option<&Config>) -> Self {
        Self
    }
}

#[async_trait]
impl CheckParts for RealParts {
    async fn keyring(&self) -> Result<Arc<dyn Keyring>, Failure> {
        Err(Failure::internal("the key store is not joined yet"))
    }

    async fn remote(&self, _sync: &SyncConfig, _keyring: Arc<dyn Keyring>) -> Result<Arc<dyn Remote>, Failure> {
        Err(Failure::internal("the remote is not joined yet"))
    }

    async fn close(&self) {}
}
