//! Keys in a Vault that says no, or says nothing.

use std::time::Duration;

use appferry::config::VaultSettings;
use appferry::domain::{Failure, FailureClass};
use appferry::key_sources::{VaultSource, VaultTimes};
use appferry::ports::KeySource;
use serde_json::{Value, json};

use super::vault_server::{TOKEN, Vault};
use super::{KEY, failure};
use crate::support::process::free_port;

async fn answered(vault: &Vault, status: u16, body: Value) -> Failure {
    vault.change(|inside| inside.instead = Some((status, body)));
    failure(&vault.source(), "deploy").await
}

#[tokio::test]
async fn a_token_that_may_not_read_is_answered_with_the_policy_to_give() {
    let vault = Vault::start().await;
    let failure = answered(&vault, 403, json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]})).await;
    assert_eq!(failure.class, FailureClass::Key);
    assert_eq!(
        failure.to_string(),
        "the token may not read secret/data/appferry/keys/deploy in Vault (HTTP 403: permission denied); give it a policy \
         with `path \"secret/data/appferry/keys/*\" { capabilities = [\"read\"] }`, or a new token if it has expired"
    );
}

#[tokio::test]
async fn a_vault_that_cannot_answer_now_is_asked_again_later() {
    let vault = Vault::start().await;
    for (status, words) in [
        (503, "Vault is sealed"),
        (429, "on standby"),
        (472, "on standby"),
        (473, "on standby"),
        (501, "not initialized"),
        (500, "Vault answered HTTP 500"),
        (412, "Vault answered HTTP 412"),
    ] {
        let failure = answered(&vault, status, json!({"errors": ["Vault is sealed"]})).await;
        assert_eq!(failure.class, FailureClass::Connect, "{failure}");
        assert!(failure.message.contains(words) && !failure.remedy.is_empty(), "{failure}");
        assert!(vault.source().names().await.is_err(), "{status}");
    }
}

#[tokio::test]
async fn what_is_no_engine_of_version_2_is_said_to_be_none() {
    let vault = Vault::start().await;
    for body in [json!({"data": {"private_key": KEY}}), json!("a login page"), json!({"data": {"keys": 1}})] {
        let failure = answered(&vault, 200, body).await;
        assert_eq!(failure.class, FailureClass::Key);
        assert!(failure.message.contains("not a key-value engine of version 2"), "{failure}");
    }
    let failure = answered(&vault, 400, json!({"errors": []})).await;
    assert!(failure.class == FailureClass::Key && failure.remedy.contains("APPFERRY_VAULT_NAMESPACE"), "{failure}");
    let failure = answered(&vault, 200, json!({"data": "x".repeat(600 * 1024)})).await;
    assert!(failure.message.contains("larger than 512 KiB"), "{failure}");
}

#[tokio::test]
async fn a_secret_without_the_field_is_told_which_fields_it_has() {
    let vault = Vault::start().await;
    vault.put("appferry/keys/deploy", json!({"id_rsa": "s3cret", "user": "git"}));
    let said = failure(&vault.source(), "deploy").await.to_string();
    assert!(said.contains("it has \"id_rsa\", \"user\"") && !said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let (vault, other) = (Vault::start().await, Vault::start().await);
    vault.change(|inside| inside.moved = Some(format!("http://{}", other.address)));
    let failure = failure(&vault.source(), "deploy").await;
    assert_eq!(failure.class, FailureClass::Connect);
    assert!(failure.message.contains(&format!("redirects to http://{}", other.address)), "{failure}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_vault_that_says_nothing_is_given_up() {
    let vault = Vault::start().await;
    vault.change(|inside| inside.silent = true);
    let times = VaultTimes { answer: Duration::from_millis(200), ..VaultTimes::default() };
    let source = VaultSource::new(&vault.settings(), times).expect("a source");
    assert_eq!(failure(&source, "deploy").await.class, FailureClass::TimeOut);
}

#[tokio::test]
async fn what_keeps_a_connection_from_being_made_is_named() {
    let vault = Vault::start().await;
    let asked_at = async |address: String| {
        let source = VaultSource::new(&VaultSettings { address, ..vault.settings() }, VaultTimes::default());
        failure(&source.expect("a source"), "deploy").await
    };
    let refused = asked_at(format!("http://127.0.0.1:{}", free_port())).await;
    assert_eq!(refused.class, FailureClass::Connect, "{refused}");
    let plain = asked_at(format!("https://{}", vault.address)).await;
    assert!(plain.class == FailureClass::Connect && plain.remedy.contains("is it HTTPS there?"), "{plain}");
    let unknown = asked_at("https://vault.invalid:8200".to_owned()).await;
    assert_eq!(unknown.class, FailureClass::NameLookup, "{unknown}");
    for failure in [refused, plain, unknown] {
        assert!(!failure.to_string().contains(TOKEN));
    }
}
