//! Keys in a Vault that answers.

use std::process::Command;
use std::time::Duration;

use appferry::config::{KeySourcesConfig, LogFormat, TokenSource, VaultSettings};
use appferry::key_sources::{self, VaultSource, VaultTimes};
use appferry::ports::KeySource;
use secrecy::ExposeSecret;
use serde_json::json;
use tempfile::TempDir;

use super::vault_server::{TOKEN, Vault};
use super::{KEY, OTHER_KEY, failure, found, is_absent, name, names, private};

/// Tells the test binary, started again as another process, to be the one that is listened to.
const CHILD: &str = "APPFERRY_TEST_CHILD_LOGS";

#[tokio::test]
async fn a_key_is_the_secret_of_its_name() {
    let vault = Vault::start().await;
    vault.put("appferry/keys/deploy", json!({"private_key": KEY, "passphrase": "a <b> & \u{1f600}\n", "note": 5}));
    let source = vault.source();
    let key = found(&source, "deploy").await;
    assert_eq!(key.private.expose_secret(), KEY);
    assert_eq!(key.passphrase.map(|text| text.expose_secret().to_owned()).as_deref(), Some("a <b> & \u{1f600}"));
    assert_eq!((key.place.as_str(), key.notice), ("secret/appferry/keys/deploy", None));
    assert_eq!(vault.asked(), ["GET /v1/secret/data/appferry/keys/deploy"]);
    vault.put("appferry/keys/deploy", json!({"private_key": OTHER_KEY}));
    assert_eq!(private(&source, "deploy").await, OTHER_KEY, "each find reads anew");
}

#[tokio::test]
async fn a_missing_secret_and_a_deleted_version_are_no_key() {
    let vault = Vault::start().await;
    vault.change(|inside| {
        inside.secrets.insert("appferry/keys/deleted".to_owned(), (3, None));
    });
    let source = vault.source();
    assert!(is_absent(&source, "missing").await);
    assert!(is_absent(&source, "deleted").await);
    assert!(names(&vault.source()).await.contains(&"deleted".to_owned()));
}

#[tokio::test]
async fn mount_path_and_namespace_are_where_the_settings_say() {
    let vault = Vault::start().await;
    let settings = VaultSettings {
        address: format!("http://{}/behind/a/proxy/", vault.address),
        mount: "team/kv".to_owned(),
        path: "my keys".to_owned(),
        namespace: Some("apps/dev".to_owned()),
        ..vault.settings()
    };
    let source = VaultSource::new(&settings, VaultTimes::default()).expect("a source");
    let said = failure(&source, "deploy").await.to_string();
    assert!(said.contains("Vault has no engine for team/kv/data/my keys/deploy"), "{said}");
    assert_eq!(vault.asked(), ["GET /behind/a/proxy/v1/team/kv/data/my%20keys/deploy apps/dev"]);
}

#[tokio::test]
async fn keys_are_listed_where_the_token_may_list() {
    let vault = Vault::start().await;
    let source = vault.source();
    assert_eq!(names(&source).await, Vec::<String>::new(), "an empty folder is a 404");
    for path in ["appferry/keys/b", "appferry/keys/a", "appferry/keys/more/c", "other/d"] {
        vault.put(path, json!({"private_key": KEY}));
    }
    assert_eq!(names(&source).await, ["a", "b"]);
    vault.change(|inside| inside.no_list = true);
    assert_eq!(names(&source).await, Vec::<String>::new());
    assert_eq!(private(&source, "a").await, KEY);
}

#[tokio::test]
async fn the_token_file_is_read_at_each_use() {
    let vault = Vault::start().await;
    vault.put("appferry/keys/deploy", json!({"private_key": KEY}));
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).expect("written");
    let settings = VaultSettings { token: TokenSource::File(path.clone()), ..vault.settings() };
    let source = VaultSource::new(&settings, VaultTimes::default()).expect("a source");
    assert_eq!(private(&source, "deploy").await, KEY);
    vault.change(|inside| "hvs.renewed".clone_into(&mut inside.token));
    assert!(failure(&source, "deploy").await.to_string().contains("permission denied; invalid token"));
    std::fs::write(&path, "hvs.renewed").expect("written");
    assert_eq!(private(&source, "deploy").await, KEY);
    std::fs::remove_file(&path).expect("removed");
    let said = failure(&source, "deploy").await.to_string();
    assert!(said.contains(&format!("the file {} cannot be read", path.display())), "{said}");
}

