//! The sessions there are, and those that are being opened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::failures;
use super::gate::{Ground, Who};
use super::pool::Pool;
use super::session::Session;
use crate::domain::{Failure, FailureClass};
use crate::ports::{KeyVersion, Pair, SessionClass, SshTarget};

const CLASSES: [SessionClass; 3] = [SessionClass::Control, SessionClass::Bulk, SessionClass::Shell];

/// What one session is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) target: SshTarget,
    pub(super) class: SessionClass,
    pub(super) pair: Pair,
}

impl Slot {
    fn who(&self, pool: &Pool) -> Who {
        (self.target.clone(), pool.settings.purpose.of(self.class), self.pair)
    }
}

pub(super) type Outcome = Result<Arc<Session>, Failure>;
type Attempt = watch::Receiver<Option<Outcome>>;

#[derive(Clone)]
enum State {
    Opening(Attempt),
    Open(Arc<Session>),
}

/// One state for each slot that is in use.
#[derive(Default)]
pub(super) struct Slots(Mutex<HashMap<Slot, State>>);

impl Slots {
    /// The session of the slot, if it is there and can be used.
    pub(super) fn warm(&self, slot: &Slot) -> Option<Arc<Session>> {
        match self.locked().get(slot) {
            Some(State::Open(session)) if session.is_open() => Some(Arc::clone(session)),
            _ => None,
        }
    }

    pub(super) fn clear(&self) {
        self.locked().clear();
    }

