//! How each Git host proves that a hook is its own. All comparisons take the same time wherever they differ.

use axum::http::{HeaderMap, HeaderName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// How far the time in a signature may be from ours (the Standard Webhooks specification says five minutes).
const TOLERANCE_SECONDS: u64 = 300;
/// What a key of Standard Webhooks begins with; base64 follows.
const KEY_PREFIX: &str = "whsec_";

/// A kind of Git host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    GitHub,
    GitLab,
    Bitbucket,
    BitbucketServer,
    Gitea,
    Azure,
}

impl Provider {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "github" => Self::GitHub,
            "gitlab" => Self::GitLab,
            "bitbucket" => Self::Bitbucket,
            "bitbucket-server" => Self::BitbucketServer,
            "gitea" | "forgejo" => Self::Gitea,
            "azure" => Self::Azure,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::BitbucketServer => "bitbucket-server",
            Self::Gitea => "gitea",
            Self::Azure => "azure",
        }
    }

    /// The id that the host gives each delivery, where it does.
    pub(super) fn delivery(self, headers: &HeaderMap) -> Option<&[u8]> {
        let names: &[&str] = match self {
            Self::GitHub => &["x-github-delivery"],
            Self::GitLab => &["webhook-id", "idempotency-key"],
            Self::Bitbucket => &["x-request-uuid"],
            Self::BitbucketServer => &["x-request-id"],
            Self::Gitea => &["x-forgejo-delivery", "x-gitea-delivery"],
            Self::Azure => &[], // it is in the body
        };
        names.iter().find_map(|name| headers.get(*name)).map(axum::http::HeaderValue::as_bytes)
    }
}

/// Whether the hook is from whoever has the secret; if not, why.
pub(super) fn verify(
    provider: Provider,
    headers: &HeaderMap,
    body: &[u8],
    secret: &SecretString,
    now_seconds: i64,
) -> Result<(), &'static str> {
    let key = secret.expose_secret().as_bytes();
    match provider {
        Provider::GitHub => hex_signature(headers, &["x-hub-signature-256"], "sha256=", body, key),
        Provider::Bitbucket | Provider::BitbucketServer => {
            hex_signature(headers, &["x-hub-signature"], "sha256=", body, key)
        }
        Provider::Gitea => hex_signature(headers, &["x-forgejo-signature", "x-gitea-signature"], "", body, key),
        Provider::GitLab if headers.contains_key("webhook-signature") => {
            standard_signature(headers, body, secret, now_seconds)
        }
        Provider::GitLab => {
            let token = headers.get("x-gitlab-token").ok_or("there is neither X-Gitlab-Token nor webhook-signature")?;
            if is_same(token.as_bytes(), key) { Ok(()) } else { Err("X-Gitlab-Token is another one") }
        }
        Provider::Azure => basic_password(headers, key),
    }
}

/// The first of these headers that is there, hex after a prefix.
fn hex_signature(
    headers: &HeaderMap,
    names: &[&'static str],
    prefix: &str,
    body: &[u8],
    key: &[u8],
) -> Result<(), &'static str> {
    let header = names.iter().find_map(|name| headers.get(HeaderName::from_static(name)));
    let text = header.ok_or("the header with the signature is missing")?.to_str().unwrap_or_default();
    let given = text.strip_prefix(prefix).and_then(from_hex).ok_or("the signature is not HMAC-SHA256 in hex")?;
    if mac(key, &[body]).is_some_and(|mac| mac.verify_slice(&given).is_ok()) {
        Ok(())
    } else {
        Err("the signature is not that of this body with our secret")
    }
}

/// `webhook-signature` as Standard Webhooks has it: of the id, the time and the body; there may be several, for a change of key.
fn standard_signature(
    headers: &HeaderMap,
    body: &[u8],
    secret: &SecretString,
    now_seconds: i64,
) -> Result<(), &'static str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(time), Some(signatures)) =
        (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"))
    else {
        return Err("webhook-id, webhook-timestamp or webhook-signature is missing");
    };
    let key = secret.expose_secret();
    let key = match key.strip_prefix(KEY_PREFIX).and_then(|rest| STANDARD.decode(rest).ok()) {
        Some(decoded) => zeroize::Zeroizing::new(decoded),
        None => zeroize::Zeroizing::new(key.as_bytes().to_vec()),
    };
    let matches = |signature: &str| {
        let given = signature.strip_prefix("v1,").and_then(|text| STANDARD.decode(text).ok());
        let mac = mac(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
        given.zip(mac).is_some_and(|(given, mac)| mac.verify_slice(&given).is_ok())
    };
    if !signatures.split(' ').any(matches) {
        return Err("webhook-signature is not that of this body with our secret");
    }
    let is_fresh = time.parse::<i64>().is_ok_and(|time| time.abs_diff(now_seconds) <= TOLERANCE_SECONDS);
    if is_fresh { Ok(()) } else { Err("webhook-timestamp is more than five minutes from this machine's time") }
}

/// Azure DevOps signs nothing; it sends the password that it was given.
fn basic_password(headers: &HeaderMap, key: &[u8]) -> Result<(), &'static str> {
    let header = headers.get(axum::http::header::AUTHORIZATION).ok_or("there is no Authorization header")?;
    let (scheme, given) =
        header.as_bytes().split_at_checked(b"Basic ".len()).ok_or("it is not basic authentication")?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return Err("it is not basic authentication");
    }
    let decoded = zeroize::Zeroizing::new(STANDARD.decode(given.trim_ascii()).unwrap_or_default());
    let password = decoded.iter().position(|byte| *byte == b':').and_then(|at| decoded.get(at + 1..));
    if password.is_some_and(|password| is_same(password, key)) { Ok(()) } else { Err("the password is another one") }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    Some(parts.iter().fold(mac, hmac::Mac::chain_update))
}

/// Compares HMACs under a key of this moment: neither content nor length shows in the time it takes.
fn is_same(given: &[u8], wanted: &[u8]) -> bool {
    let key = rand::random::<[u8; 32]>();
    let given = mac(&key, &[given]).map(|mac| mac.finalize().into_bytes());
    given.zip(mac(&key, &[wanted])).is_some_and(|(given, wanted)| wanted.verify_slice(&given).is_ok())
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    };
    (text.len() == 64).then(|| pairs.map(byte).collect())?
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
