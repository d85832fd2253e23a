//! The tunnels of this instance: those of the configuration and those of the store, as the API sees them.

mod answering;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::answering::Answering;
use super::fleet::FleetKeys;
use super::open_files::OpenFiles;
use crate::config::{Config, TunnelConfig, not_allowed, parse_time};
use crate::domain::tunnel::{AllowedTargets, Given, GivenError, Source, TestReport, Tunnel, TunnelStatus};
use crate::domain::{Failure, FailureClass};
use crate::http::TunnelControl;
use crate::ports::{Keyring as _, TunnelRecords, TunnelRow};
use crate::ssh::HostKeys;
use crate::tunnel::{Tunnels, Wanted, metrics};

/// All tunnels of this instance.
pub(super) struct House {
    running: Tunnels,
    records: Arc<dyn TunnelRecords>,
    keys: Arc<FleetKeys>,
    place: Place,
    files: Arc<OpenFiles>,
    allowed: AllowedTargets,
    known: Mutex<Known>,
    /// Held while the store is changed and the tunnels after it, so that the last change wins in both.
    changing: tokio::sync::Mutex<()>,
}

/// Which instance this is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) instance: String,
    pub(super) id: String,
}

impl Place {
    /// What a tunnel is called among the users of its keys.
    fn user(&self, tunnel: &str) -> String {
        format!("tunnel {tunnel} of {} ({})", self.instance, self.id)
    }
}

/// What tunnels there are, by where they are written down.
struct Known {
    configured: Vec<TunnelConfig>,
    stored: Vec<TunnelRow>,
    /// Of the configured ones, those that a person closed; they are open again after a restart.
    closed: BTreeSet<String>,
}

impl House {
    /// Starts the tunnels.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn open(
        config: &Config,
        host_keys: HostKeys,
        (keys, place, files): (Arc<FleetKeys>, Place, Arc<OpenFiles>),
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Arc<Self>, Failure> {
        let links = crate::ssh::Tunnels::new(keys.clone(), host_keys, config.data_dir.clone(), tasks.clone());
        let links = Answering { links, keys: Arc::clone(&keys), place: place.clone() };
        let records = keys.service().tunnel_records();
        let stored = records.tunnels(&place.id).await?;
        let house = Self {
            running: Tunnels::new(Arc::new(links), tasks.clone(), stop.clone()).with_clients(files.clients()),
            records,
            keys,
            place,
            files,
            allowed: config.allowed_targets.clone(),
            known: Mutex::new(Known { configured: config.tunnels.clone(), stored, closed: BTreeSet::new() }),
            changing: tokio::sync::Mutex::default(),
        };
        house.arrange().await;
        Ok(Arc::new(house))
    }

    /// The file was read again, and holds these.
    pub(super) async fn file_holds(&self, tunnels: Vec<TunnelConfig>) {
        let _changing = self.changing.lock().await;
        {
            let mut known = self.known();
            let of_environment = known.configured.iter().filter(|one| one.source == Source::Environment).cloned();
            let now: Vec<TunnelConfig> = of_environment.chain(tunnels).collect();
            if known.configured == now {
                return;
            }
            known.configured = now;
            // One that is written down again later is a new one.
            let Known { configured, closed, .. } = &mut *known;
            closed.retain(|name| configured.iter().any(|one| one.given.name == *name));
        }
        self.arrange().await;
    }

    /// Makes what is known what runs, and notes which keys are needed.
    async fn arrange(&self) {
        let wanted = self.wanted();
        let open = wanted.iter().filter(|one| one.open).filter_map(|one| one.tunnel.as_ref().ok());
        self.files.are_for_tunnels(open.map(|tunnel| tunnel.limit));
        let keys_of = |tunnel: &Tunnel| tunnel.keys().iter().map(ToString::to_string).collect();
        let users: Vec<(String, Vec<String>)> = wanted
            .iter()
            .filter_map(|one| Some((self.place.user(&one.given.name), keys_of(one.tunnel.as_ref().ok()?))))
            .collect();
        if let Err(failure) = self.records.claim_for_tunnels(&self.place.id, &users).await {
            tracing::warn!(%failure, "could not note which keys the tunnels use");
        }
        self.running.become_these(wanted);
    }

    fn wanted(&self) -> Vec<Wanted> {
        let known = self.known();
        let mut wanted: Vec<Wanted> = known
            .configured
            .iter()
            .map(|TunnelConfig { given, tunnel, source }| Wanted {
                given: given.clone(),
                tunnel: Ok(tunnel.clone()),
                source: *source,
                open: !known.closed.contains(&given.name),
            })
            .collect();
        for row in &known.stored {
            if wanted.iter().any(|one| one.given.name == row.name) {
                tracing::warn!(
                    tunnel = row.name,
                    "the configuration has a tunnel of this name, which hides the one of the store"
                );
                continue;
            }
            let (given, tunnel) = self.read(row);
            if let Err(failure) = &tunnel {
                tracing::warn!(tunnel = row.name, %failure, "a tunnel of the store cannot run");
            }
            wanted.push(Wanted { given, tunnel, source: Source::Store, open: row.open });
        }
        wanted
    }