    /// Gives up the sessions of a target that `unfit` says so of.
    fn give_up(&self, target: &SshTarget, unfit: impl Fn(&Session) -> bool) {
        let slots = self.locked();
        for (class, pair) in CLASSES.into_iter().flat_map(|class| [(class, Pair::Current), (class, Pair::Previous)]) {
            if let Some(State::Open(session)) = slots.get(&Slot { target: target.clone(), class, pair })
                && unfit(session)
                && session.retire()
            {
                tracing::info!(key = %target.key, host = %target.host, ?pair, "another key pair is used now: a session is given up");
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Slot, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    /// A session as `pair`, and whether it was warm. Where the current pair is refused, the one before stands in.
    pub(super) async fn session(
        self: &Arc<Self>,
        target: &SshTarget,
        class: SessionClass,
        pair: Pair,
    ) -> Result<(Arc<Session>, bool), Failure> {
        let version = match self.versions.of(&target.key).await {
            Ok(version) => version,
            Err(failure) => {
                self.slots.give_up(target, |_| true);
                return Err(failure);
            }
        };
        self.slots.give_up(target, |session| !session.stands(&version));
        let slot = |pair| Slot { target: target.clone(), class, pair };
        let is_rotating = version.previous.is_some();
        if pair == Pair::Previous && is_rotating {
            return self.session_of(&slot(Pair::Previous), &version).await;
        }
        match self.session_of(&slot(Pair::Current), &version).await {
            Err(refused) if is_rotating && refused.class == FailureClass::Authentication => {
                let other = self.session_of(&slot(Pair::Previous), &version).await;
                self.stand_in((target, class), &version, refused, other)
            }
            outcome => outcome,
        }
    }

    /// What comes of the key pair before, after the new one was refused.
    fn stand_in<T>(
        &self,
        (target, class): (&SshTarget, SessionClass),
        version: &KeyVersion,
        refused: Failure,
        other: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let purpose = self.settings.purpose.of(class);
        let new = (target.clone(), purpose, Pair::Current);
        match &other {
            Ok(_) => {
                self.gates.hold(&new, self.settings.previous_pair_retry);
                if self.gates.is_news_that_other_stands_in(&new) {
                    tracing::warn!("{}", failures::stands_in(target, purpose, version));
                }
                other
            }
            Err(failure) if failure.class == FailureClass::Authentication => {
                self.gates.hold(&new, self.settings.permanent_retry);
                Err(failures::neither_pair(refused, version))
            }
            Err(failure) if failure.class == FailureClass::Key => {
                self.gates.hold(&new, self.settings.permanent_retry);
                Err(failures::previous_unusable(refused, version))
            }
            Err(_) => other,
        }
    }

    /// The session of the slot, and whether it was warm. Opens one, or joins the attempt that is under way.
    async fn session_of(self: &Arc<Self>, slot: &Slot, version: &KeyVersion) -> Result<(Arc<Session>, bool), Failure> {
        if let Some(session) = self.slots.warm(slot)
            && !self.is_host_distrusted(&slot.target, &session).await
        {
            return Ok((session, true));
        }
        let who = slot.who(self);
        if self.gates.is_host_key(&who) {
            self.gates.host_keys_are(&who, self.opener.host_keys_stamp(&slot.target).await);
        }
        let mut attempt = self.join_or_begin(slot, version)?;
        let outcome = attempt.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome.map(|session| (session, false)),
            None => Err(failures::shutting_down()),
        }
    }

    /// Whether the session's host key is not trusted any more; then the session is given up. Looked at as often as the key.
    async fn is_host_distrusted(&self, target: &SshTarget, session: &Session) -> bool {
        let Some(shown) = session.host_to_check(self.settings.key_check_interval) else { return false };
        let distrusted = self.opener.is_distrusted(target, &shown).await;
        if distrusted && session.retire() {
            tracing::warn!(host = %target.host, "its host key is not trusted any more: a session is given up");
        }
        distrusted
    }

    /// The attempt to open the slot's session: the one under way, or a new one in a task of its own, so that a caller who
    /// gives up does not end it for the others.
    fn join_or_begin(self: &Arc<Self>, slot: &Slot, version: &KeyVersion) -> Result<Attempt, Failure> {
        if self.stop.is_cancelled() {
            return Err(failures::shutting_down());
        }
        let mut slots = self.slots.locked();
        match slots.get(slot) {
            // Unless its task broke: then nobody will ever tell.
            Some(State::Opening(attempt)) if attempt.borrow().is_some() || attempt.has_changed().is_ok() => {
                return Ok(attempt.clone());
            }
            Some(State::Open(session)) if session.is_open() => {
                return Ok(watch::Sender::new(Some(Ok(Arc::clone(session)))).subscribe());
            }
            _ => {}
        }
        let permit = self.gates.enter(&slot.who(self), version)?;
        let (tell, attempt) = watch::channel(None);
        slots.insert(slot.clone(), State::Opening(attempt.clone()));
        let (pool, slot, version) = (Arc::clone(self), slot.clone(), version.clone());
        self.tracker.spawn(async move {
            let outcome = tokio::select! {
                outcome = pool.open(&slot, version) => outcome,
                () = pool.stop.cancelled() => Err(failures::shutting_down()),
            };
            drop(permit);
            pool.settle(slot, &outcome);
            tell.send_replace(Some(outcome));
        });
        Ok(attempt)
    }

    async fn open(&self, slot: &Slot, version: KeyVersion) -> Outcome {
        let mut ground = Ground { version, host_keys: None };
        let opened =
            self.opener.open((&slot.target, self.settings.purpose.of(slot.class)), slot.pair, &mut ground).await;
        match opened {
            Ok(session) => {
                self.versions.learn(&slot.target.key, ground.version).await;
                Ok(Arc::new(session))
            }
            Err(failure) => {
                let whose = (&slot.target, self.settings.purpose.of(slot.class));
                let failure = failures::with_hint(whose, failure);
                self.gates.failed(&slot.who(self), &failure, ground);
                Err(failure)
            }
        }
    }

    /// Puts the outcome of an attempt into its slot, and sets a guard over a session that came of it.
    fn settle(self: &Arc<Self>, slot: Slot, outcome: &Outcome) {
        let Ok(session) = outcome else {
            self.slots.locked().remove(&slot);
            return;
        };
        if slot.pair == Pair::Current {
            // The new pair is let in: what stood in for it is not needed any more.
            self.slots.give_up(&slot.target, |other| other.key().pair == Pair::Previous);
        }
        self.slots.locked().insert(slot.clone(), State::Open(Arc::clone(session)));
        let (pool, session) = (Arc::clone(self), Arc::clone(session));
        self.tracker.spawn(async move {
            Arc::clone(&session).live(pool.settings.idle_close, pool.stop.clone()).await;
            let mut slots = pool.slots.locked();
            if matches!(slots.get(&slot), Some(State::Open(there)) if Arc::ptr_eq(there, &session)) {
                slots.remove(&slot);
            }
        });
    }
}
