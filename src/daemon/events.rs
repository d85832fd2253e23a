//! The log of events, those who are told, and those who may hint.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fleet::Fleet;
use super::home::Home;
use crate::config::Config;
use crate::events;
use crate::http::{Feeds, ShellFeed};
use crate::ports::EventQueue;
use crate::store::EventStore;

/// Opens the log, and starts the delivery to everybody who is to be told.
///
/// # Errors
/// That the log cannot be opened, or no HTTP client be made.
pub(super) async fn open(
    config: &Config,
    home: &Home,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<EventStore>> {
    let targets = events::targets(&config.events)?;
    let names = targets.iter().map(|target| target.name.clone()).collect();
    let store = EventStore::open(home.folder(), home.instance(), names, config.events.kinds.clone()).await?;
    let store = Arc::new(store);
    for target in targets {
        let queue: Arc<dyn EventQueue> = Arc::<EventStore>::clone(&store);
        tasks.spawn(events::run(queue, target, stop.clone()));
    }
    Ok(store)
}

/// What the API shows of it, and whom a hint reaches.
pub(super) fn feeds(config: &Config, events: Arc<EventStore>, fleet: &Arc<Fleet>, shell: ShellFeed) -> Feeds {
    Feeds {
        tunnels: None,
        events: Some(events),
        poll: Some(Arc::<Fleet>::clone(fleet)),
        hosts: None,
        keys: None,
        hook_secret: config.events.hook_secret.clone(),
        shell: Some(shell),
    }
}