    /// What was right when it was added need not be so now: another version reads it, or other targets are allowed.
    fn read(&self, row: &TunnelRow) -> (Given, Result<Tunnel, Failure>) {
        let remedy = format!("remove it with `appferry tunnel remove {}`, and add it again", row.name);
        match serde_json::from_str::<Given>(&row.tunnel) {
            Ok(given) => {
                let tunnel =
                    self.check(&given).map_err(|failure| Failure { class: FailureClass::Listen, remedy, ..failure });
                (given, tunnel)
            }
            Err(error) => {
                let message = format!("the tunnel {} cannot be read: {error}", row.name);
                let given = Given { name: row.name.clone(), ..Given::default() };
                (given, Err(Failure::new(FailureClass::Listen, message, remedy)))
            }
        }
    }

    fn check(&self, given: &Given) -> Result<Tunnel, Failure> {
        let tunnel = given.check(parse_time).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(GivenError::to_string).collect();
            Failure::new(FailureClass::Refused, errors.join("; "), "correct the tunnel, and add it again")
        })?;
        if self.allowed.allow(&tunnel.target) {
            return Ok(tunnel);
        }
        let message = not_allowed(&tunnel, &self.allowed);
        Err(Failure::new(FailureClass::Refused, message, "take another target, or allow this one"))
    }

    fn is_free(&self, tunnel: &Tunnel) -> Result<(), Failure> {
        let refused = |message: String, remedy: &str| Err(Failure::new(FailureClass::Refused, message, remedy));
        let stored = self.known().stored.iter().any(|row| row.name == tunnel.name.as_str());
        if stored || self.running.one(tunnel.name.as_str()).is_ok() {
            return refused(
                format!("there is a tunnel {} already", tunnel.name),
                "remove that one first, or take another name",
            );
        }
        match self.running.who_has(&tunnel.listen) {
            Some(other) => refused(format!("{} is the place of the tunnel {other}", tunnel.listen), "take another one"),
            None => Ok(()),
        }
    }

    async fn set_open(&self, name: &str, open: bool) -> Result<(), Failure> {
        let _changing = self.changing.lock().await;
        match self.running.source(name)? {
            Source::Store => {
                self.records.set_tunnel_open(&self.place.id, name, open).await?;
                let stored = self.records.tunnels(&self.place.id).await?;
                self.known().stored = stored;
            }
            Source::File | Source::Environment => {
                let mut known = self.known();
                if open {
                    known.closed.remove(name)
                } else {
                    known.closed.insert(name.to_owned())
                };
            }
        }
        self.arrange().await;
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TunnelControl for House {
    fn list(&self) -> Vec<TunnelStatus> {
        self.running.status()
    }

    fn one(&self, name: &str) -> Result<TunnelStatus, Failure> {
        self.running.one(name)
    }

    async fn add(&self, given: Given) -> Result<TunnelStatus, Failure> {
        let tunnel = self.check(&given)?;
        for key in tunnel.keys() {
            self.keys.version(&key).await?;
        }
        let _changing = self.changing.lock().await;
        self.is_free(&tunnel)?;
        let name = tunnel.name.to_string();
        let text = serde_json::to_string(&given).map_err(Failure::internal)?;
        let row = TunnelRow { name: name.clone(), tunnel: text, open: true };
        if !self.records.add_tunnel(&self.place.id, &row).await? {
            let message = format!("there is a tunnel {name} already");
            return Err(Failure::new(FailureClass::Refused, message, "remove that one first, or take another name"));
        }
        self.known().stored.push(row);
        self.arrange().await;
        let _its_state_says_so = self.running.until_it_listens(&name).await;
        self.running.one(&name)
    }

    async fn open(&self, name: &str) -> Result<TunnelStatus, Failure> {
        self.set_open(name, true).await?;
        self.running.until_it_listens(name).await?;
        self.running.connect(name).await?;
        self.running.one(name)
    }

    async fn close(&self, name: &str) -> Result<TunnelStatus, Failure> {
        self.set_open(name, false).await?;
        self.running.one(name)
    }

    async fn remove(&self, name: &str) -> Result<(), Failure> {
        let _changing = self.changing.lock().await;
        let place = match self.running.source(name)? {
            Source::Store => None,
            Source::File => Some("in the file of APPFERRY_CONFIG"),
            Source::Environment => Some("in the environment"),
        };
        if let Some(place) = place {
            let is_hiding = self.known().stored.iter().any(|row| row.name == name);
            let stays = if is_hiding { "; the one of the store, which it hides, stays as it is" } else { "" };
            let message = format!("the tunnel {name} is written down {place}{stays}");
            return Err(Failure::new(FailureClass::Refused, message, "take it out there, or close it"));
        }
        self.records.remove_tunnel(&self.place.id, name).await?;
        self.known().stored.retain(|row| row.name != name);
        self.arrange().await;
        Ok(())
    }

    async fn test(&self, name: &str) -> Result<TestReport, Failure> {
        self.running.test(name).await
    }

    fn metrics(&self) -> String {
        metrics(&self.running.status())
    }
}
