//! A session: a connection that is logged in, the channels on it, and the one that is open ahead.

mod forwarding;
mod in_use;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelOpenFailure, Disconnect, Error};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channel::{ChannelLimit, NoChannel, OpenChannel};
use super::link::Link;
use crate::ports::{KeyVersion, Pair, UsedKey};
pub(super) use in_use::InUse;

/// How long the other side has for its last words when a session is closed.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long after the end of a command its channel may still count for the server.
const LATE_RELEASE: Duration = Duration::from_secs(1);

/// A session that is logged in.
pub(super) struct Session {
    link: Link,
    /// The key pair that it was opened with, and the state of its name as it is known.
    key: Mutex<UsedKey>,
    /// A channel has been opened on it.
    proved: AtomicBool,
    /// No new channel shall be opened here; the session closes as soon as nothing runs on it.
    retired: CancellationToken,
    spare: Mutex<Option<OpenChannel>>,
    /// Channels in use or being opened, the spare one left out.
    in_use: watch::Sender<usize>,
    limit: Mutex<ChannelLimit>,
    last_used: Mutex<Instant>,
    /// When it was looked at last whether the host's key is trusted.
    host_checked: Mutex<Instant>,
    tracker: TaskTracker,
}

impl Session {
    pub(super) fn new(link: Link, key: UsedKey, limit: ChannelLimit, tracker: TaskTracker) -> Self {
        Self {
            link,
            key: Mutex::new(key),
            proved: AtomicBool::new(false),
            retired: CancellationToken::new(),
            spare: Mutex::default(),
            in_use: watch::Sender::default(),
            limit: Mutex::new(limit),
            last_used: Mutex::new(Instant::now()),
            host_checked: Mutex::new(Instant::now()),
            tracker,
        }
    }

    /// Whether channels can be asked for.
    pub(super) fn is_open(&self) -> bool {
        !self.retired.is_cancelled() && !self.link.ended.is_cancelled() && !self.link.handle.is_closed()
    }

    /// Gives the session up: nothing new begins on it, and it closes when what runs on it has ended. Answers whether it
    /// was not given up before.
    pub(super) fn retire(&self) -> bool {
        let first = !self.retired.is_cancelled();
        self.retired.cancel();
        first
    }

    /// The key pair that it was opened with.
    pub(super) fn key(&self) -> UsedKey {
        locked(&self.key).clone()
    }

    /// Whether its key pair still is what it was, now that the name stands for `now`. That the pair before was dropped
    /// does not matter to a session on the current one.
    pub(super) fn stands(&self, now: &KeyVersion) -> bool {
        let mut key = locked(&self.key);
        let known = &key.version;
        match key.pair {
            Pair::Current if (known.generation, &known.fingerprint) == (now.generation, &now.fingerprint) => {
                key.version.clone_from(now);
                true
            }
            Pair::Current => false,
            Pair::Previous => known == now,
        }
    }

    /// What the host has proved to be, when it is time to look again whether that is trusted.
    pub(super) fn host_to_check(&self, every: Duration) -> Option<Arc<PublicKeyOrCertificate>> {
        let mut checked = locked(&self.host_checked);
        if checked.elapsed() < every {
            return None;
        }
        *checked = Instant::now();
        locked(&self.link.learnt).shown.clone()
    }

    /// Notes that a command was started on it. Answers whether it was the first.
    pub(super) fn was_proved(&self) -> bool {
        !self.proved.swap(true, Ordering::Relaxed)
    }

    /// A channel: the one that is open ahead (then `true`), or a new one. When the server allows no more of them, waits
    /// until one is given back.
    pub(super) async fn open(self: &Arc<Self>, limit: Duration) -> Result<(OpenChannel, bool, InUse), NoChannel> {
        let deadline = Instant::now() + limit; // for waiting; the server has `limit` for each of its answers
        let mut count = self.in_use.subscribe();
        let mut refusal = ChannelOpenFailure::ResourceShortage;
        loop {
            // Each time: it may have been on its way, and be the only one that the server allows.
            if let Some(channel) = self.take_spare() {
                let in_use = InUse::one_more(self).serve();
                self.note_open();
                return Ok((channel, true, in_use));
            }
            if let Some(in_use) = InUse::within_limit(self) {
                match self.open_new(limit).await {
                    Ok(channel) => return Ok((channel, false, in_use.serve())),
                    Err(NoChannel::Refused(reason, 0)) => self.wait_for_late_release(reason).await?,
                    Err(NoChannel::Refused(reason, _)) => refusal = reason,
                    Err(other) => return Err(other),
                }
            }
            self.until_one_more(&mut count, deadline).await;
            if Instant::now() >= deadline {
                return Err(NoChannel::Refused(refusal, *self.in_use.borrow()));
            }
        }
    }

