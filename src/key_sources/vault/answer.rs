//! What a Vault answered.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::json_text;
use crate::domain::{Failure, FailureClass, KeyName};
use crate::key_sources::private::passphrase;
use crate::ports::Stamp;

const PRIVATE_KEY: &str = "private_key";
const PASSPHRASE: &str = "passphrase";

/// A key as it was read.
pub(super) struct Secret {
    pub(super) private: SecretString,
    pub(super) passphrase: Option<SecretString>,
    pub(super) stamp: Stamp,
    /// Mount and path, for messages.
    pub(super) place: String,
}

/// `{"data": {"data": {…}, "metadata": {…}}, …}`. The values stay where they are, in a buffer that is wiped.
#[derive(Deserialize)]
struct ReadAnswer<'a> {
    #[serde(borrow)]
    data: Option<Versioned<'a>>,
}

#[derive(Deserialize)]
struct Versioned<'a> {
    #[serde(borrow)]
    data: Option<BTreeMap<String, &'a RawValue>>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    #[serde(default)]
    created_time: String,
}

/// `{"data": {"keys": ["foo", "foo/"]}, …}`.
#[derive(Deserialize)]
struct ListAnswer {
    data: Names,
}

#[derive(Deserialize)]
struct Names {
    keys: Vec<String>,
}

/// The key in an answer; `None` if its newest version is deleted.
pub(super) fn secret(body: &[u8], mount: &str, path: &str) -> Result<Option<Secret>, Failure> {
    let answer: ReadAnswer<'_> = serde_json::from_slice(body).map_err(|_| not_the_engine(mount))?;
    let Some(Versioned { data, metadata: Some(metadata) }) = answer.data else { return Err(not_the_engine(mount)) };
    let Some(fields) = data else { return Ok(None) };
    let place = format!("{mount}/{path}");
    let Some(private) = text(&fields, PRIVATE_KEY, &place)? else { return Err(no_private_key(&fields, mount, path)) };
    let passphrase = text(&fields, PASSPHRASE, &place)?.and_then(|text| passphrase(text.expose_secret()));
    // A secret that was removed wholly and made again counts its versions from 1.
    let stamp = Stamp::new(format!("{} {}", metadata.version, metadata.created_time));
    Ok(Some(Secret { private, passphrase, stamp, place }))
}

/// The names in an answer, sorted. What ends in `/` is a folder.
pub(super) fn names(body: &[u8], mount: &str) -> Result<Vec<KeyName>, Failure> {
    let answer: ListAnswer = serde_json::from_slice(body).map_err(|_| not_the_engine(mount))?;
    let mut names: Vec<KeyName> = answer.data.keys.into_iter().filter_map(|name| KeyName::new(name).ok()).collect();
    names.sort();
    Ok(names)
}

fn text(fields: &BTreeMap<String, &RawValue>, name: &str, place: &str) -> Result<Option<SecretString>, Failure> {
    let Some(value) = fields.get(name).map(|value| value.get()).filter(|value| *value != "null") else {
        return Ok(None);
    };
    let text = json_text::decode(value).ok_or_else(|| {
        let message = format!("the field {name} of the secret {place} in Vault is no text");
        Failure::new(FailureClass::Key, message, "put it there as text")
    })?;
    Ok((!text.expose_secret().is_empty()).then_some(text))
}

fn no_private_key(fields: &BTreeMap<String, &RawValue>, mount: &str, path: &str) -> Failure {
    let names: Vec<String> = fields.keys().take(10).map(|name| format!("{name:?}")).collect();
    let there = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Failure::new(
        FailureClass::Key,
        format!("the secret {mount}/{path} in Vault has no field {PRIVATE_KEY:?} with a key in it ({there})"),
        format!("put the private key there: `vault kv patch -mount={mount} {path} {PRIVATE_KEY}=@FILE`"),
    )
}

fn not_the_engine(mount: &str) -> Failure {
    Failure::new(
        FailureClass::Key,
        format!("what answers for {mount:?} in Vault is not a key-value engine of version 2"),
        "correct APPFERRY_VAULT_MOUNT or APPFERRY_VAULT_ADDR, or raise the engine: `vault kv enable-versioning MOUNT`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Option<Secret>, String> {
        secret(body.as_bytes(), "secret", "appferry/keys/deploy").map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_documented_answer_is_read() {
        let body = r#"{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{"data":
            {"private_key":"-----BEGIN\nx\n","passphrase":"a \u0026 b\n","note":{"any":[1.50,true]}},
            "metadata":{"created_time":"2018-03-22T02:24:06.945319214Z","custom_metadata":{"owner":"jdoe"},
            "deletion_time":"","destroyed":false,"version":2}},"wrap_info":null,"warnings":null,"auth":null}"#;
        let secret = read(body).unwrap().unwrap();
        assert_eq!(secret.private.expose_secret(), "-----BEGIN\nx\n");
        assert_eq!(secret.passphrase.unwrap().expose_secret(), "a & b");
        assert_eq!(secret.place, "secret/appferry/keys/deploy");
        assert_eq!(secret.stamp, Stamp::new("2 2018-03-22T02:24:06.945319214Z"));
    }

    #[test]
    fn a_missing_field_is_named_beside_those_that_are_there() {
        let said = read(r#"{"data":{"data":{"id_rsa":"s3cret","user":"u"},"metadata":{"version":1}}}"#).err().unwrap();
        assert!(
            said.contains(r#"has no field "private_key""#) && said.contains(r#"it has "id_rsa", "user""#),
            "{said}"
        );
        assert!(said.contains("vault kv patch -mount=secret appferry/keys/deploy private_key=@FILE"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
        let said = read(r#"{"data":{"data":{"private_key":5},"metadata":{"version":1}}}"#).err().unwrap();
        assert!(said.contains("is no text"), "{said}");
    }

    #[test]
    fn an_engine_of_version_1_and_a_login_page_are_told_apart_from_a_missing_key() {
        for body in [r#"{"data":{"private_key":"s3cret"}}"#, "<html>s3cret</html>", "{}"] {
            let said = read(body).err().unwrap();
            assert!(said.contains("not a key-value engine of version 2") && !said.contains("s3cret"), "{said}");
        }
        assert!(read(r#"{"data":{"data":null,"metadata":{"version":3}}}"#).unwrap().is_none());
    }

    #[test]
    fn folders_and_names_that_no_key_has_are_left_out_of_the_list() {
        let body = br#"{"data":{"keys":["deploy","a key","deploy/","Another.1"]}}"#;
        let names = names(body, "secret").unwrap();
        assert_eq!(names.iter().map(KeyName::as_str).collect::<Vec<_>>(), ["Another.1", "deploy"]);
    }
}
