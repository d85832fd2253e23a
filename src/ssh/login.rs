//! Proving to a server that we hold a key.

use std::sync::Arc;
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::failures;
use super::link::{Link, locked};
use super::purpose::Purpose;
use crate::domain::Failure;
use crate::ports::{ResolvedKey, SshTarget};

/// Reads the private half, on a blocking thread.
pub(super) async fn decode(key: &ResolvedKey) -> Result<Arc<PrivateKey>, Failure> {
    let pem = key.private_pem.clone();
    let decoded = tokio::task::spawn_blocking(move || PrivateKey::from_openssh(pem.expose_secret())).await;
    // What the decoder says may quote what it read: it is not passed on.
    let private = decoded.map_err(Failure::internal)?.map_err(|_| failures::bad_key(key, "it is damaged"))?;
    if private.is_encrypted() {
        return Err(failures::bad_key(key, "it is still encrypted"));
    }
    Ok(Arc::new(private))
}

/// Logs in. The link can be used for channels afterwards.
pub(super) async fn log_in(
    link: &mut Link,
    (target, purpose): (&SshTarget, Purpose),
    key: &ResolvedKey,
    private: Arc<PrivateKey>,
) -> Result<(), Failure> {
    let lost = |error: &russh::Error| failures::handshake(target, error, None);
    let hash = if private.algorithm().is_rsa() {
        let best = link.handle.best_supported_rsa_hash().await.map_err(|error| lost(&error))?;
        best.unwrap_or(Some(russh::keys::HashAlg::Sha512)) // a server that does not say: hope for the best
    } else {
        None
    };
    let proof = PrivateKeyWithHashAlg::new(private, hash);
    let result = link.handle.authenticate_publickey(target.user.as_str(), proof).await;
    let (methods, partial) = match result.map_err(|error| lost(&error))? {
        AuthResult::Success => return Ok(()),
        AuthResult::Failure { remaining_methods, partial_success } => (remaining_methods, partial_success),
    };
    // russh reports a connection lost here as a refusal that leaves no other method.
    let lost_here = methods.is_empty() && link.handle.is_closed();
    if lost_here {
        let _ = timeout(Duration::from_secs(1), link.ended.cancelled()).await; // the last words come with the end
    }
    let (last_words, out_of_methods) = {
        let learnt = locked(&link.learnt);
        (learnt.last_words.clone(), learnt.out_of_methods)
    };
    if lost_here && !out_of_methods {
        return Err(failures::handshake(target, &russh::Error::Disconnect, last_words.as_deref()));
    }
    Err(failures::authentication((target, purpose), key, partial, last_words.as_deref()))
}
