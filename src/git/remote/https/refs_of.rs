//! All branches and tags over HTTPS, and the objects of any of them.

use std::path::Path;

use async_trait::async_trait;

use super::super::advertisement::Version;
use super::super::error::Asking;
use super::super::{blocking, refs, upload_pack, within_poll_limit};
use super::{HttpsRemote, Listed, failure};
use crate::domain::{Failure, ObjectId};
use crate::ports::RemoteRef;

impl HttpsRemote {
    /// See [`crate::ports::Remote::refs`].
    pub(super) async fn refs_now(&self) -> Result<Vec<RemoteRef>, Failure> {
        let listing = async {
            let mut listed = self.list("refs/heads/").await?;
            if listed.version == Version::V2 {
                listed.refs.extend(self.list("refs/tags/").await?.refs); // version 0 has told them already
            }
            Ok(listed.refs)
        };
        let found = within_poll_limit(self.limits, listing).await?;
        let found = found.into_iter().map(|known| RemoteRef { name: known.name, id: known.id });
        Ok(refs::branches_and_tags(found.collect()))
    }
}

#[async_trait]
impl refs::Source for HttpsRemote {
    fn repository(&self) -> &Path {
        &self.repository
    }

    async fn list(&self) -> Result<Vec<RemoteRef>, Failure> {
        self.refs_now().await
    }

    async fn bring(&self, wanted: Vec<ObjectId>) -> Result<(), Failure> {
        // How the server is to be asked for objects, it says with its refs.
        let listed: Listed = within_poll_limit(self.limits, HttpsRemote::list(self, "refs/heads/")).await?;
        let path = self.repository.clone();
        let likely: Vec<ObjectId> = self.memory().tip.into_iter().collect();
        let haves = blocking(move || upload_pack::haves(&path, &likely)).await?;
        let wire = |error| failure(error, Asking::Read);
        let request = upload_pack::request(listed.version, &listed.capabilities, &wanted, &haves).map_err(wire)?;
        let mut answer = self.client.ask(Asking::Read, request).await?;
        upload_pack::receive(&mut answer, &self.repository).await.map_err(wire)
    }
}
