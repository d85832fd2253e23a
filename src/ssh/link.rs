//! A connection with its key exchange done and its host key proved; nobody is logged in yet.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::client::{Config, Handle, connect_stream};
use russh::{AlgorithmKind, Limits, Preferred, SshId, cipher, compression};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::algorithms::Offer;
use super::cut::Cut;
use super::dial::dial;
use super::failures;
use super::handler::{Learnt, LinkError, LinkHandler};
use super::pins::Pins;
use super::prompt::Prompt;
use super::settings::Settings;
use crate::domain::Failure;
use crate::ports::SshTarget;

/// russh reads each packet in two reads; with this buffer most of them cost no system call.
pub(super) const READ_BUFFER_BYTES: usize = 256 << 10;

/// Messages of one channel that may wait for their reader (32 KiB each at most) before the connection is not read on.
const CHANNEL_BUFFER_MESSAGES: usize = 32;

/// AES-GCM first: measured a third faster than `ChaCha20` on machines with AES instructions.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// When we exchange keys anew by ourselves: so late that the server does it before. While russh does, it gives the connection up once
/// more than two windows have come for all channels together, which a few downloads do; where the server begins, nothing is lost.
const REKEY: Limits = Limits {
    rekey_read_limit: REKEY_BYTES,
    rekey_write_limit: REKEY_BYTES,
    rekey_time_limit: Duration::from_hours(24 * 365),
};

/// 2^32 blocks of AES, where OpenSSH does it by itself; of packets those are far fewer than the 2^32 of RFC 4344.
const REKEY_BYTES: usize = 1 << 36;

/// A connection.
pub(super) struct Link {
    pub(super) handle: Handle<LinkHandler>,
    pub(super) learnt: Arc<Mutex<Learnt>>,
    /// Cancelled when the connection's task is gone.
    pub(super) ended: CancellationToken,
    /// Cancel it to end the connection's task, whatever it hangs in.
    pub(super) cut: CancellationToken,
    /// When the login must be done.
    pub(super) deadline: Instant,
}

/// Connects and shakes hands. A future dropped half-way leaves nothing behind once `cut` is cancelled.
pub(super) async fn link(
    target: &SshTarget,
    pins: &Pins,
    settings: &Settings,
    cut: &CancellationToken,
    through: Option<(&SshTarget, &Link)>,
) -> Result<Link, Failure> {
    let way = (settings, through);
    match try_link(target, pins, pins.offer(), way, cut).await {
        // The server holds no key of a pinned type: ask again with all types, to show the one it has. It is judged alike.
        Err(LinkFailure::NoPinnedType) => {
            try_link(target, pins, pins.offer_of_last_resort(), way, cut).await.map_err(LinkFailure::into_failure)
        }
        other => other.map_err(LinkFailure::into_failure),
    }
}

enum LinkFailure {
    NoPinnedType,
    Failed(Failure),
}

impl LinkFailure {
    fn into_failure(self) -> Failure {
        match self {
            Self::Failed(failure) => failure,
            Self::NoPinnedType => Failure::internal("the host key's type could not be agreed on"),
        }
    }
}

async fn try_link(
    target: &SshTarget,
    pins: &Pins,
    offer: Offer,
    (settings, through): (&Settings, Option<(&SshTarget, &Link)>),
    cut: &CancellationToken,
) -> Result<Link, LinkFailure> {
    let all_offered = offer.has_all_keys();
    let wire = wire(target, settings, through).await.map_err(LinkFailure::Failed)?;
    let stream = Cut::new(BufReader::with_capacity(READ_BUFFER_BYTES, wire), cut.clone());
    let learnt = Arc::<Mutex<Learnt>>::default();
    let ended = CancellationToken::new();
    let handler = LinkHandler { pins: pins.clone(), learnt: Arc::clone(&learnt), _ended: ended.clone().drop_guard() };
    let deadline = Instant::now() + settings.login_timeout;
    let connecting = connect_stream(Arc::new(config(offer, settings)), stream, handler);
    let Ok(connected) = timeout_at(deadline, connecting).await else {
        return Err(LinkFailure::Failed(failures::login_timed_out(target, settings.login_timeout)));
    };
    match connected {
        Ok(handle) => Ok(Link { handle, learnt, ended, cut: cut.clone(), deadline }),
        Err(LinkError::HostKey(failure)) => Err(LinkFailure::Failed(*failure)),
        Err(LinkError::Ssh(russh::Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. })) if !all_offered => {
            Err(LinkFailure::NoPinnedType)
        }
        Err(LinkError::Ssh(error)) => {
            let words = locked(&learnt).last_words.clone();
            Err(LinkFailure::Failed(failures::handshake(target, &error, words.as_deref())))
        }
    }
}

/// What a connection runs over: a socket, or a channel of another connection.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

async fn wire(
    target: &SshTarget,
    settings: &Settings,
    through: Option<(&SshTarget, &Link)>,
) -> Result<Box<dyn Wire>, Failure> {
    let Some((by, before)) = through else { return Ok(Box::new(Prompt::new(dial(target, settings).await?))) };
    let opening = before.handle.channel_open_direct_tcpip(target.host.as_str(), target.port.into(), "127.0.0.1", 0);
    match timeout(settings.channel_open_timeout, opening).await {
        Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            Err(failures::no_way(by, &failures::place(target), &reason))
        }
        Ok(Err(_)) => Err(failures::session_lost(by)),
        Err(_) => Err(failures::no_way_in_time(by, &failures::place(target), settings.channel_open_timeout)),
    }
}

pub(super) fn locked(learnt: &Mutex<Learnt>) -> MutexGuard<'_, Learnt> {
    learnt.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn config(offer: Offer, settings: &Settings) -> Config {
    Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-appferry_", env!("CARGO_PKG_VERSION")))),
        channel_buffer_size: CHANNEL_BUFFER_MESSAGES,
        preferred: Preferred {
            key: Cow::Owned(offer.keys),
            host_key_certificates: Cow::Owned(offer.certificates),
            cipher: Cow::Borrowed(CIPHERS),
            compression: Cow::Borrowed(&[compression::NONE]),
            // The rest as russh has it: ML-KEM with X25519 first, strict key exchange, no SHA-1.
            ..Preferred::DEFAULT
        },
        keepalive_interval: Some(settings.keepalive_interval),
        keepalive_max: settings.keepalive_max,
        nodelay: true,
        limits: REKEY,
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_post_quantum_exchange_comes_first_and_strict_exchange_is_asked_for() {
        let config = config(Offer::of_all_keys(), &Settings::default());
        assert_eq!(config.preferred.kex.first().map(AsRef::as_ref), Some("mlkem768x25519-sha256"));
        let names: Vec<&str> = config.preferred.kex.iter().map(AsRef::as_ref).collect();
        assert!(names.contains(&"kex-strict-c-v00@openssh.com"), "{names:?}");
        assert!(!config.preferred.key.iter().any(|algorithm| algorithm.as_str() == "ssh-rsa"));
    }

    #[test]
    fn the_server_exchanges_keys_anew_before_we_do() {
        let limits = config(Offer::of_all_keys(), &Settings::default()).limits;
        // OpenSSH does it after 2^32 blocks of 16 bytes, and knows no limit in time unless it is told one.
        let least = limits.rekey_read_limit.min(limits.rekey_write_limit);
        assert!(least >= 16 << 32, "{least} bytes");
        assert!(limits.rekey_time_limit > Duration::from_hours(24 * 30), "{:?}", limits.rekey_time_limit);
    }
}
