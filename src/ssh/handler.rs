//! What russh calls while a connection stands.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, Disconnect};
use tokio_util::sync::DropGuard;

use super::failures::tame;
use super::known_hosts::fingerprint;
use super::pins::Pins;
use crate::domain::Failure;

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The host key is not trusted.
    HostKey(Box<Failure>),
    /// russh says so.
    Ssh(russh::Error),
}

impl From<russh::Error> for LinkError {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

/// What the connection's task has learnt; shared with whoever uses the connection.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    /// The fingerprint of the host key that was proved.
    pub(super) host_key: Option<String>,
    /// What was proved.
    pub(super) shown: Option<Arc<PublicKeyOrCertificate>>,
    /// It was proved by a host certificate.
    certified: bool,
    /// What was negotiated: `kex … host-key … cipher … mac …`.
    pub(super) algorithms: Option<String>,
    /// The banner, or the reason of the disconnection, tamed.
    pub(super) last_words: Option<String>,
    /// The server left because no way to log in remained (RFC 4253 section 11.1, reason 14).
    pub(super) out_of_methods: bool,
}

/// The handler of one connection.
pub(super) struct LinkHandler {
    pub(super) pins: Pins,
    pub(super) learnt: Arc<Mutex<Learnt>>,
    /// Fires when the connection's task is gone, however it ended.
    pub(super) _ended: DropGuard,
}

impl LinkHandler {
    fn note(&self, change: impl FnOnce(&mut Learnt)) {
        change(&mut self.learnt.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What OpenSSH says (as a protocol error) with the refusal of the last key that `MaxAuthTries` allows.
const TOO_MANY_REFUSED: &str = "Too many authentication failures";

/// A server must not open channels to a client that asked for no forwarding; russh accepts them unless told otherwise.
macro_rules! refuse_channels {
    ($($name:ident($($argument:ty),*);)*) => { $(
        async fn $name(
            &mut self,
            _: Channel<Msg>,
            $(_: $argument,)*
            reply: ChannelOpenHandle,
            _: &mut Session,
        ) -> Result<(), LinkError> {
            drop(reply); // which refuses
            Ok(())
        }
    )* };
}

impl Handler for LinkHandler {
    type Error = LinkError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, LinkError> {
        self.note(|learnt| {
            learnt.host_key = Some(fingerprint(&shown.public_key()));
            learnt.shown = Some(Arc::new(owned(shown)));
            learnt.certified = shown.certificate().is_some();
        });
        let admitted = self.pins.keeper.admit(&self.pins, shown).await;
        admitted.map_err(|failure| LinkError::HostKey(Box::new(failure)))?;
        Ok(true)
    }

    async fn kex_done(&mut self, _: Option<&[u8]>, names: &russh::Names, _: &mut Session) -> Result<(), LinkError> {
        let mut algorithms = String::new();
        self.note(|learnt| {
            algorithms = in_words(names, learnt.certified);
            learnt.algorithms = Some(algorithms.clone());
        });
        tracing::debug!(host = %self.pins.spec, algorithms, strict_kex = names.strict_kex(), "key exchange done");
        Ok(())
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), LinkError> {
        self.note(|learnt| learnt.last_words = tame(banner));
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<LinkError>) -> Result<(), LinkError> {
        tracing::debug!(host = %self.pins.spec, ?reason, "connection ended");
        if let DisconnectReason::ReceivedDisconnect(info) = &reason {
            self.note(|learnt| {
                learnt.last_words = tame(&info.message).or(learnt.last_words.take());
                learnt.out_of_methods = matches!(info.reason_code, Disconnect::NoMoreAuthMethodsAvailable)
                    || info.message.contains(TOO_MANY_REFUSED);
            });
        }
        Ok(())
    }

    refuse_channels! {
        server_channel_open_forwarded_tcpip(&str, u32, &str, u32);
        server_channel_open_forwarded_streamlocal(&str);
        server_channel_open_agent_forward();
        server_channel_open_session();
        server_channel_open_direct_tcpip(&str, u32, &str, u32);
        server_channel_open_direct_streamlocal(&str);
        server_channel_open_x11(&str, u32);
    }
}

fn owned(shown: &PublicKeyOrCertificate) -> PublicKeyOrCertificate {
    shown.certificate().cloned().map_or_else(|| shown.public_key().into(), Into::into)
}

/// What was negotiated, in one line.
fn in_words(names: &russh::Names, certified: bool) -> String {
    let key = if certified { names.key.to_certificate_type() } else { names.key.as_str().to_owned() };
    let cipher = names.cipher.as_ref();
    let has_own_mac = cipher.contains("gcm") || cipher.contains("poly1305");
    let mac = if has_own_mac { "implicit" } else { names.client_mac.as_ref() };
    format!("kex {} host-key {key} cipher {cipher} mac {mac}", names.kex.as_ref())
}
