//! Being written.

use std::path::Path;

use crate::config::MasterKeySources;

/// Arguments of `appferry keys`.
#[derive(Debug, clap::Args)]
pub struct KeysArgs {}

/// Runs `appferry keys`.
///
/// # Errors
/// Always, for now.
#[expect(clippy::unused_async, reason = "a stub that will be replaced")]
pub async fn run(_args: KeysArgs, _data_dir: &Path, _master: &MasterKeySources) -> anyhow::Result<()> {
    anyhow::bail!("`appferry keys` is not here yet")
}
