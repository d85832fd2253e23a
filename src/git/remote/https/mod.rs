//! A repository behind HTTPS, spoken to with an access token. Source: `gitprotocol-http(5)`, the smart part of it.

mod client;
mod push;
mod refs_of;
mod refusal;
mod token;
mod trouble;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::client::{Answer, Client};
use super::advertisement::{Advertisement, Capabilities, RemoteRef, Version, tip};
use super::error::{Asking, WireError, explain};
use super::{Access, Settings, TimeLimits, blocking, ls_refs, refs, upload_pack, within_poll_limit};
use crate::domain::{BranchName, Failure, FailureClass, ObjectId};
use crate::ports::{
    self, FoundCommit, LocalRepository, ProcessEnd, PushError, RefOutcome, RefUpdate, Remote, RemoteTip,
};

/// See the module.
pub(super) struct HttpsRemote {
    client: Client,
    branch: BranchName,
    repository: PathBuf,
    local: Arc<dyn LocalRepository>,
    limits: TimeLimits,
    memory: Mutex<Memory>,
}

/// What earlier exchanges taught.
#[derive(Default)]
struct Memory {
    /// Where the branch was last seen.
    tip: Option<ObjectId>,
    /// The server speaks version 2, and this is what it can do: the refs can be asked for without an advertisement.
    version_2: Option<Capabilities>,
}

/// The refs that were found, and how the server is to be asked for objects.
struct Listed {
    version: Version,
    capabilities: Capabilities,
    refs: Vec<RemoteRef>,
}

impl HttpsRemote {
    /// A remote at `url`.
    ///
    /// # Errors
    /// The URL cannot be used.
    pub(super) fn new(settings: Settings, url: &str, access: Access) -> Result<Self, Failure> {
        Ok(Self {
            client: Client::new(url, access, settings.limits, &settings.web)?,
            branch: settings.branch,
            repository: settings.repository,
            local: settings.local,
            limits: settings.limits,
            memory: Mutex::default(),
        })
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The refs that start with `prefix`, or all.
    async fn list(&self, prefix: &str) -> Result<Listed, Failure> {
        let known = self.memory().version_2.clone();
        if let Some(capabilities) = known {
            match self.ls_refs(prefix, capabilities).await {
                Ok(listed) => return Ok(listed),
                Err(failure) => {
                    self.memory().version_2 = None;
                    // The server may have been replaced, or the repository have moved: look again from the start.
                    if !matches!(failure.class, FailureClass::Protocol | FailureClass::RepositoryAbsent) {
                        return Err(failure);
                    }
                }
            }
        }
        let mut answer = self.client.advertisement(Asking::Read).await?;
        let advertisement = Advertisement::read(&mut answer).await.map_err(|error| failure(error, Asking::Read))?;
        drop(answer);
        let Advertisement { version, capabilities, refs } = advertisement;
        if version == Version::V0 {
            return Ok(Listed { version, capabilities, refs });
        }
        self.memory().version_2 = Some(capabilities.clone());
        self.ls_refs(prefix, capabilities).await
    }

    async fn ls_refs(&self, prefix: &str, capabilities: Capabilities) -> Result<Listed, Failure> {
        let wire = |error| failure(error, Asking::Read);
        let request = ls_refs::request(prefix, Some(&capabilities)).map_err(wire)?;
        let mut answer = self.client.ask(Asking::Read, request.into_bytes()).await?;
        let refs = ls_refs::read(&mut answer).await.map_err(wire)?;
        Ok(Listed { version: Version::V2, capabilities, refs })
    }

    async fn poll_now(&self) -> Result<(Listed, RemoteTip), Failure> {
        let listed = self.list(&self.branch.full_ref()).await?;
        let found = tip(&listed.refs, &self.branch);
        if listed.version == Version::V0 || matches!(found, RemoteTip::At(_)) {
            return Ok((listed, found));
        }
        let listed = self.list("refs/heads/").await?;
        let found = tip(&listed.refs, &self.branch);
        Ok((listed, found))
    }

    async fn find_tip(&self) -> Result<(Listed, RemoteTip), Failure> {
        within_poll_limit(self.limits, self.poll_now()).await
    }

    fn remember(&self, tip: &RemoteTip) {
        if let RemoteTip::At(id) = tip {
            self.memory().tip = Some(*id);
        }
    }

    async fn download(&self, listed: &Listed, wanted: ObjectId) -> Result<(), Failure> {
        let likely: Vec<ObjectId> = self.memory().tip.into_iter().collect();
        let path = self.repository.clone();
        let Some(haves) = blocking(move || {
            let here = upload_pack::is_here(&path, wanted)?;
            if here { Ok(None) } else { upload_pack::haves(&path, &likely).map(Some) }
        })
        .await?
        else {
            return Ok(());
        };
        let wire = |error| failure(error, Asking::Read);
        let request = upload_pack::request(listed.version, &listed.capabilities, &[wanted], &haves).map_err(wire)?;
        let mut answer: Answer = self.client.ask(Asking::Read, request).await?;
        upload_pack::receive(&mut answer, &self.repository).await.map_err(wire)?;
        let path = self.repository.clone();
        let here = blocking(move || upload_pack::is_here(&path, wanted)).await?;
        if here { Ok(()) } else { Err(upload_pack::incomplete(wanted)) }
    }
}

#[async_trait]
impl Remote for HttpsRemote {
    async fn poll(&self) -> Result<RemoteTip, Failure> {
        let (_, tip) = self.find_tip().await?;
        self.remember(&tip);
        Ok(tip)
    }

    async fn fetch(&self) -> Result<RemoteTip, Failure> {
        let (listed, tip) = self.find_tip().await?;
        if let RemoteTip::At(wanted) = tip {
            self.download(&listed, wanted).await?;
            self.remember(&tip);
        }
        Ok(tip)
    }

    async fn refs(&self) -> Result<Vec<ports::RemoteRef>, Failure> {
        self.refs_now().await
    }

    async fn fetch_ref(&self, wanted: &str) -> Result<FoundCommit, Failure> {
        refs::fetch(self, wanted).await
    }

    async fn push(&self, updates: &[RefUpdate]) -> Result<Vec<RefOutcome>, PushError> {
        self.push_now(updates).await
    }

    async fn check_write(&self) -> Result<(), Failure> {
        within_poll_limit(self.limits, async { self.pushable().await.map(|_| ()) }).await
    }
}

/// An error in the middle of an answer.
fn failure(error: WireError, asking: Asking) -> Failure {
    explain(error, asking, &ProcessEnd::default())
}
