//! All tunnels: what is wanted against what runs.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::all_clients::AllClients;
use super::runner::{Runner, hops};
use super::ways::Ways;
use crate::domain::tunnel::{Given, LastError, Listen, Source, TestReport, Tunnel, TunnelState, TunnelStatus};
use crate::domain::{Failure, FailureClass};
use crate::ports::TunnelLinks;

/// So long somebody who adds a tunnel waits for its port.
const LISTENS_WITHIN: Duration = Duration::from_secs(3);

/// A tunnel that shall be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// As it is written down.
    pub given: Given,
    /// The same, checked; or why it cannot run as it is written down.
    pub tunnel: Result<Tunnel, Failure>,
    /// Where it is written down.
    pub source: Source,
    /// Whether it shall run.
    pub open: bool,
}

impl Wanted {
    /// Where it listens, in one form: people may write the same place in several.
    fn place(&self) -> String {
        self.tunnel.as_ref().map_or_else(|_| self.given.listen.clone(), |tunnel| tunnel.listen.to_string())
    }
}

/// Every tunnel of this instance.
pub struct Tunnels {
    links: Arc<dyn TunnelLinks>,
    ways: Ways,
    clients: Arc<AllClients>,
    tasks: TaskTracker,
    stop: CancellationToken,
    members: Mutex<BTreeMap<String, Member>>,
}

struct Member {
    wanted: Wanted,
    since: Timestamp,
    runner: Option<Arc<Runner>>,
}

impl Tunnels {
    /// None yet. Everything runs on `tasks`, until `stop` fires.
    #[must_use]
    pub fn new(links: Arc<dyn TunnelLinks>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { links, ways: Ways::default(), clients: Arc::default(), tasks, stop, members: Mutex::default() }
    }

    /// With clients that are counted among `clients`.
    #[must_use]
    pub fn with_clients(self, clients: Arc<AllClients>) -> Self {
        Self { clients, ..self }
    }

    /// Makes `wanted` the tunnels that are there. Those that stay as they are notice nothing.
    pub fn become_these(&self, wanted: Vec<Wanted>) {
        let mut members = self.members();
        let mut before = std::mem::take(&mut *members);
        let mut ending: BTreeMap<String, TaskTracker> = BTreeMap::new();
        let mut new = Vec::new();
        for wanted in wanted {
            let name = wanted.given.name.clone();
            match before.remove(&name) {
                Some(member) if is_same(&member.wanted, &wanted) => {
                    members.insert(name, Member { wanted, ..member });
                }
                other => {
                    end(other, &wanted.place(), &mut ending);
                    new.push(wanted);
                }
            }
        }
        for (_, member) in before {
            let place = member.wanted.place();
            end(Some(member), &place, &mut ending);
        }
        for wanted in new {
            let before = ending.get(&wanted.place());
            let tunnel = wanted.tunnel.as_ref().ok().filter(|_| wanted.open);
            let runner = tunnel.map(|tunnel| self.run(tunnel, before.cloned()));
            members.insert(wanted.given.name.clone(), Member { since: Timestamp::now(), wanted, runner });
        }
    }

    fn run(&self, tunnel: &Tunnel, before: Option<TaskTracker>) -> Arc<Runner> {
        let way = self.ways.over(hops(tunnel), &self.links);
        Arc::new(Runner::start(tunnel, (way, &self.clients), &self.tasks, self.stop.child_token(), before))
    }

    /// How all of them stand, sorted by name.
    #[must_use]
    pub fn status(&self) -> Vec<TunnelStatus> {
        self.members().values().map(Member::status).collect()
    }

    /// How one stands.
    ///
    /// # Errors
    /// Refused, when there is none of that name.
    pub fn one(&self, name: &str) -> Result<TunnelStatus, Failure> {
        let members = self.members();
        members.get(name).map(Member::status).ok_or_else(|| absent(name, &members))
    }

    /// Where one is written down.
    ///
    /// # Errors
    /// As [`one`](Self::one).
    pub fn source(&self, name: &str) -> Result<Source, Failure> {
        let members = self.members();
        members.get(name).map(|member| member.wanted.source).ok_or_else(|| absent(name, &members))
    }

