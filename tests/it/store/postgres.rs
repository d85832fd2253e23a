//! What only a database elsewhere can do.

use appferry::config::KeyStoreConfig;
use appferry::domain::FailureClass;
use appferry::keys::{KeyKind, KeyService, Protection};
use appferry::ports::{AuditFilter, AuditLog as _, KeyRecords as _, Keyring as _};
use appferry::store::Store;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{add, name, used};
use crate::support::PATIENCE;
use crate::support::postgres::Postgres;

#[tokio::test]
async fn the_audit_log_cannot_be_changed_behind_the_program() {
    let Some(server) = Postgres::start() else { return };
    let store = Store::open_postgres(&server.database("keys"), "jo@host").await.unwrap();
    add(&store, "k").await;
    for statement in ["UPDATE audit SET outcome = 'x'", "DELETE FROM audit", "TRUNCATE audit"] {
        let refused = server.sql("keys", statement).unwrap_err();
        assert!(refused.contains("audit rows are"), "{refused}");
    }
    let refused =
        server.sql("keys", "INSERT INTO key_users SELECT id, 'somebody' FROM keys; DELETE FROM keys").unwrap_err();
    assert!(refused.contains("foreign key"), "{refused}");
    server.sql("keys", "INSERT INTO audit (at_ms, event, outcome) VALUES (0, 'ancient', 'ok')").unwrap();
    store.prune().await.unwrap();
    let events: Vec<String> =
        store.audit(&AuditFilter::default()).await.unwrap().into_iter().map(|row| row.event).collect();
    assert_eq!(events, ["ssh_key_added", "audit_pruned"]);
}

#[tokio::test]
async fn a_server_that_is_away_is_named_without_the_password_and_found_again() {
    let Some(mut server) = Postgres::start() else { return };
    let url = server.database("keys");
    let store = Store::open_postgres(&url, "jo@host").await.unwrap();
    add(&store, "k").await;
    server.kill();
    let failure = store.rows(None).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    assert!(failure.message.contains("127.0.0.1") && !failure.to_string().contains("w/rd"), "{failure}");
    let failure = Store::open_postgres(&url, "jo@host").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    server.restart();
    assert_eq!(store.rows(None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_that_another_session_holds_is_not_waited_for_without_end() {
    let Some(server) = Postgres::start() else { return };
    let store = Store::open_postgres(&server.database("keys"), "jo@host").await.unwrap();
    add(&store, "k").await;
    let (key, used) = (name("k"), used("SHA256:pair of k", "ok"));
    let held = server.hold("keys", "SELECT pg_advisory_xact_lock(hashtext('appferry audit'))");
    let answer = tokio::time::timeout(PATIENCE, store.note_use(&key, &used)).await;
    let failure = answer.expect("an answer within the limits").unwrap_err();
    assert_eq!(failure.class, FailureClass::Connect, "{failure}");
    assert!(failure.message.contains("is busy") && failure.remedy.contains("try again"), "{failure}");
    drop(held);
    store.note_use(&key, &used).await.unwrap();
}

#[tokio::test]
async fn who_is_not_let_in_is_told_what_to_check() {
    let Some(server) = Postgres::start() else { return };
    let right = server.url("postgres");
    for (wrong, what) in [("p%40ss", "wrong"), ("/postgres", "/absent")] {
        let url = right.expose_secret().replace(wrong, what).into();
        let failure = Store::open_postgres(&url, "x").await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Refused, "{failure}");
        assert!(failure.remedy.contains("APPFERRY_DATABASE_URL") && !failure.to_string().contains("w/rd"), "{failure}");
    }
    let failure = Store::open_postgres(&"postgres://[broken".to_owned().into(), "x").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Refused, "{failure}");
}

#[tokio::test]
async fn a_server_without_encryption_is_refused_where_it_is_asked_for() {
    let Some(server) = Postgres::start() else { return };
    let url = format!("{}?sslmode=verify-full", server.url("postgres").expose_secret());
    let failure = Store::open_postgres(&url.into(), "x").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Refused, "{failure}");
    assert!(failure.remedy.contains("sslrootcert") && !failure.to_string().contains("w/rd"), "{failure}");
}

#[tokio::test]
async fn two_instances_share_a_store_but_only_with_the_same_master_key() {
    let Some(server) = Postgres::start() else { return };
    let (one, two, secrets) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let master = secrets.path().join("master");
    std::fs::write(&master, [7; 32]).unwrap();
    let url = server.database("keys");
    let config = |dir: &TempDir| {
        let mut config = KeyStoreConfig::embedded(dir.path());
        config.database = Some(url.clone());
        config
    };
    let given = |dir: &TempDir| {
        let mut config = config(dir);
        config.master_keys.files = vec![master.clone()];
        config
    };
    let (a, b) = (given(&one), given(&two));
    let (a, b) = tokio::join!(KeyService::open(&a, "one"), KeyService::open(&b, "two"));
    let (a, b) = (a.unwrap().0, b.unwrap().0);
    let made = a.generate(&name("shared"), KeyKind::Ed25519, Protection::None).await.unwrap();
    assert_eq!(b.resolve(&name("shared")).await.unwrap().fingerprint, made.pair.fingerprint);

    let alone = KeyService::open(&config(&two), "two").await.map(drop).unwrap_err().to_string();
    assert!(alone.contains("the store needs the master key"), "{alone}");
    assert!(!two.path().join("master.key").exists(), "none is made over a store in use");
    assert!(!two.path().join("store.sqlite").exists());
}
