//! All branches and tags over SSH, and the objects of any of them.

use std::path::Path;

use async_trait::async_trait;

use super::super::advertisement::Version;
use super::super::error::{Asking, WireError};
use super::super::{blocking, refs, upload_pack, within_poll_limit};
use super::SshRemote;
use super::talk::Talk;
use crate::domain::{Failure, ObjectId};
use crate::ports::{RemoteRef, SessionClass};

impl SshRemote {
    /// See [`crate::ports::Remote::refs`].
    pub(super) async fn refs_now(&self) -> Result<Vec<RemoteRef>, Failure> {
        let listing = self.server.with_stand_in(Asking::Read, || async {
            let mut found = self.list("refs/heads/").await?;
            if self.wants_v2() {
                found.extend(self.list("refs/tags/").await?); // version 0 has told them already
            }
            Ok(found)
        });
        let found = within_poll_limit(self.limits, listing).await?;
        let found = found.into_iter().map(|known| RemoteRef { name: known.name, id: known.id });
        Ok(refs::branches_and_tags(found.collect()))
    }

    async fn download(&self, wanted: &[ObjectId]) -> Result<(), Failure> {
        let mut started_again = false;
        loop {
            let version_2 = self.wants_v2();
            let mut talk = self.server.talk(SessionClass::Bulk, Asking::Read, version_2).await?;
            match self.download_by(&mut talk, wanted).await {
                Ok(()) => return Ok(()),
                Err(error) => self.server.explain(talk, error).await.start_again(&mut started_again)?,
            }
        }
    }

    async fn download_by(&self, talk: &mut Talk, wanted: &[ObjectId]) -> Result<(), WireError> {
        let likely: Vec<ObjectId> = self.last_tip().into_iter().collect();
        let path = self.repository.clone();
        let (haves, advertisement) = tokio::join!(
            blocking(move || upload_pack::haves(&path, &likely)), // while the server answers
            self.server.advertisement(talk)
        );
        let advertisement = advertisement?;
        if advertisement.version == Version::V0 {
            self.speaks_v0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let request = upload_pack::request(advertisement.version, &advertisement.capabilities, wanted, &haves?)?;
        talk.input.send(&request).await?;
        upload_pack::receive(&mut talk.output, &self.repository).await
    }
}

#[async_trait]
impl refs::Source for SshRemote {
    fn repository(&self) -> &Path {
        &self.repository
    }

    async fn list(&self) -> Result<Vec<RemoteRef>, Failure> {
        self.refs_now().await
    }

    async fn bring(&self, wanted: Vec<ObjectId>) -> Result<(), Failure> {
        self.server.with_stand_in(Asking::Read, || self.download(&wanted)).await
    }
}