    /// The tunnel whose place that is, whether it is open or closed. Any free port is nobody's until it has been found.
    #[must_use]
    pub fn who_has(&self, listen: &Listen) -> Option<String> {
        let has = |member: &Member| {
            let given = member.wanted.tunnel.as_ref().is_ok_and(|tunnel| tunnel.listen == *listen);
            let found = member.runner.as_ref().and_then(|runner| runner.facts.now().listening);
            (given && !listen.is_any_port()) || found == Some(listen.to_string())
        };
        self.members().iter().find(|(_, member)| has(member)).map(|(name, _)| name.clone())
    }

    /// Connects one now, if it is not connected.
    ///
    /// # Errors
    /// Why it cannot, or that it is closed or not there.
    pub async fn connect(&self, name: &str) -> Result<(), Failure> {
        self.runner(name)?.open().await
    }

    /// Goes the whole way to the target once.
    ///
    /// # Errors
    /// Where the way ends, or that it is closed or not there.
    pub async fn test(&self, name: &str) -> Result<TestReport, Failure> {
        self.runner(name)?.test().await
    }

    /// Waits until one listens or cannot, a moment at most.
    ///
    /// # Errors
    /// Why it cannot, or that it is closed or not there.
    pub async fn until_it_listens(&self, name: &str) -> Result<(), Failure> {
        let runner = self.runner(name)?;
        let _ = tokio::time::timeout(LISTENS_WITHIN, runner.facts.listens_or_cannot()).await;
        runner.facts.now().blocked.map_or(Ok(()), |(_, failure)| Err(failure))
    }

    fn runner(&self, name: &str) -> Result<Arc<Runner>, Failure> {
        let members = self.members();
        let member = members.get(name).ok_or_else(|| absent(name, &members))?;
        if let Err(failure) = &member.wanted.tunnel {
            return Err(failure.clone());
        }
        member.runner.clone().ok_or_else(|| {
            let message = format!("the tunnel {name:?} is closed");
            Failure::new(FailureClass::Refused, message, format!("open it first: `appferry tunnel open {name}`"))
        })
    }

    fn members(&self) -> MutexGuard<'_, BTreeMap<String, Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where it is written down does not matter to one that runs.
fn is_same(one: &Wanted, other: &Wanted) -> bool {
    (&one.tunnel, one.open) == (&other.tunnel, other.open)
}

/// Ends one; who takes its place, or is to be at `place` under its name, waits for that.
fn end(member: Option<Member>, place: &str, ending: &mut BTreeMap<String, TaskTracker>) {
    if let Some(Member { runner: Some(runner), wanted, .. }) = member {
        tracing::info!(tunnel = wanted.given.name, "the tunnel ends: it was changed, closed or taken out");
        ending.insert(wanted.place(), runner.stop());
        ending.insert(place.to_owned(), runner.stop());
    }
}

fn absent(name: &str, members: &BTreeMap<String, Member>) -> Failure {
    let there: Vec<&str> = members.keys().map(String::as_str).collect();
    let there = if there.is_empty() { "there are none".to_owned() } else { format!("there are: {}", there.join(", ")) };
    Failure::new(
        FailureClass::Refused,
        format!("there is no tunnel {name:?}; {there}"),
        "give one of these names, or add it",
    )
}

impl Member {
    fn status(&self) -> TunnelStatus {
        let Wanted { given, source, tunnel, open } = self.wanted.clone();
        let mut status = TunnelStatus {
            tunnel: given,
            source,
            state: TunnelState::Closed,
            since: self.since.to_string(),
            listening: None,
            connections: 0,
            accepted: 0,
            refused: 0,
            bytes_up: 0,
            bytes_down: 0,
            reconnects: 0,
            last_error: None,
        };
        if let (Err(failure), true) = (tunnel, open) {
            status.state = TunnelState::CannotListen;
            status.last_error = Some(LastError { time: self.since.to_string(), failure });
        }
        if let Some(runner) = &self.runner {
            let facts = &runner.facts;
            let now = facts.now();
            let blocked = now.blocked.map(|(since, _)| (TunnelState::CannotListen, since));
            let (state, since) = blocked.unwrap_or((now.state, now.since));
            (status.state, status.since) = (state, since.to_string());
            (status.listening, status.last_error) = (now.listening, now.last_error);
            status.connections = facts.connections.load(Ordering::Relaxed);
            (status.accepted, status.refused, status.reconnects) = facts.counts();
            (status.bytes_up, status.bytes_down) = facts.meter.read();
        }
        status
    }
}
