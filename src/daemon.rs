//! Being written.

use crate::config::Config;

/// Runs the worker.
///
/// # Errors
/// Always, for now.
#[expect(clippy::unused_async, reason = "a stub that will be replaced")]
pub async fn run(_config: Config) -> anyhow::Result<()> {
    anyhow::bail!("`appferry run` is not here yet")
}
