//! The log of events, and the queues of those that are still to be delivered.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::domain::Failure;
use crate::domain::event::{Event, EventRepository, NewEvent};

/// Under this name, which no app can have, [`EventLog::states`] has the class of the failure that stands.
pub const STANDING_FAILURE: &str = "\n";

/// Takes events; it keeps them before it answers.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Keeps all of them, in this order; one whose origin is known already is left out.
    ///
    /// # Errors
    /// Disk or internal: none of them is kept.
    async fn append(&self, events: Vec<NewEvent>) -> Result<(), Failure>;

    /// The state last told of each app (the repository's own under an empty name, the class of its standing failure under
    /// [`STANDING_FAILURE`]), as JSON spells it. Apps that are in sync are left out.
    ///
    /// # Errors
    /// Disk or internal.
    async fn states(&self, repository: &EventRepository) -> Result<BTreeMap<String, String>, Failure>;
}

/// Gives events to whoever reads them at a pace of their own.
#[async_trait]
pub trait EventSource: Send + Sync {
    /// Those with a greater id, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Disk or internal.
    async fn after(&self, id: u64, limit: u32) -> Result<Vec<Event>, Failure>;

    /// The newest id, and its changes.
    fn newest(&self) -> watch::Receiver<u64>;
}

/// An event that waits for its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The event.
    pub id: u64,
    /// Events of one lane (an app of a repository) arrive in their order.
    pub lane: String,
}

/// The events that each target did not get yet.
#[async_trait]
pub trait EventQueue: EventSource {
    /// What waits for `target` and has a greater id, oldest first, at most `limit`.
    ///
    /// # Errors
    /// Disk or internal.
    async fn waiting(&self, target: &str, after: u64, limit: u32) -> Result<Vec<Waiting>, Failure>;

    /// One event, unless it was too old and is gone.
    ///
    /// # Errors
    /// Disk or internal.
    async fn event(&self, id: u64) -> Result<Option<Event>, Failure>;

    /// `target` has it, or will never take it.
    ///
    /// # Errors
    /// Disk or internal: it is delivered again.
    async fn settled(&self, target: &str, id: u64) -> Result<(), Failure>;
}
