//! What refusals of HTTP servers mean, and what to do about them.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use super::super::error::{Asking, no_write_access, repository_absent};
use crate::domain::{Failure, FailureClass};

/// A server that asks for more patience than this is asked again all the same.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// How long a busy server asks to be left alone.
pub(super) fn asked_wait(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN) || status.is_server_error();
    if !is_busy {
        return None; // a new token, say, is tried at once
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(until.duration_since(jiff::Timestamp::now())).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The failure that a status means; `wait` is what [`asked_wait`] found.
pub(super) fn refused(status: StatusCode, asking: Asking, said: &str, wait: Option<Duration>) -> Failure {
    let said = if said.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {said}") };
    match status {
        StatusCode::UNAUTHORIZED => Failure::new(
            FailureClass::Authentication,
            format!("the server does not accept the access token ({said})"),
            "make a new token with access to this repository (contents: read and write) and put it in the token's variable or file",
        ),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Failure::new(
            FailureClass::Authentication,
            format!("a proxy on the way wants a user name and password ({said})"),
            "write them into the proxy's variable, `http://user:password@host:port`, and restart",
        ),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => busy(&said, wait),
        // Some limit requests with this status; a refusal for good does not say when to come back.
        StatusCode::FORBIDDEN if wait.is_some() => busy(&said, wait),
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

fn busy(said: &str, wait: Option<Duration>) -> Failure {
    let asks = wait.map(|wait| format!(" and asks to wait {} s", wait.as_secs())).unwrap_or_default();
    Failure::new(
        FailureClass::RemoteCommand,
        format!("the server is busy or limits requests ({said}){asks}"),
        "it is tried again by itself, not before that time; a longer APPFERRY_POLL_INTERVAL helps if it stays",
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().expect("a header"));
        asked_wait(StatusCode::TOO_MANY_REQUESTS, &headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn both_forms_of_retry_after_are_read_and_none_lasts_for_ever() {
        assert_eq!(wait("30"), Some(30));
        assert_eq!(wait("99999999"), Some(900));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0), "it is over");
        assert_eq!(wait("Wed, 21 Oct 2099 07:28:00 GMT"), Some(900));
        assert_eq!(wait("soon"), None);
    }
}
