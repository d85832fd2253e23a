//! The log of events, those who are told, and those who may hint.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::home::Home;
use crate::config::Config;
use crate::events;
use crate::http::{Feeds, PollHint};
use crate::ports::EventQueue;
use crate::store::EventStore;
use crate::sync::worker::Handle;

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

/// What the API shows of it.
pub(super) fn feeds(config: &Config, events: Arc<EventStore>, worker: Option<&Handle>) -> Feeds {
    let url = config.sync.as_ref().map(|sync| sync.url.to_string());
    let workers = url.zip(worker.cloned()).into_iter().collect();
    Feeds {
        events: Some(events),
        poll: Some(Arc::new(Workers(workers))),
        hook_secret: config.events.hook_secret.clone(),
    }
}

/// The repositories, by their URLs.
struct Workers(Vec<(String, Handle)>);

impl PollHint for Workers {
    fn repositories(&self) -> Vec<String> {
        self.0.iter().map(|(url, _)| url.clone()).collect()
    }

    fn poll_soon(&self, url: &str) {
        self.0.iter().filter(|(known, _)| known == url).for_each(|(_, worker)| worker.poll_soon());
    }
}
