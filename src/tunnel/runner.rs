//! One tunnel that runs: its listener, its connector, its clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::all_clients::AllClients;
use super::clients::Clients;
use super::connector::Connector;
use super::facts::Facts;
use super::listener::Listener;
use super::ways::Way;
use crate::domain::tunnel::{TestReport, Tunnel};
use crate::domain::{Backoff, Failure, FailureClass};
use crate::ports::SshTarget;

/// Clients that ask at once.
const ASKS: usize = 64;
/// When the kernel has no more to give (files, memory), it may have a moment later.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a place is looked at that somebody may take away.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A tunnel that runs until it is dropped or told to stop.
pub(super) struct Runner {
    pub(super) facts: Arc<Facts>,
    clients: Arc<Clients>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Runner {
    /// Starts it; what goes wrong is its state. It listens once `before` has ended.
    pub(super) fn start(
        tunnel: &Tunnel,
        (way, all_clients): (Arc<Way>, &Arc<AllClients>),
        all: &TaskTracker,
        stop: CancellationToken,
        before: Option<TaskTracker>,
    ) -> Self {
        let facts = Arc::new(Facts::new());
        let (asks, asked) = mpsc::channel(ASKS);
        let name = tunnel.name.to_string();
        let tasks = TaskTracker::new();
        let connector = Connector {
            name: name.clone(),
            way,
            eager: tunnel.eager,
            idle_close: tunnel.idle_close,
            facts: Arc::clone(&facts),
            tracker: all.clone(),
            stop: stop.clone(),
        };
        let clients = Arc::new(Clients {
            name,
            target: tunnel.target.clone(),
            limit: tunnel.limit,
            all: Arc::clone(all_clients),
            asks,
            facts: Arc::clone(&facts),
            stop: stop.clone(),
        });
        let token = all.token();
        tasks.spawn(async move {
            let _held = token; // the whole program waits for this one, too
            connector.run(asked).await;
        });
        let (listen, serving, token) = (tunnel.listen.clone(), Arc::clone(&clients), all.token());
        let own = tasks.clone();
        tasks.spawn(async move {
            let _held = token;
            let stop = serving.stop.clone();
            if let Some(before) = before {
                before.wait().await;
            }
            let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
            while !stop.is_cancelled() {
                match Listener::bind(&listen) {
                    Ok(listener) => {
                        accept(&listener, &serving, &own).await;
                    }
                    Err(failure) => {
                        if serving.facts.cannot_listen(&failure) {
                            tracing::warn!(tunnel = serving.name, %failure, "the tunnel cannot listen");
                        }
                        let wait = backoff.after_failure(rand::random());
                        let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                    }
                }
            }
        });
        tasks.close();
        Self { facts, clients, stop, tasks }
    }

    /// Ends it, without waiting. What is answered ends with the last of its tasks.
    pub(super) fn stop(&self) -> TaskTracker {
        self.stop.cancel();
        self.tasks.clone()
    }

    /// Connects now, if it is not connected.
    pub(super) async fn open(&self) -> Result<(), Failure> {
        self.clients.link(true).await.map(drop)
    }

    /// Goes the whole way to the target once.
    pub(super) async fn test(&self) -> Result<TestReport, Failure> {
        let began = Instant::now();
        let link = self.clients.link(true).await?;
        let connected = began.elapsed();
        drop(link);
        let began = Instant::now();
        let (channel, _link) = self.clients.channel().await?;
        drop(channel);
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(TestReport { bastion_ms: ms(connected), target_ms: ms(began.elapsed()) })
    }
}

/// Takes clients until the tunnel ends, or nobody can find the place any more.
async fn accept(listener: &Listener, clients: &Arc<Clients>, tasks: &TaskTracker) {
    let place = listener.place();
    tracing::info!(tunnel = clients.name, listening = place.as_deref(), target = %clients.target, "the tunnel listens");
    clients.facts.listens(place);
    let mut is_failing = false; // said once: it is tried again at once, and may go on for hours
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let accepted = tokio::select! {
            () = clients.stop.cancelled() => break,
            _ = look.tick(), if listener.may_be_taken_away() => {
                if listener.can_be_found() {
                    continue;
                }
                tracing::warn!(tunnel = clients.name, "somebody took the socket away; it is made again");
                break;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(client) => {
                if std::mem::take(&mut is_failing) {
                    tracing::info!(tunnel = clients.name, "clients are taken again");
                }
                let clients = Arc::clone(clients);
                tasks.spawn(async move { clients.serve(client).await });
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(tunnel = clients.name, %error, "clients cannot be taken");
                    clients.facts.went_wrong(&cannot_take(&error));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    clients.facts.listens(None);
}

fn cannot_take(error: &std::io::Error) -> Failure {
    let remedy =
        "it is tried again by itself; if files are what is missing, raise their limit (`ulimit -n`, LimitNOFILE)";
    Failure::new(FailureClass::Limit, format!("clients cannot be taken: {error}"), remedy)
}

/// The logins of its way.
pub(super) fn hops(tunnel: &Tunnel) -> Vec<SshTarget> {
    let target = |(hop, key): (&crate::domain::tunnel::Hop, &crate::domain::KeyName)| SshTarget {
        host: hop.host.clone(),
        port: hop.port,
        user: hop.user.clone(),
        key: key.clone(),
    };
    tunnel.hops().map(target).collect()
}
