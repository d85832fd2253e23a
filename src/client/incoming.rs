//! Questions about what arrives from Git.

use reqwest::Method;

use super::{Client, ClientError};
use crate::http::{ActionReport, BranchReport, BranchRequest, Incoming, IncomingAction, PullRequest, TakeInRequest};

impl Client {
    /// What happened elsewhere and is not so here.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn incoming(&self) -> Result<Incoming, ClientError> {
        self.ask(Method::GET, "/api/v1/sync/incoming", None::<&()>).await
    }

    /// Installs, updates or deletes apps as they were elsewhere.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn take_in(&self, action: IncomingAction, request: &TakeInRequest) -> Result<ActionReport, ClientError> {
        let path = match action {
            IncomingAction::Install => "/api/v1/sync/install",
            IncomingAction::Update => "/api/v1/sync/update",
            IncomingAction::Delete => "/api/v1/sync/delete",
        };
        self.ask(Method::POST, path, Some(request)).await
    }

    /// Installs all that waits, or the state of another branch, tag or commit.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn pull(&self, request: &PullRequest) -> Result<ActionReport, ClientError> {
        self.ask(Method::POST, "/api/v1/sync/pull", Some(request)).await
    }

    /// Makes a branch at the remote.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn create_branch(&self, request: &BranchRequest) -> Result<BranchReport, ClientError> {
        self.ask(Method::POST, "/api/v1/sync/branches", Some(request)).await
    }
}
