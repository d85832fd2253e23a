//! Connections of their own for tunnels, hop by hop, and channels to targets.
//!
//! Opened for one tunnel and closed with it: what one tunnel does never waits for another.

mod backlog;
mod chain;
mod ferry;
mod room;
mod spill;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::failures;
use super::gate::Ground;
use super::host_keys::HostKeys;
use super::link::Link;
use super::opening::Opener;
use super::purpose::Purpose;
use super::settings::Settings;
use super::versions::Versions;
use crate::domain::{Failure, FailureClass};
use crate::ports::{KeyVersion, Keyring, Pair, SshTarget, TunnelLink, TunnelLinks, UsedKey};

use chain::{Chain, Joint};
use room::Room;

const PURPOSE: Purpose = Purpose::Tunnel;

/// Opens connections for tunnels.
pub struct Tunnels(Arc<Maker>);

struct Maker {
    opener: Opener,
    versions: Versions,
    /// Where bytes wait that a client does not read.
    room: Arc<Room>,
}

impl Tunnels {
    /// Connections that take their keys from `keyring` and trust `host_keys`. Nothing is connected yet. Bytes that wait for
    /// a slow client are kept in files without a name in `spill_folder`.
    #[must_use]
    pub fn new(keyring: Arc<dyn Keyring>, host_keys: HostKeys, spill_folder: PathBuf, tracker: TaskTracker) -> Self {
        let settings = Settings { purpose: PURPOSE, connect_timeout: Duration::from_secs(5), ..Settings::default() };
        Self(Arc::new(Maker {
            versions: Versions::new(Arc::clone(&keyring), settings.key_check_interval),
            opener: Opener { keyring, host_keys, settings, tracker },
            room: Room::new(spill_folder),
        }))
    }
}

#[async_trait]
impl TunnelLinks for Tunnels {
    async fn open(&self, _: &str, hops: &[SshTarget]) -> Result<Arc<dyn TunnelLink>, Failure> {
        let mut chain = Chain::new(Arc::clone(&self.0));
        for target in hops {
            let (link, used) = self.0.joint(target, chain.last()).await?;
            chain.push(Joint { link, used, target: target.clone(), since: Instant::now() });
        }
        Ok(Arc::new(chain))
    }

    async fn ground(&self, hops: &[SshTarget]) -> u64 {
        let mut hasher = DefaultHasher::new();
        for target in hops {
            if let Ok(version) = self.0.versions.of(&target.key).await {
                (version.generation, &version.fingerprint, &version.previous).hash(&mut hasher);
            }
            self.0.opener.host_keys_stamp(target).await.hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Maker {
    /// Logs in at one hop. While its key is being rotated, the pair before stands in where the new one is refused.
    async fn joint(
        &self,
        target: &SshTarget,
        through: Option<(&SshTarget, &Link)>,
    ) -> Result<(Link, UsedKey), Failure> {
        let version = self.versions.of(&target.key).await?;
        let connect = async |pair| {
            let mut ground = Ground { version: version.clone(), host_keys: None };
            self.opener.connect((target, PURPOSE), pair, &mut ground, through).await
        };
        match connect(Pair::Current).await {
            Err(refused) if refused.class == FailureClass::Authentication && version.previous.is_some() => {
                match connect(Pair::Previous).await {
                    Ok(joint) => {
                        tracing::warn!("{}", failures::stands_in(target, PURPOSE, &version));
                        Ok(joint)
                    }
                    Err(again) if again.class == FailureClass::Authentication => {
                        Err(failures::neither_pair(refused, &version))
                    }
                    Err(_) => Err(refused),
                }
            }
            outcome => outcome,
        }
    }

    /// Whether a login with `used` still is what would be done now.
    async fn stands(&self, target: &SshTarget, used: &UsedKey) -> bool {
        match self.versions.of(&target.key).await {
            Ok(now) => is_same_pair(used, &now),
            // A store that does not answer ends nothing; a key that is gone does.
            Err(failure) => failure.class != FailureClass::Key,
        }
    }
}

/// That the pair before was dropped does not matter to a login with the current one.
fn is_same_pair(used: &UsedKey, now: &KeyVersion) -> bool {
    let known = &used.version;
    match used.pair {
        Pair::Current => (known.generation, &known.fingerprint) == (now.generation, &now.fingerprint),
        Pair::Previous => known == now,
    }
}
