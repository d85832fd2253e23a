//! What refusals of a Vault mean, and what to do about them. Source: the HTTP API's page on status codes, and `sys/health`.

use std::error::Error;
use std::fmt::Display;

use reqwest::StatusCode;
use serde::Deserialize;

use crate::domain::{Failure, FailureClass};

/// The most that is shown of what a server said, in bytes.
const LIMIT: usize = 500;

/// A question: its path below `v1`, and the line of policy that allows it.
pub(super) struct Asking {
    pub(super) api_path: String,
    pub(super) policy: String,
    pub(super) list: bool,
}

#[derive(Deserialize)]
struct Refusal {
    errors: Vec<String>,
}

/// What the body of a refusal says, as one line. A deleted version is refused with its metadata, which says nothing.
pub(super) fn words(body: &[u8]) -> String {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else { return String::new() };
    // `1 error occurred:\n\t* permission denied\n\n` is how one error is written.
    let lines = refusal.errors.iter().flat_map(|error| error.lines()).map(str::trim);
    let said: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.ends_with("occurred:"))
        .map(|line| line.trim_start_matches("* "))
        .collect();
    let mut said = said.join("; ").replace(char::is_control, "");
    said.truncate(said.floor_char_boundary(LIMIT));
    said
}

/// Nothing for a secret that is not there, else the failure that a status means.
pub(super) fn absent_or_refused(status: StatusCode, said: &str, asking: &Asking) -> Result<(), Failure> {
    let Asking { api_path, policy, list } = asking;
    // Beyond the documented codes, 472 to 474 and 530 are those by which a node says that it is not the active one.
    match status.as_u16() {
        404 if !said.contains("no handler for route") => Ok(()),
        404 => Err(key(
            format!("Vault has no engine for {api_path} ({said})"),
            "correct APPFERRY_VAULT_MOUNT or APPFERRY_VAULT_NAMESPACE, or enable the engine: `vault secrets enable -path=MOUNT kv-v2`",
        )),
        // A token that may read the keys but not list them is common.
        403 if *list => {
            tracing::debug!(
                path = api_path,
                said,
                allow = policy,
                "the keys in Vault are not listed: the token may not"
            );
            Ok(())
        }
        401 | 403 => Err(key(
            format!("the token may not read {api_path} in Vault ({})", or_status(said, status)),
            format!("give it a policy with `{policy}`, or a new token if it has expired"),
        )),
        400 | 405 => Err(key(
            format!("Vault does not take the question for {api_path} ({})", or_status(said, status)),
            "check APPFERRY_VAULT_ADDR, APPFERRY_VAULT_MOUNT and APPFERRY_VAULT_NAMESPACE",
        )),
        503 => Err(passing(
            format!("Vault is sealed or under maintenance ({})", or_status(said, status)),
            "unseal it: `vault operator unseal`; it is asked again by itself",
        )),
        429 | 472 | 473 | 474 | 530 => Err(passing(
            format!("this node of Vault is on standby, or has too many requests ({})", or_status(said, status)),
            "let APPFERRY_VAULT_ADDR lead to the active node; it is asked again by itself",
        )),
        501 => Err(passing("Vault is not initialized".to_owned(), "initialize it: `vault operator init`")),
        _ => Err(passing(
            format!("Vault answered {}", or_status(said, status)),
            "it is asked again by itself; look at Vault's log if it stays",
        )),
    }
}

/// A redirect, as a node on standby gives that does not forward. The token is not sent to another address by itself.
pub(super) fn redirected(target: Option<String>) -> Failure {
    let to = target.unwrap_or_else(|| "nowhere".to_owned());
    passing(
        format!("Vault redirects to {to}, which is not followed: the token goes to no other address"),
        "let APPFERRY_VAULT_ADDR lead to the active node, or let the others forward requests",
    )
}

/// No answer came.
pub(super) fn not_sent(error: &reqwest::Error) -> Failure {
    let said = causes(error);
    let lower = said.to_lowercase();
    let failure = |class, message: String, remedy| Failure::new(class, message, remedy);
    if error.is_timeout() {
        let remedy = "check APPFERRY_VAULT_ADDR, the network and the proxy variables; it is asked again by itself";
        failure(FailureClass::TimeOut, format!("Vault did not answer in time: {said}"), remedy)
    } else if lower.contains("dns error") || lower.contains("failed to lookup") {
        let remedy = "check APPFERRY_VAULT_ADDR and the name server";
        failure(FailureClass::NameLookup, format!("the name of the Vault was not found: {said}"), remedy)
    } else if lower.contains("certificate") {
        // Nothing will change by itself, so it is of the class that waits for a person.
        let remedy = "put the certificate of the authority that issued it into a PEM file, name that in APPFERRY_CA_FILE and \
                      restart, or correct APPFERRY_VAULT_ADDR";
        failure(FailureClass::Key, format!("the certificate of the Vault is not trusted: {said}"), remedy)
    } else if error.is_connect() {
        let remedy =
            "check APPFERRY_VAULT_ADDR (is it HTTPS there?), the network, the firewall and the proxy variables";
        failure(FailureClass::Connect, format!("no connection to the Vault: {said}"), remedy)
    } else {
        let remedy = "it is asked again by itself";
        failure(FailureClass::ConnectionLost, format!("the connection to the Vault was lost: {said}"), remedy)
    }
}

pub(super) fn too_long() -> Failure {
    key("the answer for a key in Vault is larger than 512 KiB".to_owned(), "correct APPFERRY_VAULT_ADDR or the secret")
}

pub(super) fn bad_setting(variable: &str, error: impl Display) -> Failure {
    key(format!("{variable} cannot be used: {error}"), "correct it")
}

pub(super) fn bad_token(problem: &str) -> Failure {
    key(
        format!("the token for Vault cannot be used: {problem}"),
        "let the agent write it again, readable by the user that appferry runs as",
    )
}

fn key(message: String, remedy: impl Into<String>) -> Failure {
    Failure::new(FailureClass::Key, message, remedy)
}

fn passing(message: String, remedy: &str) -> Failure {
    Failure::new(FailureClass::Connect, message, remedy)
}

fn or_status(said: &str, status: StatusCode) -> String {
    if said.is_empty() { format!("HTTP {}", status.as_u16()) } else { format!("HTTP {}: {said}", status.as_u16()) }
}

/// What caused the error, without the URL.
fn causes(error: &reqwest::Error) -> String {
    let mut said = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        said.push(cause.to_string());
        next = cause.source();
    }
    if said.is_empty() { "the request failed".to_owned() } else { said.join(": ").replace(char::is_control, " ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_refusal_are_one_line() {
        let body = br#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#;
        assert_eq!(words(body), "permission denied; invalid token");
        assert_eq!(words(br#"{"errors":[]}"#), "");
        assert_eq!(words(br#"{"data":{"data":null}}"#), "");
        assert_eq!(words(b"<html>"), "");
    }
}
