//! A repository behind SSH.

mod ahead;
mod push;
mod refs_of;
mod rotation;
mod server;
mod talk;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::ahead::Ahead;
use self::server::Server;
use self::talk::Talk;
use super::advertisement::{Advertisement, RemoteRef, Version, tip};
use super::error::{Asking, WireError};
use super::pkt_line::Packets;
use super::{Settings, TimeLimits, blocking, ls_refs, refs, upload_pack, within_poll_limit};
use crate::domain::{BranchName, Failure, ObjectId};
use crate::ports::{
    self, FoundCommit, LocalRepository, PushError, RefOutcome, RefUpdate, Remote, RemoteTip, SessionClass, SshTarget,
};

/// See the module.
pub(super) struct SshRemote {
    server: Arc<Server>,
    branch: BranchName,
    repository: PathBuf,
    local: Arc<dyn LocalRepository>,
    limits: TimeLimits,
    /// The server ignored our wish for version 2: then the question would only confuse it.
    speaks_v0: AtomicBool,
    /// Where the branch was last seen.
    last_tip: Mutex<Option<ObjectId>>,
    ahead: Ahead,
}

impl SshRemote {
    /// A remote at `path` on `target`.
    pub(super) fn new(settings: Settings, target: SshTarget, path: &str) -> Self {
        let limits = settings.limits;
        let server = Arc::new(Server::new(&settings, target, path));
        Self {
            ahead: Ahead::new(Arc::clone(&server), limits.prepared),
            server,
            branch: settings.branch,
            repository: settings.repository,
            local: settings.local,
            limits,
            speaks_v0: AtomicBool::new(false),
            last_tip: Mutex::default(),
        }
    }

    fn last_tip(&self) -> std::sync::MutexGuard<'_, Option<ObjectId>> {
        self.last_tip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants_v2(&self) -> bool {
        !self.speaks_v0.load(Ordering::Relaxed)
    }

    fn remember(&self, tip: &RemoteTip) {
        if let RemoteTip::At(id) = tip {
            *self.last_tip() = Some(*id);
        }
    }

    /// The refs that start with `prefix`, or all: question and answer in one round trip.
    async fn list(&self, prefix: &str) -> Result<Vec<RemoteRef>, Failure> {
        let mut started_again = false;
        loop {
            let version_2 = self.wants_v2();
            // A fresh command each time: an upload-pack that is kept open answers with the refs of its start.
            let mut talk = self.server.talk(SessionClass::Control, Asking::Read, version_2).await?;
            match self.ask(&mut talk, prefix, version_2).await {
                Ok(refs) => return Ok(refs),
                Err(error) => self.server.explain(talk, error).await.start_again(&mut started_again)?,
            }
        }
    }

    async fn ask(&self, talk: &mut Talk, prefix: &str, version_2: bool) -> Result<Vec<RemoteRef>, WireError> {
        let mut request = if version_2 { ls_refs::request(prefix, None)? } else { Packets::default() };
        request.flush(); // nothing else is wanted
        // A server that refuses may close its input before it says why, so an error here is not the reason yet.
        let _ = talk.input.send(&request.into_bytes()).await;
        let advertisement = self.server.advertisement(talk).await?;
        if advertisement.version == Version::V2 {
            return ls_refs::read(&mut talk.output).await;
        }
        self.speaks_v0.store(true, Ordering::Relaxed);
        Ok(advertisement.refs)
    }

    async fn poll_now(&self) -> Result<RemoteTip, Failure> {
        let found = tip(&self.list(&self.branch.full_ref()).await?, &self.branch);
        if matches!(found, RemoteTip::At(_)) || !self.wants_v2() {
            return Ok(found);
        }
        Ok(tip(&self.list("refs/heads/").await?, &self.branch))
    }

    /// The branch's tip in a talk that can be asked for objects next; `None` when the server surprised us with version 0.
    async fn tip_to_fetch(
        &self,
        talk: &mut Talk,
        version_2: bool,
    ) -> Result<Option<(Advertisement, RemoteTip)>, WireError> {
        if version_2 {
            let request = ls_refs::request(&self.branch.full_ref(), None)?;
            let _ = talk.input.send(&request.into_bytes()).await;
        }
        let advertisement = self.server.advertisement(talk).await?;
        let found = match (advertisement.version, version_2) {
            (Version::V2, _) => tip(&ls_refs::read(&mut talk.output).await?, &self.branch),
            (Version::V0, false) => tip(&advertisement.refs, &self.branch),
            (Version::V0, true) => {
                self.speaks_v0.store(true, Ordering::Relaxed);
                return Ok(None);
            }
        };
        Ok(Some((advertisement, found)))
    }

