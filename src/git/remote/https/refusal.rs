//! What refusals of HTTP servers mean, and what to do about them.

use std::error::Error;

use reqwest::StatusCode;

use super::super::error::{Asking, no_write_access, repository_absent};
use super::super::words;
use crate::domain::{Failure, FailureClass};

/// The failure that a status means.
pub(super) fn refused(status: StatusCode, asking: Asking, said: &str) -> Failure {
    let said = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    match status {
        StatusCode::UNAUTHORIZED => Failure::new(
            FailureClass::Authentication,
            format!("the server does not accept the access token ({said})"),
            "make a new token with access to this repository (contents: read and write) and put it in the token's variable or file",
        ),
        StatusCode::FORBIDDEN if asking == Asking::Write => no_write_access(&said),
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => repository_absent(&said),
        StatusCode::PAYLOAD_TOO_LARGE => Failure::new(
            FailureClass::Refused,
            format!("the push is larger than the server takes ({said})"),
            "raise the limit of the server or of the proxy before it, or push over SSH",
        ),
        _ => Failure::new(
            FailureClass::RemoteCommand,
            format!("the server answered {said}"),
            "it is tried again by itself; look at the server's status if it stays",
        ),
    }
}

/// A redirect that is not followed.
pub(super) fn redirect_failure(how: &str) -> Failure {
    let remedy =
        "set the URL to where the repository is now; credentials are not sent to another address by themselves";
    Failure::new(FailureClass::RepositoryAbsent, format!("the server redirects {how}"), remedy)
}

/// A URL that cannot be used.
pub(super) fn bad_url(problem: &str) -> Failure {
    Failure::new(
        FailureClass::RepositoryAbsent,
        format!("the repository's URL cannot be used: {problem}"),
        "use the https:// URL for cloning, without user name and password",
    )
}

/// The failure in an error of reqwest, before there was any response.
pub(super) fn not_sent(error: &reqwest::Error) -> Failure {
    let said = causes(error);
    let lower = said.to_lowercase();
    if error.is_timeout() {
        Failure::new(
            FailureClass::TimeOut,
            format!("the server did not answer in time: {said}"),
            "check the network and the proxy variables",
        )
    } else if lower.contains("dns error") || lower.contains("failed to lookup") {
        Failure::new(
            FailureClass::NameLookup,
            format!("the server's name was not found: {said}"),
            "check the URL and the name server",
        )
    } else if lower.contains("certificate") {
        Failure::new(
            FailureClass::HostKey,
            format!("the server's certificate is not trusted: {said}"),
            "add the issuing authority to the system's trusted certificates",
        )
    } else if error.is_connect() {
        Failure::new(
            FailureClass::Connect,
            format!("no connection to the server: {said}"),
            "check the network, the firewall and the proxy variables",
        )
    } else {
        Failure::new(
            FailureClass::ConnectionLost,
            format!("the connection to the server was lost: {said}"),
            "it is tried again by itself",
        )
    }
}

/// The error and what caused it, without the URL.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        said.push(cause.to_string());
        next = cause.source();
    }
    if said.is_empty() { "request failed".to_owned() } else { words::clean(said.join(": ").as_bytes()) }
}
