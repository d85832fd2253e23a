//! The connections of one tunnel: each goes through the one before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use russh::{Disconnect, Error};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::Maker;
use super::ferry::Ferry;
use crate::domain::tunnel::Endpoint;
use crate::domain::{Failure, KeyName};
use crate::ports::{Pair, SshTarget, TunnelChannel, TunnelLink, UsedKey};
use crate::ssh::channel::OpenChannel;
use crate::ssh::failures;
use crate::ssh::link::{Link, locked};

/// How long the other side has for its last words.
const FAREWELL: Duration = Duration::from_secs(1);

/// One login on the way.
pub(super) struct Joint {
    pub(super) link: Link,
    pub(super) used: UsedKey,
    pub(super) target: SshTarget,
    pub(super) since: Instant,
}

/// All of them; the last is the bastion's.
pub(super) struct Chain {
    maker: Arc<Maker>,
    joints: Vec<Arc<Joint>>,
    /// Channels whose client does not read, so that the connection is not read on.
    held_up: Arc<AtomicUsize>,
}

impl Chain {
    pub(super) fn new(maker: Arc<Maker>) -> Self {
        Self { maker, joints: Vec::new(), held_up: Arc::default() }
    }

    /// The last one, and whose it is.
    pub(super) fn last(&self) -> Option<(&SshTarget, &Link)> {
        self.joints.last().map(|joint| (&joint.target, &joint.link))
    }

    pub(super) fn push(&mut self, joint: Joint) {
        self.joints.push(Arc::new(joint));
    }

    fn is_lost(&self) -> bool {
        self.last().is_none_or(|(_, link)| link.ended.is_cancelled() || link.handle.is_closed())
    }

    fn lost_words(&self) -> Failure {
        match self.joints.last() {
            Some(bastion) => failures::session_lost(&bastion.target),
            None => Failure::internal("a tunnel without a bastion"),
        }
    }
}

/// A future that was dropped half-way, or a tunnel that is gone, leaves no connection behind.
impl Drop for Chain {
    fn drop(&mut self) {
        for joint in &self.joints {
            joint.link.cut.cancel();
        }
    }
}

#[async_trait]
impl TunnelLink for Chain {
    async fn channel(&self, target: &Endpoint, limit: Duration) -> Result<Box<dyn TunnelChannel>, Failure> {
        let Some(bastion) = self.joints.last().filter(|_| !self.is_lost()) else { return Err(self.lost_words()) };
        match timeout(limit, open(bastion, target, &self.maker)).await {
            Ok(Ok(channel)) => {
                Ok(Box::new(Ferry { channel, held_up: Arc::clone(&self.held_up), room: Arc::clone(&self.maker.room) }))
            }
            Ok(Err(Error::ChannelOpenFailure(reason))) => {
                Err(failures::no_way(&bastion.target, &target.to_string(), &reason))
            }
            Ok(Err(_)) => Err(self.lost_words()),
            Err(_) => Err(failures::no_way_in_time(&bastion.target, &target.to_string(), limit)),
        }
    }

    fn used(&self) -> Vec<(KeyName, UsedKey)> {
        self.joints.iter().map(|joint| (joint.target.key.clone(), joint.used.clone())).collect()
    }

    async fn answers(&self, limit: Duration) -> bool {
        let Some((_, link)) = self.last() else { return false };
        matches!(timeout(limit, link.handle.send_ping()).await, Ok(Ok(()))) && !self.is_lost()
    }

    async fn stands(&self) -> bool {
        for joint in &self.joints {
            let Joint { link, used, target, since } = &**joint;
            let shown = locked(&link.learnt).shown.clone();
            let distrusted = match shown {
                Some(shown) => self.maker.opener.is_distrusted(target, &shown).await,
                None => false,
            };
            // A pair that stands in does so for a while; then the new one is tried again.
            let stood_in =
                used.pair == Pair::Previous && since.elapsed() >= self.maker.opener.settings.previous_pair_retry;
            if distrusted || stood_in || !self.maker.stands(target, used).await {
                return false;
            }
        }
        true
    }

    fn is_held_up(&self) -> bool {
        self.held_up.load(Ordering::Relaxed) > 0
    }

    async fn lost(&self) {
        if let Some((_, link)) = self.last() {
            link.ended.cancelled().await;
        }
    }

    async fn close(&self) {
        for link in self.joints.iter().rev().map(|joint| &joint.link) {
            let farewell = async {
                let _ = link.handle.disconnect(Disconnect::ByApplication, "", "").await;
                link.ended.cancelled().await;
            };
            if timeout(FAREWELL, farewell).await.is_err() {
                link.cut.cancel();
            }
        }
    }
}

/// Opens a channel in a task of its own: who gives up in the middle must not leave an open channel behind.
async fn open(bastion: &Arc<Joint>, target: &Endpoint, maker: &Arc<Maker>) -> Result<OpenChannel, Error> {
    let (answer, answered) = oneshot::channel();
    let (joint, target, tracker) = (Arc::clone(bastion), target.clone(), maker.opener.tracker.clone());
    maker.opener.tracker.spawn(async move {
        let (handle, ended) = (&joint.link.handle, &joint.link.ended);
        let opening = async {
            match &target {
                Endpoint::Tcp { host, port } => {
                    handle.channel_open_direct_tcpip(host.as_str(), u32::from(*port), "127.0.0.1", 0).await
                }
                Endpoint::Unix(path) => handle.channel_open_direct_streamlocal(path.as_str()).await,
            }
        };
        let opened = tokio::select! {
            opened = opening => opened,
            () = ended.cancelled() => Err(Error::Disconnect),
        };
        let opened = opened.map(|channel| OpenChannel::new(channel.split(), ended.clone(), tracker));
        let _ = answer.send(opened); // a channel that nobody takes closes itself
    });
    answered.await.unwrap_or(Err(Error::Disconnect))
}
