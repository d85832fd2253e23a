//! Rule 26, shown by the order of events: a clock would judge the machine.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt as _;
use tokio::sync::oneshot;

use super::*;
use crate::domain::FailureClass;
use crate::tunnel::clients::WHILE_DOWN;
use crate::tunnel::fake::Bastion;
use crate::tunnel::ways::Answer;

/// A client that comes when the last attempt began a second ago gets one of its own, and has as long again for it: that is the
/// promise that the return of a bastion is noticed within two seconds by whoever asks.
const _: () = assert!(2 * FRESH.as_millis() <= WHILE_DOWN.as_millis());

fn connector(bastion: &Arc<Bastion>, eager: bool) -> Connector {
    Connector {
        name: "t".into(),
        way: Arc::new(Way::new(Vec::new(), Arc::new(Arc::clone(bastion)))),
        eager,
        idle_close: None,
        facts: Arc::new(Facts::new()),
        tracker: TaskTracker::new(),
        stop: CancellationToken::new(),
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
        let connector = connector(&bastion, eager);
        let (facts, stop) = (Arc::clone(&connector.facts), connector.stop.clone());
        TaskTracker::new().spawn(connector.run(asked));
        Self { bastion, asks, facts, _stop: stop.drop_guard() }
    }

    async fn ask(&self) -> Answer {
        let (waiter, answer) = oneshot::channel();
        assert!(self.asks.send(Ask::Link(waiter)).await.is_ok());
        answer.await.unwrap()
    }

    async fn ask_as_a_person(&self) -> Answer {
        let (waiter, answer) = oneshot::channel();
        assert!(self.asks.send(Ask::Now(waiter)).await.is_ok());
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

#[tokio::test]
async fn an_attempt_that_is_under_way_is_no_reason_for_an_own_one_beside_it() {
    let bastion = Arc::new(Bastion { slow: AtomicBool::new(true), ..Bastion::default() });
    let connector = connector(&bastion, true);
    let refused = Failure::new(FailureClass::Authentication, "the key is refused", "let it in");
    for before in [None, Some(refused)] {
        let mut now = Standing { failure: before, ..connector.at_first() };
        connector.begin(&mut now, false); // by a client
        connector.try_again(&mut now);
        assert!(now.next_try.is_none(), "it is not due a second later either");
    }
    let away = Failure::new(FailureClass::Connect, "nobody is there", "wait");
    let mut now = Standing { failure: Some(away), ..connector.at_first() };
    connector.begin(&mut now, false);
    connector.try_again(&mut now);
    assert!(now.next_try.is_some(), "it may hang in what has passed");
}

#[tokio::test]
async fn a_client_begins_no_login_beside_one_that_will_be_refused() {
    let bastion: Arc<Bastion> = Arc::default();
    let connector = connector(&bastion, false);
    assert!(connector.way.open("t", false).await.answer.is_ok());
    bastion.slow.store(true, Ordering::SeqCst);
    let clients_after = async |failure| {
        let mut now = Standing { failure: Some(failure), ..connector.at_first() };
        connector.begin(&mut now, false); // its own time had come; the server takes its time, too
        tokio::time::sleep(FRESH).await;
        let before = bastion.attempts.load(Ordering::SeqCst);
        connector.asked(&mut now, Ask::Link(oneshot::channel().0));
        assert!(tokio::time::timeout(FRESH / 2, now.attempts.next()).await.is_err());
        bastion.attempts.load(Ordering::SeqCst) - before
    };
    let refused = Failure::new(FailureClass::Authentication, "the key is refused", "let it in");
    let away = Failure::new(FailureClass::Connect, "nobody is there", "wait");
    assert_eq!((clients_after(refused).await, clients_after(away).await), (1, 2), "with the one that was begun before");
}

#[tokio::test]
async fn however_many_attempts_hang_a_new_one_has_its_turn() {
    let bastion = Arc::new(Bastion { slow: AtomicBool::new(true), ..Bastion::default() });
    let mut attempts = connector(&bastion, false).at_first().attempts;
    for number in 1..=20 {
        attempts.begin(true);
        assert!(attempts.next().now_or_never().is_none());
        assert_eq!(bastion.attempts.load(Ordering::SeqCst), number);
    }
    bastion.slow.store(false, Ordering::SeqCst); // it is back; what hangs still does
    attempts.begin(true);
    let answer = attempts.next().now_or_never();
    assert!(answer.is_some_and(|outcome| outcome.answer.is_ok()));
}

#[tokio::test]
async fn a_refused_login_is_tried_again_at_once_when_its_ground_changed_or_a_person_asks() {
    let bastion = Arc::new(Bastion { refuses: AtomicBool::new(true), ..Bastion::default() });
    let scene = Scene::of(Arc::clone(&bastion), true);
    assert!(scene.ask().await.is_err());
    let first = scene.attempts();
    assert!(scene.ask().await.is_err() && scene.ask().await.is_err());
    assert_eq!(scene.attempts(), first, "clients are told what is known");
    assert!(scene.ask_as_a_person().await.is_err());
    assert_eq!(scene.attempts(), first + 1);
    // The key is changed right after the refusal, before anybody looked what the refusal stood on.
    bastion.refuses.store(false, Ordering::SeqCst);
    bastion.ground.store(1, Ordering::SeqCst);
    while scene.facts.now().state != TunnelState::Open {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.attempts(), first + 2);
}
