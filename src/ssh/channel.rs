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

    /// Its halves, while it still closes itself.
    ///
    /// # Errors
    /// Never, as for [`write`](Self::write).
    pub(super) fn halves(&mut self) -> Result<(&mut ChannelReadHalf, &ChannelWriteHalf<Msg>), russh::Error> {
        self.halves.as_mut().map(|(read, write)| (read, &*write)).ok_or(russh::Error::SendError)
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
///
/// A refusal may have had another cause: the server may still count what has ended, or be set up anew. So after a while one
/// more channel is tried, and if that is opened, no limit is known any more.
pub(super) struct ChannelLimit {
    learnt: Option<(usize, Instant)>,
    believed_for: Duration,
}

impl ChannelLimit {
    /// No limit is known yet.
    pub(super) const fn new(believed_for: Duration) -> Self {
        Self { learnt: None, believed_for }
    }

    /// How many channels may be open or being opened now.
    pub(super) fn most(&self) -> usize {
        match self.learnt {
            Some((most, at)) if at.elapsed() < self.believed_for => most,
            Some((most, _)) => most.saturating_add(1),
            None => usize::MAX,
        }
    }

    /// When one more may be tried, if that is still to come.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.learnt.map(|(_, at)| at + self.believed_for).filter(|at| *at > Instant::now())
    }

    /// The server refused a channel while `others` were open.
    pub(super) fn refused(&mut self, others: usize) {
        let known = self.learnt.map_or(usize::MAX, |(most, _)| most);
        self.learnt = Some((known.min(others.max(1)), Instant::now()));
    }

    /// The server opened a channel, so that so many are open now. Answers whether a limit is forgotten for that.
    pub(super) fn opened(&mut self, open: usize) -> bool {
        self.learnt.take_if(|(most, _)| open > *most).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_believed_for_a_while_then_one_more_is_tried() {
        let mut limit = ChannelLimit::new(Duration::from_hours(1));
        assert_eq!((limit.most(), limit.next_try()), (usize::MAX, None));
        limit.refused(9);
        assert_eq!(limit.most(), 9);
        limit.refused(0); // the server may still count what has ended: one is always tried
        limit.refused(5);
        assert_eq!((limit.most(), limit.next_try().is_some()), (1, true));
        let mut doubtful = ChannelLimit::new(Duration::ZERO);
        doubtful.refused(1);
        assert_eq!((doubtful.most(), doubtful.next_try()), (2, None));
        doubtful.refused(1);
        assert_eq!(doubtful.most(), 2);
        assert!(doubtful.opened(2));
        assert_eq!(doubtful.most(), usize::MAX);
    }
}
