//! Events go out: to webhooks, and to a program. Each target has a queue of its own and a task of its own, so that one that
//! is down holds up nobody else.

mod command;
mod deliver;
mod lanes;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::config::EventsConfig;
use crate::domain::Failure;
use crate::domain::event::Event;
use crate::ports::EventQueue;

/// Somebody who is told.
pub struct Target {
    /// The name of its queue; it gives no secret away.
    pub name: String,
    sink: Box<dyn Sink>,
}

/// The way to a target.
#[async_trait]
trait Sink: Send + Sync {
    /// Delivers one event; it does so within a limit of its own.
    async fn deliver(&self, event: &Event) -> Outcome;

    /// The target, for the log; no secret.
    fn shown(&self) -> &str;
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// The target has it.
    Delivered,
    /// The target does not answer, or asks for patience: all that waits for it waits.
    Down(String, Option<std::time::Duration>),
    /// It failed with this event; the app's later ones wait for it.
    Failed(String),
    /// As [`Failed`](Self::Failed), but after some tries it is given up.
    Refused(String),
}

/// Everybody whom the configuration names.
///
/// # Errors
/// That no HTTP client can be made.
pub fn targets(config: &EventsConfig) -> Result<Vec<Target>, Failure> {
    let mut found = Vec::new();
    for webhook in &config.webhooks {
        let sink = webhook::Webhook::new(webhook, config.webhook_secret.clone(), &config.web)?;
        let name = format!("webhook {}", short_digest(sink.address()));
        if found.iter().any(|known: &Target| known.name == name) {
            continue; // named twice, told once: two queues of one name would be in each other's way
        }
        found.push(Target { name, sink: Box::new(sink) });
    }
    if let Some(command) = &config.command {
        let sink = command::Command::new(command.clone());
        let name = format!("command {}", short_digest(&sink.line()));
        found.push(Target { name, sink: Box::new(sink) });
    }
    Ok(found)
}

/// Delivers what waits for `target` until `stop` fires.
pub async fn run(queue: Arc<dyn EventQueue>, target: Target, stop: CancellationToken) {
    deliver::run(&*queue, &target.name, &*target.sink, &stop).await;
}

fn short_digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let short = digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{short:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::WebhookConfig;

    #[test]
    fn a_receiver_that_is_named_twice_is_one() {
        let webhook = |url: &str| WebhookConfig { url: url.to_owned().into(), shown: url.to_owned() };
        let webhooks = ["http://a/x", "http://b/", "http://a/x"].map(webhook).to_vec();
        let targets = targets(&EventsConfig { webhooks, ..EventsConfig::default() }).unwrap();
        let names: std::collections::BTreeSet<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!((targets.len(), names.len()), (2, 2));
    }
}
