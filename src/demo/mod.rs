//! Being written.

/// Arguments of `appferry demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {}

/// Runs the demonstration.
///
/// # Errors
/// Always, for now.
#[expect(clippy::unused_async, reason = "a stub that will be replaced")]
pub async fn run(_args: DemoArgs) -> anyhow::Result<()> {
    anyhow::bail!("`appferry demo` is not here yet")
}