    async fn fetch_by(&self, talk: &mut Talk, version_2: bool) -> Result<Option<RemoteTip>, WireError> {
        let likely: Vec<ObjectId> = self.last_tip().into_iter().collect();
        let path = self.repository.clone();
        let (haves, found) = tokio::join!(
            blocking(move || upload_pack::haves(&path, &likely)), // while the server answers
            self.tip_to_fetch(talk, version_2)
        );
        let Some((advertisement, found)) = found? else { return Ok(None) };
        let RemoteTip::At(wanted) = found else { return Ok(Some(found)) };
        if self.is_here(wanted).await? {
            let _ = talk.input.send(b"0000").await;
            return Ok(Some(found));
        }
        let request = upload_pack::request(advertisement.version, &advertisement.capabilities, &[wanted], &haves?)?;
        talk.input.send(&request).await?;
        upload_pack::receive(&mut talk.output, &self.repository).await?;
        if !self.is_here(wanted).await? {
            return Err(upload_pack::incomplete(wanted).into());
        }
        Ok(Some(found))
    }

    async fn fetch_now(&self) -> Result<RemoteTip, Failure> {
        let mut started_again = false;
        // At most twice, and once more if it did not start: the second time the server is known to speak version 0.
        for _ in 0..3 {
            let version_2 = self.wants_v2();
            let mut talk = self.server.talk(SessionClass::Bulk, Asking::Read, version_2).await?;
            match self.fetch_by(&mut talk, version_2).await {
                Ok(None) => {}
                Ok(Some(tip)) => return Ok(tip),
                Err(error) => self.server.explain(talk, error).await.start_again(&mut started_again)?,
            }
        }
        Err(Failure::internal("a server changed its protocol version twice"))
    }

    async fn check_write_now(&self) -> Result<(), Failure> {
        let (mut talk, _offer) = self.server.offer(SessionClass::Control).await?;
        let _ = talk.input.send(b"0000").await; // no commands: the server ends in peace
        Ok(())
    }

    /// Of a key that is being rotated it shall be known whether it may push, before a push needs it.
    async fn check_rotated_key(&self) {
        if self.server.write_is_to_be_checked() {
            let checked = within_poll_limit(self.limits, self.check_write_now()).await;
            tracing::debug!(?checked, "asked whether the new key pair may push");
        }
    }

    async fn is_here(&self, id: ObjectId) -> Result<bool, Failure> {
        let path = self.repository.clone();
        blocking(move || upload_pack::is_here(&path, id)).await
    }
}

#[async_trait]
impl Remote for SshRemote {
    fn holds_back(&self) -> bool {
        true // the sessions do
    }

    async fn poll(&self) -> Result<RemoteTip, Failure> {
        let polling = self.server.with_stand_in(Asking::Read, || self.poll_now());
        let tip = within_poll_limit(self.limits, polling).await?;
        self.remember(&tip);
        self.check_rotated_key().await;
        self.ahead.open(SessionClass::Control);
        Ok(tip)
    }

    async fn fetch(&self) -> Result<RemoteTip, Failure> {
        // What is prepared knows the branch of before, and may hold the only channel that the server allows.
        self.ahead.discard();
        match self.server.with_stand_in(Asking::Read, || self.fetch_now()).await? {
            tip @ RemoteTip::At(_) => {
                self.remember(&tip);
                Ok(tip)
            }
            _ => self.poll().await, // which lists the branches there are
        }
    }

    async fn refs(&self) -> Result<Vec<ports::RemoteRef>, Failure> {
        self.refs_now().await
    }

    async fn fetch_ref(&self, wanted: &str) -> Result<FoundCommit, Failure> {
        // What is prepared may hold the only channel that the server allows.
        self.ahead.discard();
        refs::fetch(self, wanted).await
    }

    async fn push(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        self.push_now(updates).await
    }

    async fn prepare_push(&self) {
        self.ahead.prepare();
    }

    async fn check_write(&self) -> Result<(), Failure> {
        let checking = self.server.with_stand_in(Asking::Write, || self.check_write_now());
        within_poll_limit(self.limits, checking).await
    }

    fn try_at_once(&self) {
        self.server.try_at_once();
    }
}
