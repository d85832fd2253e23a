//! Questions about tunnels.

use reqwest::Method;

use super::{Client, ClientError};
use crate::domain::tunnel::{Given, TestReport, TunnelStatus};
use crate::http::TunnelList;

impl Client {
    /// How all tunnels stand.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn tunnels(&self) -> Result<TunnelList, ClientError> {
        self.ask(Method::GET, "/api/v1/tunnels", None::<&()>).await
    }

    /// Adds a tunnel.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn add_tunnel(&self, tunnel: &Given) -> Result<TunnelStatus, ClientError> {
        self.ask(Method::POST, "/api/v1/tunnels", Some(tunnel)).await
    }

    /// Lets a tunnel listen, and connects it now.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn open_tunnel(&self, name: &str) -> Result<TunnelStatus, ClientError> {
        self.ask(Method::POST, &format!("/api/v1/tunnels/{name}/open"), None::<&()>).await
    }

    /// Ends a tunnel until it is opened again.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn close_tunnel(&self, name: &str) -> Result<TunnelStatus, ClientError> {
        self.ask(Method::POST, &format!("/api/v1/tunnels/{name}/close"), None::<&()>).await
    }

    /// Ends a tunnel and forgets it.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn remove_tunnel(&self, name: &str) -> Result<(), ClientError> {
        self.tell(Method::DELETE, &format!("/api/v1/tunnels/{name}")).await
    }

    /// Goes the whole way to a tunnel's target once.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn test_tunnel(&self, name: &str) -> Result<TestReport, ClientError> {
        self.ask(Method::POST, &format!("/api/v1/tunnels/{name}/test"), None::<&()>).await
    }
}
