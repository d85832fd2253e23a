//! One warm session for each target and class of work.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::host_keys::HostKeys;
use super::link::{link, locked};
use super::session::{NoChannel, Session};
use super::settings::Settings;
use super::{failures, login, process};
use crate::domain::{Failure, FailureClass};
use crate::ports::{KeyUse, Keyring, RemoteProcess, ResolvedKey, SessionClass, SshSessions, SshTarget};

/// The warm sessions of the whole program.
///
/// A session is opened by the first command that needs it, shared, and closed when idle, when its key changes, or at
/// [`shutdown`](Self::shutdown). Callers that need the same session while it is being opened wait for that one attempt.
pub struct Sessions(Arc<Pool>);

struct Pool {
    keyring: Arc<dyn Keyring>,
    host_keys: HostKeys,
    settings: Settings,
    slots: Mutex<HashMap<SlotKey, Slot>>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

type SlotKey = (SshTarget, SessionClass);
type Outcome = Result<Arc<Session>, Failure>;

#[derive(Clone)]
enum Slot {
    Opening(watch::Receiver<Option<Outcome>>),
    Open(Arc<Session>),
}

impl Sessions {
    /// Sessions that take their keys from `keyring` and trust `host_keys`. Nothing is connected yet.
    #[must_use]
    pub fn new(keyring: Arc<dyn Keyring>, host_keys: HostKeys, settings: Settings) -> Self {
        Self(Arc::new(Pool {
            keyring,
            host_keys,
            settings,
            slots: Mutex::default(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// Closes all sessions, ends what runs on them, and waits until every task is gone: a few seconds at most.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tracker.close();
        self.0.tracker.wait().await;
        self.0.slots().clear();
    }
}

#[async_trait]
impl SshSessions for Sessions {
    async fn exec(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        let pool = &self.0;
        let slot = (target.clone(), class);
        let mut tried_again = false;
        loop {
            let (session, warm) = pool.session(&slot).await?;
            let problem = match pool.start(&session, command, env).await {
                Ok(process) => return Ok(process),
                Err(problem) => problem,
            };
            let (failure, try_again) = match problem {
                NoChannel::Refused(reason, others) => (failures::channel_refused(target, &reason, others), false),
                NoChannel::Lost => (failures::session_lost(target), true),
                // A warm session may have died without a word; a new one that does not answer is a stalled server.
                NoChannel::TimedOut => (failures::channel_timed_out(target, pool.settings.channel_open_timeout), warm),
            };
            if failure.class != FailureClass::ChannelRefused {
                session.retire();
            }
            if !try_again || tried_again || pool.stop.is_cancelled() {
                return Err(failures::with_hint(target, failure));
            }
            tried_again = true;
        }
    }

    async fn open_ahead(&self, target: &SshTarget, class: SessionClass) {
        let slot = self.0.slots().get(&(target.clone(), class)).cloned();
        if let Some(Slot::Open(session)) = slot {
            session.open_ahead(self.0.settings.channel_open_timeout).await;
        }
    }
}

impl Pool {
    async fn start(
        &self,
        session: &Arc<Session>,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, NoChannel> {
        let limit = self.settings.channel_open_timeout;
        let opened = session.open(limit).await?;
        let starting = process::start(opened, command, env, &self.tracker, self.stop.clone());
        // A connection that another channel's reader holds up does not take the command either.
        match timeout(limit, starting).await {
            Ok(Ok(process)) => Ok(process),
            Ok(Err(_)) => Err(NoChannel::Lost),
            Err(_) => Err(NoChannel::TimedOut),
        }
    }

    /// The session of the slot, and whether it was warm. Opens one, or joins the attempt that is under way.
    async fn session(self: &Arc<Self>, slot: &SlotKey) -> Result<(Arc<Session>, bool), Failure> {
        if let Some(session) = self.warm(slot)
            && self.has_its_key(&session, &slot.0).await?
        {
            return Ok((session, true));
        }
        let mut attempt = self.join_or_begin(slot)?;
        let outcome = attempt.wait_for(Option::is_some).await;
        match outcome.ok().and_then(|outcome| outcome.clone()) {
            Some(outcome) => outcome.map(|session| (session, false)),
            None => Err(failures::shutting_down()),
        }
    }

    fn warm(&self, slot: &SlotKey) -> Option<Arc<Session>> {
        match self.slots().get(slot) {
            Some(Slot::Open(session)) if session.is_open() => Some(Arc::clone(session)),
            _ => None,
        }
    }

    /// Whether the session's key still is the one of its name; gives the session up if not.
    async fn has_its_key(&self, session: &Session, target: &SshTarget) -> Result<bool, Failure> {
        if session.key_is_fresh(self.settings.key_check_interval) {
            return Ok(true);
        }
        match self.keyring.resolve(&target.key).await {
            Ok(key) if (key.generation, key.fingerprint.as_str()) == (session.key.0, session.key.1.as_str()) => {
                session.key_was_checked();
                Ok(true)
            }
            Ok(_) => {
                tracing::info!(key = %target.key, host = %target.host, "the key was changed: opening a new session");
                session.retire();
                Ok(false)
            }
            Err(failure) if failure.class == FailureClass::Key => {
                session.retire();
                Err(failure)
            }
            Err(failure) => {
                tracing::warn!(key = %target.key, %failure, "the key could not be checked; its session goes on");
                Ok(true)
            }
        }
    }

    /// The attempt to open the slot's session: the one under way, or a new one in a task of its own, so that a caller who
    /// gives up does not end it for the others.
    fn join_or_begin(self: &Arc<Self>, slot: &SlotKey) -> Result<watch::Receiver<Option<Outcome>>, Failure> {
        if self.stop.is_cancelled() {
            return Err(failures::shutting_down());
        }
        let mut slots = self.slots();
        match slots.get(slot) {
            Some(Slot::Opening(attempt)) => return Ok(attempt.clone()),
            Some(Slot::Open(session)) if session.is_open() => {
                return Ok(watch::Sender::new(Some(Ok(Arc::clone(session)))).subscribe());
            }
            _ => {}
        }
        let (tell, attempt) = watch::channel(None);
        slots.insert(slot.clone(), Slot::Opening(attempt.clone()));
        let (pool, slot) = (Arc::clone(self), slot.clone());
        self.tracker.spawn(async move {
            let outcome = tokio::select! {
                outcome = pool.open(&slot.0) => outcome,
                () = pool.stop.cancelled() => Err(failures::shutting_down()),
            };
            pool.settle(slot, &outcome);
            tell.send_replace(Some(outcome));
        });
        Ok(attempt)
    }

    /// Puts the outcome of an attempt into its slot, and sets a guard over a session that came of it.
    fn settle(self: &Arc<Self>, slot: SlotKey, outcome: &Outcome) {
        let Ok(session) = outcome else {
            self.slots().remove(&slot);
            return;
        };
        self.slots().insert(slot.clone(), Slot::Open(Arc::clone(session)));
        let (pool, session) = (Arc::clone(self), Arc::clone(session));
        self.tracker.spawn(async move {
            Arc::clone(&session).live(pool.settings.idle_close, pool.stop.clone()).await;
            let mut slots = pool.slots();
            if matches!(slots.get(&slot), Some(Slot::Open(there)) if Arc::ptr_eq(there, &session)) {
                slots.remove(&slot);
            }
        });
    }

    /// Connects and logs in.
    async fn open(&self, target: &SshTarget) -> Outcome {
        let key = self.keyring.resolve(&target.key).await?;
        let cut = CancellationToken::new();
        let guard = cut.clone().drop_guard(); // ends the connection's task on every way out but the good one
        let opened = self.log_in(target, &key, &cut).await.map_err(|failure| failures::with_hint(target, failure))?;
        guard.disarm();
        Ok(Arc::new(opened))
    }

    async fn log_in(&self, target: &SshTarget, key: &ResolvedKey, cut: &CancellationToken) -> Result<Session, Failure> {
        let pins = self.host_keys.pins(&target.host, target.port).await?;
        let private = login::decode(key).await?;
        let mut link = link(target, &pins, &self.settings, cut).await?;
        let deadline = link.deadline;
        let result = match timeout_at(deadline, login::log_in(&mut link, target, key, private)).await {
            Ok(result) => result,
            Err(_) => Err(failures::login_timed_out(target, self.settings.login_timeout)),
        };
        let (host_key, algorithms) = {
            let learnt = locked(&link.learnt);
            (learnt.host_key.clone(), learnt.algorithms.clone())
        };
        let used = KeyUse {
            purpose: format!("{} {}", self.settings.purpose, failures::whereto(target)),
            fingerprint: key.fingerprint.clone(),
            host_key,
            algorithms,
            outcome: result.as_ref().err().map_or("ok", |failure| failure.class.words()).to_owned(),
        };
        self.keyring.record_use(&key.name, used).await;
        result?;
        tracing::debug!(host = %pins.spec, user = %target.user, key = %key.name, "logged in");
        Ok(Session::new(link, (key.generation, key.fingerprint.clone()), self.tracker.clone()))
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<SlotKey, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
