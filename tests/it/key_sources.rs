//! Keys from elsewhere: a real folder, and a server that answers as the documentation of Vault says.

mod folder;
mod vault;
pub(crate) mod vault_server;
mod vault_trouble;

use appferry::domain::{Failure, KeyName};
use appferry::ports::{KeySource, SourceKey};
use secrecy::ExposeSecret;

/// As long as a real one, so that a part of it in a log would be found.
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMw\n-----END OPENSSH PRIVATE KEY-----\n";
const OTHER_KEY: &str =
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAr0zv6b1QZ1v0H3Zk0k0o\n-----END RSA PRIVATE KEY-----\n";

fn name(text: &str) -> KeyName {
    KeyName::new(text).expect("a key name")
}

async fn found(source: &dyn KeySource, key: &str) -> SourceKey {
    source.find(&name(key)).await.expect("an answer").unwrap_or_else(|| panic!("no key {key}"))
}

async fn private(source: &dyn KeySource, key: &str) -> String {
    found(source, key).await.private.expose_secret().to_owned()
}

async fn is_absent(source: &dyn KeySource, key: &str) -> bool {
    source.find(&name(key)).await.expect("an answer").is_none()
}

async fn failure(source: &dyn KeySource, key: &str) -> Failure {
    source.find(&name(key)).await.map(|found| found.is_some()).expect_err("should fail")
}

async fn names(source: &dyn KeySource) -> Vec<String> {
    source.names().await.expect("an answer").iter().map(ToString::to_string).collect()
}
