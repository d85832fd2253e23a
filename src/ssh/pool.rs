//! Commands over warm sessions: one for each target, class of work and key pair.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channel::{NoChannel, OpenChannel};
use super::gate::{Gates, Ground};
use super::host_keys::HostKeys;
use super::opening::Opener;
use super::session::{InUse, Session};
use super::settings::Settings;
use super::slots::{Slot, Slots};
use super::versions::Versions;
use super::{failures, process, shell_process};
use crate::domain::{Failure, FailureClass};
use crate::ports::{
    GitService, Input, Keyring, Pair, RemoteProcess, SessionClass, ShellProcess, ShellSessions, SshSessions, SshTarget,
    UsedKey,
};

/// The warm sessions of the whole program.
///
/// A session is opened by the first command that needs it, shared, and closed when idle, when its key changes, or at
/// [`shutdown`](Self::shutdown). Callers that need the same session while it is being opened wait for that one attempt.
/// After a failure, the next attempt is made by the first caller after a while; the others are told at once.
///
/// While a key is being rotated, its new pair is tried first, and the one before when that is refused.
pub struct Sessions(Arc<Pool>);

pub(super) struct Pool {
    pub(super) opener: Opener,
    pub(super) settings: Settings,
    pub(super) versions: Versions,
    pub(super) gates: Gates,
    pub(super) slots: Slots,
    pub(super) tracker: TaskTracker,
    pub(super) stop: CancellationToken,
}

/// What is to be run, and as whom.
#[derive(Clone, Copy)]
struct Order<'a> {
    target: &'a SshTarget,
    class: SessionClass,
    /// The first pair to be tried.
    pair: Pair,
    command: &'a str,
    env: &'a [(&'a str, &'a str)],
}

impl Sessions {
    /// Sessions that take their keys from `keyring` and trust `host_keys`. Nothing is connected yet.
    #[must_use]
    pub fn new(keyring: Arc<dyn Keyring>, host_keys: HostKeys, settings: Settings) -> Self {
        let tracker = TaskTracker::new();
        Self(Arc::new(Pool {
            versions: Versions::new(Arc::clone(&keyring), settings.key_check_interval),
            gates: Gates::new(&settings),
            opener: Opener { keyring, host_keys, settings: settings.clone(), tracker: tracker.clone() },
            settings,
            slots: Slots::default(),
            tracker,
            stop: CancellationToken::new(),
        }))
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.0
    }

    /// Closes all sessions, ends what runs on them, and waits until every task is gone: a few seconds at most.
    pub async fn shutdown(&self) {
        self.0.stop.cancel();
        self.0.tracker.close();
        self.0.tracker.wait().await;
        self.0.slots.clear();
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
        self.0.run(Order { target, class, pair: Pair::Current, command, env }, &Plain).await
    }

    async fn exec_with_previous(
        &self,
        target: &SshTarget,
        class: SessionClass,
        command: &str,
        env: &[(&str, &str)],
    ) -> Result<RemoteProcess, Failure> {
        self.0.run(Order { target, class, pair: Pair::Previous, command, env }, &Plain).await
    }

    async fn answered(&self, target: &SshTarget, used: &UsedKey, service: GitService) {
        if used.is_being_proved() {
            self.0.opener.keyring.record_answer(&target.key, &used.version, service).await;
        }
    }

    fn try_at_once(&self, target: &SshTarget) {
        self.0.gates.ask_again(target);
    }

    async fn open_ahead(&self, target: &SshTarget, class: SessionClass) {
        let warm = |pair| self.0.slots.warm(&Slot { target: target.clone(), class, pair });
        if let Some(session) = warm(Pair::Current).or_else(|| warm(Pair::Previous)) {
            session.open_ahead(self.0.settings.channel_open_timeout).await;
        }
    }
}

#[async_trait]
impl ShellSessions for Sessions {
    async fn start(&self, target: &SshTarget, command: &str, input: Input) -> Result<ShellProcess, Failure> {
        let order = Order { target, class: SessionClass::Shell, pair: Pair::Current, command, env: &[] };
        self.0.run(order, &Fed(input)).await
    }
}

