//! Shell commands: the service, and the token of those who may only run what is saved.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::domain::Failure;
use crate::http::{self, ShellFeed};
use crate::keys::KeyService;
use crate::ports::ShellSessions;
use crate::shell::ShellService;
use crate::ssh::Sessions;

/// Where few commands are run, their past runs go by the clock; and so do those of an instance that is gone for good.
const TIDY_EVERY: Duration = Duration::from_hours(1);

/// What the API needs for shell commands.
///
/// # Errors
/// That the token cannot be kept.
pub(super) async fn feed(
    config: &Config,
    owner: &str,
    keys: &KeyService,
    sessions: &Arc<Sessions>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Result<ShellFeed, Failure> {
    let sessions: Arc<dyn ShellSessions> = Arc::<Sessions>::clone(sessions);
    let saved = ShellService::saved(keys.shell_records());
    let service = saved.running(owner, sessions, tasks.clone(), stop.clone()).await.keeping(config.shell_runs);
    let (tidying, until) = (service.clone(), stop.clone());
    tasks.spawn(async move {
        loop {
            tidying.tidy_runs().await;
            if until.run_until_cancelled(tokio::time::sleep(TIDY_EVERY)).await.is_none() {
                return;
            }
        }
    });
    Ok(ShellFeed { service, runner: http::run_token(&config.data_dir)? })
}
