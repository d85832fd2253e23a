//! A channel that the server has confirmed, and how many of them it allows.

use std::time::Duration;

use futures::FutureExt as _;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Why there is no channel.
pub(super) enum NoChannel {
    /// The connection is gone.
    Lost,
    /// No answer in time.
    TimedOut,
    /// The server said no, while so many others were open.
    Refused(ChannelOpenFailure, usize),
}

/// An open channel. russh forgets one that is dropped, and the server would count it as long as the connection lasts: so
/// this closes itself, wherever a caller gives up.
pub(super) struct OpenChannel {
    halves: Option<Halves>,
    ended: CancellationToken,
    tracker: TaskTracker,
}

type Halves = (ChannelReadHalf, ChannelWriteHalf<Msg>);

impl OpenChannel {
    /// Owns a channel of the connection whose end `ended` tells.
    pub(super) fn new(halves: Halves, ended: CancellationToken, tracker: TaskTracker) -> Self {
        Self { halves: Some(halves), ended, tracker }
    }

    /// Where to write.
    ///
    /// # Errors
    /// Never: a channel that is held has its halves.
    pub(super) fn write(&self) -> Result<&ChannelWriteHalf<Msg>, russh::Error> {
        self.halves.as_ref().map(|(_, write)| write).ok_or(russh::Error::SendError)
    }

    /// Its halves; whoever takes them has to close it.
    ///
    /// # Errors
    /// Never, as for [`write`](Self::write).
    pub(super) fn take(mut self) -> Result<Halves, russh::Error> {
        self.halves.take().ok_or(russh::Error::SendError)
    }

    /// Whether the server has not closed it yet.
    pub(super) fn is_open(&mut self) -> bool {
        let Some((read, _)) = &mut self.halves else { return false };
        loop {
            match read.wait().now_or_never() {
                None => return true,
                Some(None | Some(ChannelMsg::Close | ChannelMsg::Eof)) => return false,
                Some(Some(_)) => {} // a window adjustment
            }
        }
    }
}

impl Drop for OpenChannel {
    fn drop(&mut self) {
        let (Some((_read, write)), Ok(runtime)) = (self.halves.take(), Handle::try_current()) else { return };
        let ended = self.ended.clone();
        let close = async move {
            tokio::select! {
                _ = write.close() => {}
                () = ended.cancelled() => {}
            }
        };
        self.tracker.spawn_on(close, &runtime);
    }
}

/// The most channels that a server seems to allow, learnt from its refusals.
pub(super) struct ChannelLimit {
    learnt: Option<(usize, Instant)>,
    /// A refusal may have had another cause, and a server may be set up anew: so long it is believed.
    believed_for: Duration,
}

impl ChannelLimit {
    /// No limit is known yet.
    pub(super) const fn new(believed_for: Duration) -> Self {
        Self { learnt: None, believed_for }
    }

    /// The limit as far as it is known.
    pub(super) fn most(&self) -> usize {
        match self.learnt {
            Some((most, at)) if at.elapsed() < self.believed_for => most,
            _ => usize::MAX,
        }
    }

    /// The server refused a channel while `others` were open.
    pub(super) fn refused(&mut self, others: usize) {
        self.learnt = Some((self.most().min(others.max(1)), Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_learnt_is_forgotten_after_a_while() {
        let mut limit = ChannelLimit::new(Duration::from_hours(1));
        assert_eq!(limit.most(), usize::MAX);
        limit.refused(9);
        assert_eq!(limit.most(), 9);
        limit.refused(0); // the server may still count what has ended: one is always tried
        limit.refused(5);
        assert_eq!(limit.most(), 1);
        let mut forgetful = ChannelLimit::new(Duration::ZERO);
        forgetful.refused(1);
        assert_eq!(forgetful.most(), usize::MAX);
    }
}