#[tokio::test]
async fn a_stamp_asks_vault_only_when_the_last_look_is_old() {
    let vault = Vault::start().await;
    vault.put("appferry/keys/deploy", json!({"private_key": KEY}));
    let deploy = name("deploy");
    let patient = vault.source();
    let first = patient.stamp(&deploy).await.expect("a stamp");
    found(&patient, "deploy").await;
    vault.put("appferry/keys/deploy", json!({"private_key": OTHER_KEY}));
    assert_eq!(patient.stamp(&deploy).await, Some(first.clone()));
    assert_eq!(vault.asked().len(), 2, "one for the first stamp, one for the key");
    let eager = vault.source_that_believes(Duration::ZERO);
    let second = eager.stamp(&deploy).await.expect("a stamp");
    assert_ne!(first, second);
    assert_eq!(eager.stamp(&deploy).await, Some(second));
    assert_eq!(vault.asked().len(), 4);
    assert_eq!(eager.stamp(&name("missing")).await, None);
}

#[tokio::test]
async fn the_last_stamp_holds_while_vault_is_away_but_not_when_it_says_no() {
    let vault = Vault::start().await;
    vault.put("appferry/keys/deploy", json!({"private_key": KEY}));
    let (source, deploy) = (vault.source_that_believes(Duration::ZERO), name("deploy"));
    let stamp = source.stamp(&deploy).await;
    assert!(stamp.is_some());
    vault.change(|inside| inside.instead = Some((503, json!({"errors": ["Vault is sealed"]}))));
    assert_eq!(source.stamp(&deploy).await, stamp);
    assert_eq!(source.stamp(&name("never-seen")).await, None);
    vault.change(|inside| inside.instead = Some((403, json!({"errors": ["permission denied"]}))));
    assert_eq!(source.stamp(&deploy).await, None);
    vault.change(|inside| {
        inside.instead = None;
        inside.secrets.clear();
    });
    assert_eq!(source.stamp(&deploy).await, None);
}

#[tokio::test]
async fn the_sources_that_are_configured_are_opened() {
    let vault = Vault::start().await;
    let none = key_sources::open(&KeySourcesConfig::default()).expect("opened");
    assert!(none.folder.is_none() && none.vault.is_none());
    let config = KeySourcesConfig { folder: Some("/run/secrets".into()), vault: Some(vault.settings()) };
    let both = key_sources::open(&config).expect("opened");
    let words = [both.folder, both.vault].map(|source| source.map(|source| source.word()));
    assert_eq!(words, [Some("folder"), Some("vault")]);
    assert!(vault.asked().is_empty(), "opening asks nothing");
}

/// Not a test by itself: what the process of the test below does.
#[tokio::test]
#[ignore = "started by a test, in a process of its own"]
async fn child_reads_keys_and_logs_everything() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    appferry::logs::init(LogFormat::Human);
    let vault = Vault::start().await;
    vault.put("appferry/keys/deploy", json!({"private_key": KEY, "passphrase": "pass-phrase-s3cret"}));
    vault.put("appferry/keys/wrong", json!({"id_rsa": KEY}));
    let source = vault.source();
    found(&source, "deploy").await;
    eprintln!("{}", failure(&source, "wrong").await);
    vault.change(|inside| inside.instead = Some((200, json!({"private_key": KEY}))));
    eprintln!("{}", failure(&source, "deploy").await);
    vault.change(|inside| inside.instead = Some((403, json!({"errors": ["permission denied"]}))));
    eprintln!("{}", failure(&source, "deploy").await);
    eprintln!("{:?} {:?}", vault.settings(), source.stamp(&name("deploy")).await);
}

#[test]
fn nothing_secret_is_logged_at_the_finest_level() {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "key_sources::vault::child_reads_keys_and_logs_everything", "--ignored", "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_LOG", "trace")
        .output()
        .expect("its output");
    let log = [output.stdout, output.stderr].concat();
    let log = String::from_utf8_lossy(&log);
    assert!(output.status.success() && log.contains("TRACE"), "{log}");
    let body = KEY.lines().nth(1).expect("its body");
    for secret in [body, TOKEN, "pass-phrase-s3cret"] {
        assert!(!log.contains(secret), "{secret} in:\n{log}");
    }
}
