//! A try whether the server opens a channel to a target behind it.

use std::time::Duration;

use russh::{ChannelOpenFailure, Error};
use tokio::time::timeout;

use super::Session;
use crate::ports::Forwarded;
use crate::ssh::channel::NoChannel;

impl Session {
    /// Opens a channel to the target, and closes it at once.
    pub(in crate::ssh) async fn try_forwarding(
        &self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Forwarded, NoChannel> {
        let opening = self.link.handle.channel_open_direct_tcpip(host, u32::from(port), "127.0.0.1", 0);
        let opened = tokio::select! {
            opened = timeout(limit, opening) => opened,
            () = self.link.ended.cancelled() => return Err(NoChannel::Lost),
        };
        match opened {
            // A prohibition needs no thought: whoever takes so long waits for the target.
            Err(_) => Ok(Forwarded::TargetFailed(format!("no answer within {} s", limit.as_secs()))),
            Ok(Ok(channel)) => {
                let _closed_by_the_end_of_the_session = channel.close().await;
                Ok(Forwarded::Opened)
            }
            Ok(Err(Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed))) => {
                Ok(Forwarded::TargetFailed("the server cannot connect to it".to_owned()))
            }
            Ok(Err(Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited))) => {
                Ok(Forwarded::Prohibited)
            }
            Ok(Err(Error::ChannelOpenFailure(reason))) => Err(NoChannel::Refused(reason, 0)),
            Ok(Err(_)) => Err(NoChannel::Lost),
        }
    }
}
