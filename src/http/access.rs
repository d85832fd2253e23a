//! Who may ask: nobody by way of a browser's rebound name, and for the API only who holds the token.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use super::answer::ApiError;

/// The digest of the token: comparing digests tells nothing about the token by its timing.
#[derive(Clone)]
pub(super) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(super) fn of(token: &SecretString) -> Self {
        Self(digest(token.expose_secret().as_bytes()))
    }

    pub(super) fn matches(&self, given: &[u8]) -> bool {
        let difference = self.0.iter().zip(digest(given)).fold(0, |difference, (a, b)| difference | (a ^ b));
        std::hint::black_box(difference) == 0
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A web page can point a name of its own at 127.0.0.1 (DNS rebinding), but then sends that name as the host.
pub(super) async fn only_by_address(request: Request, next: Next) -> Result<Response, ApiError> {
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    match header.or(authority) {
        Some(host) if is_address(host) => Ok(next.run(request).await),
        _ => Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "the request's Host is neither an address nor `localhost`",
            "ask by address, such as http://127.0.0.1:7420",
        )),
    }
}

pub(super) async fn only_with_token(
    State(token): State<TokenDigest>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match bearer(&request) {
        Some(bearer) if token.matches(bearer) => Ok(next.run(request).await),
        _ => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "token",
            "the bearer token is missing or wrong",
            "send `Authorization: Bearer …` with the content of api.token in the data folder",
        )),
    }
}

/// The bearer token that came with the request.
pub(super) fn bearer(request: &Request) -> Option<&[u8]> {
    let given = request.headers().get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes)?;
    let (scheme, token) = given.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

fn is_address(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(inside) => inside.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_address() {
        for host in ["localhost", "LOCALHOST:7420", "127.0.0.1:1", "10.0.0.1", "[::1]:7420", "[::1]"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:7420", "127.0.0.1.evil.example", "localhost.evil.example", "[x]"]
        {
            assert!(!is_address(host), "{host}");
        }
    }

    #[test]
    fn only_the_whole_token_matches() {
        let digest = TokenDigest::of(&"abc".to_owned().into());
        assert!(digest.matches(b"abc"));
        assert!(!digest.matches(b"ab") && !digest.matches(b"") && !digest.matches(b"abcd"));
    }
}
