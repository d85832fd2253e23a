//! Trying tunnels over a warm session.

use async_trait::async_trait;

use super::failures;
use super::pool::Sessions;
use crate::domain::Failure;
use crate::ports::{Forwarded, Forwarding, Pair, SessionClass, SshTarget};

#[async_trait]
impl Forwarding for Sessions {
    async fn try_forwarding(&self, target: &SshTarget, host: &str, port: u16) -> Result<Forwarded, Failure> {
        let pool = self.pool();
        let (session, _warm) = pool.session(target, SessionClass::Control, Pair::Current).await?;
        let tried = session.try_forwarding(host, port, pool.settings.channel_open_timeout).await;
        tried.map_err(|problem| failures::with_hint((target, pool.settings.purpose), pool.why(target, &problem)))
    }
}