type Opened = (OpenChannel, bool, InUse);

/// What a command becomes on its channel.
#[async_trait]
trait Begin: Sync {
    type Process: Send;

    async fn begin(
        &self,
        opened: Opened,
        order: Order<'_>,
        key: UsedKey,
        pool: &Pool,
    ) -> Result<Self::Process, russh::Error>;
}

/// With pipes for its input and output.
struct Plain;

#[async_trait]
impl Begin for Plain {
    type Process = RemoteProcess;

    async fn begin(
        &self,
        opened: Opened,
        order: Order<'_>,
        key: UsedKey,
        pool: &Pool,
    ) -> Result<RemoteProcess, russh::Error> {
        process::start(opened, order.command, order.env, key, &pool.tracker, pool.stop.clone()).await
    }
}

/// With all of its input at once, and both streams of its output.
struct Fed(Input);

#[async_trait]
impl Begin for Fed {
    type Process = ShellProcess;

    async fn begin(
        &self,
        opened: Opened,
        order: Order<'_>,
        _key: UsedKey,
        pool: &Pool,
    ) -> Result<ShellProcess, russh::Error> {
        let limit = pool.settings.channel_open_timeout;
        shell_process::start(opened, order.command, &self.0, (&pool.tracker, pool.stop.clone(), limit)).await
    }
}

impl Pool {
    async fn run<B: Begin>(self: &Arc<Self>, order: Order<'_>, begin: &B) -> Result<B::Process, Failure> {
        let mut tried_again = false;
        loop {
            let (session, warm) = self.session(order.target, order.class, order.pair).await?;
            let problem = match self.start(&session, order, begin).await {
                Ok(process) => return Ok(process),
                Err(problem) => problem,
            };
            let whose = (order.target, self.settings.purpose.of(order.class));
            let failure = failures::with_hint(whose, self.why(order.target, &problem));
            if failure.class != FailureClass::ChannelRefused && session.retire() && !warm {
                self.note_useless(order, &session, &failure);
            }
            // A warm session may have died without a word; a new one that does not answer is a stalled server.
            let try_again = warm && failure.class != FailureClass::ChannelRefused;
            if !try_again || tried_again || self.stop.is_cancelled() {
                return Err(failure);
            }
            tried_again = true;
        }
    }

    async fn start<B: Begin>(
        &self,
        session: &Arc<Session>,
        order: Order<'_>,
        begin: &B,
    ) -> Result<B::Process, NoChannel> {
        let limit = self.settings.channel_open_timeout;
        let opened = session.open(limit).await?;
        let key = session.key();
        let pair = key.pair;
        let starting = begin.begin(opened, order, key, self);
        // A connection that another channel's reader holds up does not take the command either.
        let process = match timeout(limit, starting).await {
            Ok(Ok(process)) => process,
            Ok(Err(_)) => return Err(NoChannel::Lost),
            Err(_) => return Err(NoChannel::TimedOut),
        };
        if session.was_proved() {
            self.gates.opened(&(order.target.clone(), self.settings.purpose.of(order.class), pair));
        }
        Ok(process)
    }

    pub(super) fn why(&self, target: &SshTarget, problem: &NoChannel) -> Failure {
        match problem {
            NoChannel::Refused(reason, others) => failures::channel_refused(target, reason, *others),
            NoChannel::Lost => failures::session_lost(target),
            NoChannel::TimedOut => failures::channel_timed_out(target, self.settings.channel_open_timeout),
        }
    }

    /// A new session on which nothing could be started is a failed attempt to open one.
    fn note_useless(&self, order: Order<'_>, session: &Session, failure: &Failure) {
        let UsedKey { pair, version } = session.key();
        let who = (order.target.clone(), self.settings.purpose.of(order.class), pair);
        self.gates.failed(&who, failure, Ground { version, host_keys: None });
    }
}
