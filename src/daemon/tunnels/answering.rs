//! Logins of tunnels show that a rotation has worked.

use std::sync::Arc;

use async_trait::async_trait;

use super::Place;
use crate::daemon::fleet::FleetKeys;
use crate::domain::Failure;
use crate::ports::{GitService, Keyring as _, SshTarget, TunnelLink, TunnelLinks};

/// The connections, telling the key store of each login with a new pair: a tunnel has no services that could answer, so a login is
/// all that shows that a rotation has worked.
pub(super) struct Answering {
    pub(super) links: crate::ssh::Tunnels,
    pub(super) keys: Arc<FleetKeys>,
    pub(super) place: Place,
}

#[async_trait]
impl TunnelLinks for Answering {
    async fn open(&self, tunnel: &str, hops: &[SshTarget]) -> Result<Arc<dyn TunnelLink>, Failure> {
        let link = self.links.open(tunnel, hops).await?;
        for (key, used) in link.used() {
            if used.is_being_proved() {
                let keys = self.keys.service().on_behalf_of(&self.place.user(tunnel));
                keys.record_answer(&key, &used.version, GitService::Read).await;
                keys.record_answer(&key, &used.version, GitService::Write).await;
            }
        }
        Ok(link)
    }

    async fn ground(&self, hops: &[SshTarget]) -> u64 {
        self.links.ground(hops).await
    }
}
