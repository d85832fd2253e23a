//! Rule 26, shown by the order of events: a clock would judge the machine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::*;
use crate::domain::tunnel::Endpoint;
use crate::domain::{FailureClass, KeyName};
use crate::ports::{TunnelChannel, UsedKey};
use crate::tunnel::attempts::{Answer, FRESH};
use crate::tunnel::clients::WHILE_DOWN;

/// A client that comes when the last attempt began a second ago gets one of its own, and has as long again for it: that is the
/// promise that the return of a bastion is noticed within two seconds by whoever asks.
const _: () = assert!(2 * FRESH.as_millis() <= WHILE_DOWN.as_millis());

#[derive(Default)]
struct Bastion {
    away: AtomicBool,
    attempts: AtomicUsize,
    /// Attempts wait for its ring.
    slow: AtomicBool,
    ring: tokio::sync::Notify,
    link: Mutex<CancellationToken>,
}

struct Connection(CancellationToken);

#[async_trait]
impl TunnelLinks for Arc<Bastion> {
    async fn open(&self, _: &str, _: &[SshTarget]) -> Result<Arc<dyn TunnelLink>, Failure> {
        let rung = self.ring.notified();
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if self.slow.load(Ordering::SeqCst) {
            rung.await;
        }
        if self.away.load(Ordering::SeqCst) {
            return Err(Failure::new(FailureClass::Connect, "nobody is there", "wait"));
        }
        let lost = CancellationToken::new();
        *self.link.lock().unwrap() = lost.clone();
        Ok(Arc::new(Connection(lost)))
    }

    async fn ground(&self, _: &[SshTarget]) -> u64 {
        0
    }
}

#[async_trait]
impl TunnelLink for Connection {
    async fn channel(&self, _: &Endpoint, _: Duration) -> Result<Box<dyn TunnelChannel>, Failure> {
        Err(Failure::internal("not asked for here"))
    }

    fn used(&self) -> Vec<(KeyName, UsedKey)> {
        Vec::new()
    }

    async fn answers(&self, _: Duration) -> bool {
        true
    }

    async fn stands(&self) -> bool {
        true
    }

    fn is_held_up(&self) -> bool {
        false
    }

    async fn lost(&self) {
        self.0.cancelled().await;
    }

    async fn close(&self) {
        self.0.cancel();
    }
}

struct Scene {
    bastion: Arc<Bastion>,
    asks: mpsc::Sender<Ask>,
    facts: Arc<Facts>,
    _stop: tokio_util::sync::DropGuard,
}

impl Scene {
    fn new() -> Self {
        Self::of(Arc::default(), false)
    }

    fn of(bastion: Arc<Bastion>, eager: bool) -> Self {
        let (asks, asked) = mpsc::channel(1);
        let (facts, tracker, stop) = (Arc::new(Facts::new()), TaskTracker::new(), CancellationToken::new());
        let connector = Connector {
            name: "t".into(),
            links: Arc::new(Arc::clone(&bastion)),
            hops: Vec::new(),
            eager,
            idle_close: None,
            facts: Arc::clone(&facts),
            tracker: tracker.clone(),
            stop: stop.clone(),
        };
        tracker.spawn(connector.run(asked));
        Self { bastion, asks, facts, _stop: stop.drop_guard() }
    }

    async fn ask(&self) -> Answer {
        let (waiter, answer) = oneshot::channel();
        assert!(self.asks.send(Ask::Link(waiter)).await.is_ok());
        answer.await.unwrap()
    }

    fn attempts(&self) -> usize {
        self.bastion.attempts.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn the_first_attempt_after_the_return_lets_everybody_through_and_there_is_one_a_second_at_most() {
    let scene = Scene::new();
    scene.ask().await.unwrap();
    scene.bastion.away.store(true, Ordering::SeqCst);
    scene.bastion.link.lock().unwrap().cancel();
    // From here on one client comes after another.
    while scene.facts.now().state != TunnelState::Down {
        tokio::task::yield_now().await;
    }
    let (began, before) = (Instant::now(), scene.attempts());
    while scene.attempts() < before + 6 {
        assert!(scene.ask().await.is_err());
    }
    // Six attempts of its own last 15.75 s at least, with the shortest waits there may be; clients make it one a second after the
    // first two. The bound lies between, far from both.
    let (took, least, most) = (began.elapsed(), 3 * FRESH, Duration::from_secs(12));
    assert!(least <= took && took < most, "{took:?}");

    scene.bastion.away.store(false, Ordering::SeqCst);
    let before = scene.attempts();
    while scene.ask().await.is_err() {}
    assert_eq!(scene.attempts(), before + 1);
    assert_eq!(scene.facts.counts().2, 1, "reconnects");
}

#[tokio::test]
async fn a_client_that_comes_with_the_own_try_is_no_second_login() {
    let bastion = Arc::new(Bastion { slow: AtomicBool::new(true), ..Bastion::default() });
    let scene = Scene::of(Arc::clone(&bastion), true);
    let asked = async {
        let answer = scene.ask().await;
        assert!(answer.is_ok());
    };
    let meanwhile = async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await; // more turns than the connector needs for all that is due
        }
        assert_eq!(scene.attempts(), 1);
        bastion.ring.notify_waiters();
    };
    tokio::join!(asked, meanwhile);
}