    /// Waits until a channel may be tried, or for `deadline`.
    async fn until_one_more(&self, count: &mut watch::Receiver<usize>, deadline: Instant) {
        let next_try = locked(&self.limit).next_try();
        let free = |n: &usize| *n < locked(&self.limit).most();
        tokio::select! {
            _ = count.wait_for(free) => {}
            () = tokio::time::sleep_until(next_try.unwrap_or(deadline)), if next_try.is_some() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }

    /// Opens one channel for the next [`open`](Self::open), unless there is one or the server allows too few.
    pub(super) async fn open_ahead(self: &Arc<Self>, limit: Duration) {
        if !self.is_open() || locked(&self.spare).is_some() {
            return;
        }
        let Some(_in_use) = InUse::within_limit(self) else { return };
        loop {
            match self.open_new(limit).await {
                Ok(channel) => return self.keep_or_close(channel),
                Err(NoChannel::Refused(reason, 0)) if self.wait_for_late_release(reason.clone()).await.is_ok() => {}
                Err(NoChannel::TimedOut) => {
                    self.retire();
                    return;
                }
                Err(NoChannel::Lost | NoChannel::Refused(..)) => return,
            }
        }
    }

    /// Waits until the session has no more reason to be: lost, idle for `idle`, given up and unused, or `stop`. Closes it.
    pub(super) async fn live(self: Arc<Self>, idle: Duration, stop: CancellationToken) {
        tokio::select! {
            () = self.link.ended.cancelled() => {}
            () = stop.cancelled() => {}
            () = self.unneeded(idle) => {}
        }
        self.retire();
        drop(locked(&self.spare).take());
        self.close().await;
    }

    async fn unneeded(&self, idle: Duration) {
        let mut count = self.in_use.subscribe();
        loop {
            let unused = *count.borrow_and_update() == 0;
            let idle_at = *locked(&self.last_used) + idle;
            if unused && (self.retired.is_cancelled() || idle_at <= Instant::now()) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(idle_at), if unused => {}
                () = self.retired.cancelled(), if unused => {}
                _ = count.changed() => {}
            }
        }
    }

    /// Says farewell, and cuts the connection if that takes too long.
    async fn close(&self) {
        let farewell = async {
            let _ = self.link.handle.disconnect(Disconnect::ByApplication, "", "").await;
            self.link.ended.cancelled().await;
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            self.link.cut.cancel();
            let _ = timeout(FAREWELL, self.link.ended.cancelled()).await;
        }
    }

    /// The channel that is open ahead, unless the server closed it meanwhile.
    fn take_spare(&self) -> Option<OpenChannel> {
        let mut channel = locked(&self.spare).take()?;
        channel.is_open().then_some(channel)
    }

    /// Opens a channel in a task of its own: a caller that gives up in the middle must not leave an open channel behind.
    async fn open_new(self: &Arc<Self>, limit: Duration) -> Result<OpenChannel, NoChannel> {
        let (answer, answered) = oneshot::channel();
        let session = Arc::clone(self);
        self.tracker.spawn(async move {
            let opened = timeout(limit, session.confirmed_channel()).await.unwrap_or(Err(NoChannel::TimedOut));
            if let Err(Ok(channel)) = answer.send(opened) {
                session.keep_or_close(channel);
            }
        });
        let opened = answered.await.unwrap_or(Err(NoChannel::Lost));
        if let Err(NoChannel::Refused(reason, _)) = opened {
            let others = self.in_use.borrow().saturating_sub(1);
            locked(&self.limit).refused(others);
            return Err(NoChannel::Refused(reason, others));
        }
        if opened.is_ok() {
            self.note_open();
        }
        opened
    }

    /// So many channels as are in use now, the server allows.
    fn note_open(&self) {
        let open = *self.in_use.borrow();
        let forgotten = locked(&self.limit).opened(open);
        if forgotten {
            self.in_use.send_modify(|_| ()); // for those who wait because of it
        }
    }

    async fn confirmed_channel(&self) -> Result<OpenChannel, NoChannel> {
        let opened = tokio::select! {
            opened = self.link.handle.channel_open_session() => opened,
            () = self.link.ended.cancelled() => return Err(NoChannel::Lost),
        };
        match opened {
            Ok(channel) => Ok(OpenChannel::new(channel.split(), self.link.ended.clone(), self.tracker.clone())),
            Err(Error::ChannelOpenFailure(reason)) => Err(NoChannel::Refused(reason, 0)),
            Err(_) => Err(NoChannel::Lost),
        }
    }

    /// After a refusal although none of ours is open: OpenSSH may close a channel a moment before it has reaped the command
    /// and takes the channel off its count, and nothing tells when it has.
    async fn wait_for_late_release(&self, reason: ChannelOpenFailure) -> Result<(), NoChannel> {
        if locked(&self.last_used).elapsed() > LATE_RELEASE {
            return Err(NoChannel::Refused(reason, 0));
        }
        tokio::time::sleep(LATE_RELEASE / 50).await;
        Ok(())
    }

    /// Keeps the channel for the next command, unless there is one.
    fn keep_or_close(&self, channel: OpenChannel) {
        let surplus = {
            let mut spare = locked(&self.spare);
            if spare.is_some() { Some(channel) } else { spare.replace(channel) }
        };
        drop(surplus);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
