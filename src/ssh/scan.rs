//! Which host keys a server has: one connection for each type of key, ended as soon as the key is proved. Nobody logs in.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use russh::client::{Handler, connect_stream};
use russh::keys::{Algorithm, EcdsaCurve, PublicKey, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Error};
use tokio::io::BufReader;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::algorithms::Offer;
use super::cut::Cut;
use super::dial::dial;
use super::failures;
use super::greeting::Greeting;
use super::host_pattern::spec;
use super::known_hosts::{fingerprint, key_words};
use super::link::{READ_BUFFER_BYTES, config};
use super::settings::Settings;
use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::SshTarget;

/// The types of keys that servers have.
const KINDS: [Algorithm; 5] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: None },
];

/// Servers drop connections of strangers when there are too many at once (`MaxStartups` of OpenSSH begins at 10).
const AT_ONCE: usize = 3;

/// Before a connection that the server dropped is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// A host key that a server has shown, and has proved to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedKey {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`, …
    pub kind: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The line for a `known_hosts` file.
    pub line: String,
    pub(super) key: PublicKey,
}

/// All host keys that the server has, of the types that can be trusted.
///
/// # Errors
/// A [`Failure`] of the classes name lookup, connect, time-out, connection lost or protocol. It is all keys or none: a list
/// with one missing would mislead.
pub async fn scan(host: &str, port: u16, settings: &Settings) -> Result<Vec<ScannedKey>, Failure> {
    let nobody = KeyName::new("none").map_err(Failure::internal)?;
    let target = SshTarget { host: host.to_owned(), port, user: String::new(), key: nobody };
    let [first, others @ ..] = &KINDS;
    // The first one alone: what keeps it from connecting keeps them all.
    let mut found = vec![with_patience(&target, first, settings).await?];
    let asked = stream::iter(others).map(|kind| with_patience(&target, kind, settings));
    for answer in asked.buffered(AT_ONCE).collect::<Vec<_>>().await {
        found.push(answer?);
    }
    let keys: Vec<ScannedKey> = found.into_iter().flatten().map(|key| scanned(host, port, key)).collect();
    if keys.is_empty() {
        let message = format!("{} shows no host key of a type that can be trusted", failures::whereto(&target));
        return Err(Failure::new(FailureClass::Protocol, message, "give the server an ED25519 host key"));
    }
    Ok(keys)
}

fn scanned(host: &str, port: u16, key: PublicKey) -> ScannedKey {
    ScannedKey {
        kind: key.algorithm().as_str().to_owned(),
        fingerprint: fingerprint(&key),
        line: format!("{} {}", spec(host, port), key_words(&key)),
        key,
    }
}

/// The server's key of this type, if it has one. What the server drops is tried once more.
async fn with_patience(
    target: &SshTarget,
    kind: &Algorithm,
    settings: &Settings,
) -> Result<Option<PublicKey>, Failure> {
    let answer = match ask(target, kind, settings).await {
        Err(failure) if failure.class == FailureClass::ConnectionLost => {
            tokio::time::sleep(PAUSE).await;
            ask(target, kind, settings).await
        }
        answer => answer,
    };
    answer.map_err(Failure::of_one_try)
}

async fn ask(target: &SshTarget, kind: &Algorithm, settings: &Settings) -> Result<Option<PublicKey>, Failure> {
    let socket = dial(target, settings).await?;
    let cut = CancellationToken::new();
    let _guard = cut.clone().drop_guard(); // ends the connection's task on every way out
    let (stream, heard) = Greeting::new(BufReader::with_capacity(READ_BUFFER_BYTES, socket));
    let config = Arc::new(config(Offer::of_kind(kind), settings));
    let connecting = connect_stream(config, Cut::new(stream, cut), Listener);
    let outcome = timeout(settings.login_timeout, connecting).await;
    match outcome.map_err(|_| failures::login_timed_out(target, settings.login_timeout))? {
        Ok(_) => Err(Failure::internal("a connection that was to end went on")),
        Err(Ended::Shown(key)) => Ok(Some(*key)),
        Err(Ended::Ssh(Error::NoCommonAlgo { kind: AlgorithmKind::Key, .. })) => Ok(None),
        Err(Ended::Ssh(_)) if heard.is_not_ssh() => Err(failures::handshake(target, &Error::Version, None)),
        Err(Ended::Ssh(error)) => Err(failures::handshake(target, &error, None)),
    }
}

/// Takes the key and ends the connection.
struct Listener;

#[derive(Debug)]
enum Ended {
    Shown(Box<PublicKey>),
    Ssh(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Ssh(error)
    }
}

impl Handler for Listener {
    type Error = Ended;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Ended> {
        Err(Ended::Shown(Box::new(shown.public_key())))
    }
}
