//! The instances of the demo: the real service, in this process.

use std::path::Path;

use async_trait::async_trait;

use super::{Instance, Instances};
use crate::config::{Config, MasterKeySources};
use crate::domain::KeyName;
use crate::keys::{KeyKind, KeyService};

/// Starts what `appferry run` starts.
pub(super) struct InProcess;

#[async_trait]
impl Instances for InProcess {
    async fn make_key(&self, data_dir: &Path, masters: &MasterKeySources, name: &KeyName) -> anyhow::Result<String> {
        let (keys, _) = KeyService::open(data_dir, masters).await?;
        let made = keys.generate(name, KeyKind::Ed25519).await;
        keys.close().await;
        Ok(made?.public_key)
    }

    async fn start(&self, _config: Config) -> anyhow::Result<Box<dyn Instance>> {
        anyhow::bail!("an instance cannot be started inside this process yet")
    }
}
