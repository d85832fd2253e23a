//! Clients: each waits for a channel, and is let through or closed at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::all_clients::AllClients;
use super::connector::Ask;
use super::facts::Facts;
use crate::domain::tunnel::{Endpoint, TunnelState};
use crate::domain::{Failure, FailureClass};
use crate::ports::{ClientReader, ClientWriter, TunnelChannel, TunnelLink};

/// Rule 26.
pub(super) const WHILE_DOWN: Duration = Duration::from_secs(2);
/// The first connection of all may take as long as it needs.
const AT_FIRST: Duration = Duration::from_secs(30);
/// How long a bastion may try to reach the target.
const CHANNEL: Duration = Duration::from_secs(10);
/// After that, how long it has to show that it is there at all.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// What every client of a tunnel needs to know.
pub(super) struct Clients {
    pub(super) name: String,
    pub(super) target: Endpoint,
    pub(super) limit: usize,
    pub(super) all: Arc<AllClients>,
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) facts: Arc<Facts>,
    pub(super) stop: CancellationToken,
}

impl Clients {
    /// Serves one client to its end.
    pub(super) async fn serve(&self, client: (ClientReader, ClientWriter)) {
        let Some(_place) = Place::take(&self.facts, self.limit) else {
            return self.refuse(&too_many(self.limit));
        };
        let _one = match self.all.take() {
            Ok(one) => one,
            Err(failure) => return self.refuse(&failure),
        };
        let opened = tokio::select! {
            opened = self.channel() => opened,
            () = self.stop.cancelled() => return,
        };
        match opened {
            Ok((channel, _link)) => {
                self.facts.accepted();
                tracing::debug!(tunnel = self.name, "a client is let through");
                tokio::select! {
                    () = channel.ferry(client, Arc::clone(&self.facts.meter)) => {}
                    () = self.stop.cancelled() => {}
                }
            }
            Err(failure) => self.refuse(&failure),
        }
    }

    /// A channel to the target, and what it runs over.
    pub(super) async fn channel(&self) -> Result<(Box<dyn TunnelChannel>, Arc<dyn TunnelLink>), Failure> {
        let mut tried_again = false;
        loop {
            let link = self.link(false).await?;
            match link.channel(&self.target, CHANNEL).await {
                Ok(channel) => return Ok((channel, link)),
                // It may have been lost a moment ago, and that not be known yet.
                Err(failure) if failure.class == FailureClass::ConnectionLost && !tried_again => {
                    tried_again = true;
                    let _ = self.asks.send(Ask::Suspect(link)).await;
                }
                Err(failure) => {
                    if failure.class == FailureClass::TimeOut && !link.answers(SIGN_OF_LIFE).await {
                        let _ = self.asks.send(Ask::Suspect(link)).await;
                    }
                    return Err(failure);
                }
            }
        }
    }

    /// The connection; while it is down, what rule 26 says. A person may ask for it more often.
    pub(super) async fn link(&self, by_a_person: bool) -> Result<Arc<dyn TunnelLink>, Failure> {
        let (waiter, answer) = oneshot::channel();
        let is_down = self.facts.now().state == TunnelState::Down && !by_a_person;
        let ask = if by_a_person { Ask::Now(waiter) } else { Ask::Link(waiter) };
        if self.asks.send(ask).await.is_err() {
            return Err(ending());
        }
        let limit = if is_down { WHILE_DOWN } else { AT_FIRST };
        match timeout(limit, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(ending())),
            Err(_) => Err(self.facts.now().last_error.map_or_else(|| slow(limit), |last| last.failure)),
        }
    }

    fn refuse(&self, failure: &Failure) {
        self.facts.refused();
        self.facts.went_wrong(failure);
        tracing::warn!(tunnel = self.name, class = failure.class.words(), %failure, "a client was closed at once");
    }
}

/// One of the clients there may be.
struct Place<'a>(&'a Facts);

impl<'a> Place<'a> {
    fn take(facts: &'a Facts, limit: usize) -> Option<Self> {
        let place = Self(facts);
        (facts.connections.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn too_many(limit: usize) -> Failure {
    let message = format!("the tunnel has its {limit} clients");
    Failure::new(FailureClass::Limit, message, "close some of them, or raise the tunnel's `limit`")
}

fn slow(limit: Duration) -> Failure {
    let message = format!("the connection to the bastion was not there within {} s", limit.as_secs());
    Failure::new(FailureClass::TimeOut, message, "nothing to do: it is tried on by itself")
}

fn ending() -> Failure {
    Failure::new(FailureClass::ConnectionLost, "the tunnel is being closed", "")
}
