//! Who listens to a run.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::run::Told;

/// What may wait to be heard, beside what each host keeps.
const AHEAD: usize = 64;
/// When the service stops, a listener that hears nothing for so long is left alone.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Passes on what hosts tell, as fast as it is heard.
///
/// A command is never held up by who listens: that would hold up the others of its session, too. What it tells waits in a
/// queue of its own, which is bounded because output is; the place among the hosts that run at once is given back when
/// it was heard. So what waits does not grow with the number of hosts.
pub(super) struct Listener {
    heard: mpsc::Sender<Told>,
    stop: CancellationToken,
}

impl Listener {
    pub(super) fn new(stop: CancellationToken) -> (Self, mpsc::Receiver<Told>) {
        let (heard, told) = mpsc::channel(AHEAD);
        (Self { heard, stop }, told)
    }

    /// Until the host has no more to tell, or nobody listens any more.
    pub(super) async fn pass_on(&self, mut saying: mpsc::UnboundedReceiver<Told>) {
        while let Some(told) = saying.recv().await {
            let too_late = async {
                self.stop.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            let is_heard = tokio::select! {
                heard = self.heard.send(told) => heard.is_ok(),
                () = too_late => false,
            };
            if !is_heard {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_host_gives_its_place_back_when_what_it_told_was_heard() {
        let (listener, mut told) = Listener::new(CancellationToken::new());
        let (tell, saying) = mpsc::unbounded_channel();
        for _ in 0..=AHEAD {
            tell.send(Told::Began("web".to_owned())).unwrap();
        }
        drop(tell);
        let passing = listener.pass_on(saying);
        tokio::pin!(passing);
        assert!((&mut passing).now_or_never().is_none(), "one more than may wait");
        assert_eq!(told.recv().await, Some(Told::Began("web".to_owned())));
        passing.await;
    }

    #[tokio::test]
    async fn nobody_waits_for_a_listener_that_is_gone() {
        let (listener, told) = Listener::new(CancellationToken::new());
        drop(told);
        let (tell, saying) = mpsc::unbounded_channel();
        tell.send(Told::Began("web".to_owned())).unwrap();
        listener.pass_on(saying).await; // ends, though more could be told
        assert!(tell.is_closed());
    }
}
