//! From a target to a session: key, host keys, connection, login, and the row in the audit log.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use russh::keys::PublicKeyOrCertificate;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channel::ChannelLimit;
use super::gate::Ground;
use super::host_keys::HostKeys;
use super::link::{Link, link, locked};
use super::purpose::{Purpose, in_audit};
use super::session::Session;
use super::settings::Settings;
use super::verdict::Why;
use super::{failures, login};
use crate::domain::Failure;
use crate::ports::{KeyUse, Keyring, Pair, ResolvedKey, SshTarget, UsedKey};

/// A login does not wait for the audit log for longer: a little more than the store's own limits.
const RECORD_LIMIT: Duration = Duration::from_secs(12);

/// Opens sessions.
pub(super) struct Opener {
    pub(super) keyring: Arc<dyn Keyring>,
    pub(super) host_keys: HostKeys,
    pub(super) settings: Settings,
    pub(super) tracker: TaskTracker,
}

impl Opener {
    /// A session with one key pair. Notes in `ground` what the attempt stood on, as far as it came.
    pub(super) async fn open(
        &self,
        whither: (&SshTarget, Purpose),
        pair: Pair,
        ground: &mut Ground,
    ) -> Result<Session, Failure> {
        let (link, used) = self.connect(whither, pair, ground, None).await?;
        let limit = ChannelLimit::new(self.settings.channel_limit_retry);
        Ok(Session::new(link, used, limit, self.tracker.clone()))
    }

    /// Connects, through another connection if one is given, and logs in with one key pair.
    pub(super) async fn connect(
        &self,
        (target, purpose): (&SshTarget, Purpose),
        pair: Pair,
        ground: &mut Ground,
        through: Option<(&SshTarget, &Link)>,
    ) -> Result<(Link, UsedKey), Failure> {
        let key = self.keyring.resolve(&target.key).await?;
        ground.version = key.version();
        let used = UsedKey { pair, version: key.version() };
        let key = of_pair(key, pair)?;
        let private = login::decode(&key).await?;
        let pins = self.host_keys.pins(&target.host, target.port).await?;
        ground.host_keys = Some(pins.stamp());
        let cut = CancellationToken::new();
        let guard = cut.clone().drop_guard(); // ends the connection's task on every way out but the good one
        let mut link = link(target, &pins, &self.settings, &cut, through).await?;
        let deadline = link.deadline;
        let result = match timeout_at(deadline, login::log_in(&mut link, (target, purpose), &key, private)).await {
            Ok(result) => result,
            Err(_) => Err(failures::login_timed_out(target, self.settings.login_timeout)),
        };
        let proved = {
            let learnt = locked(&link.learnt);
            (learnt.host_key.clone(), learnt.algorithms.clone())
        };
        self.record((target, purpose), &key, proved, result.as_ref().err()).await;
        result?;
        tracing::debug!(host = %pins.spec, user = %target.user, key = %key.name, ?pair, "logged in");
        guard.disarm();
        Ok((link, used))
    }

    /// Stands for the host keys that are trusted for this target now; `None` when that cannot be said.
    pub(super) async fn host_keys_stamp(&self, target: &SshTarget) -> Option<u64> {
        self.host_keys.pins(&target.host, target.port).await.ok().map(|pins| pins.stamp())
    }

    /// Whether what the host has shown is not trusted any more. Where that cannot be read, what was trusted stays so, unless
    /// it is known to be revoked.
    pub(super) async fn is_distrusted(&self, target: &SshTarget, shown: &PublicKeyOrCertificate) -> bool {
        let Ok(pins) = self.host_keys.pins(&target.host, target.port).await else { return false };
        match pins.judge(shown, SystemTime::now()) {
            Ok(()) => false,
            Err(refused) if refused.why == Why::Revoked => true,
            Err(refused) => refused.why != Why::Unreadable && pins.file_problem.is_none(),
        }
    }

    async fn record(
        &self,
        (target, purpose): (&SshTarget, Purpose),
        key: &ResolvedKey,
        (host_key, algorithms): (Option<String>, Option<String>),
        failure: Option<&Failure>,
    ) {
        let used = KeyUse {
            purpose: in_audit(purpose, target),
            fingerprint: key.fingerprint.clone(),
            host_key,
            algorithms,
            outcome: failure.map_or("ok", |failure| failure.class.words()).to_owned(),
        };
        if timeout(RECORD_LIMIT, self.keyring.record_use(&key.name, used)).await.is_err() {
            let limit_s = RECORD_LIMIT.as_secs();
            tracing::warn!(key = %key.name, host = target.host, limit_s, "the use of a key was not noted in time");
        }
    }
}

fn of_pair(key: ResolvedKey, pair: Pair) -> Result<ResolvedKey, Failure> {
    match (pair, key.previous) {
        (Pair::Previous, Some(previous)) => Ok(*previous),
        (Pair::Previous, None) => Err(failures::no_previous(&key.name)),
        (Pair::Current, previous) => Ok(ResolvedKey { previous, ..key }),
    }
}
