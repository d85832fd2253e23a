//! A store that an older program has written.

use std::fs;
use std::path::Path;

use appferry::ports::{AuditFilter, AuditLog as _, Changed, KeyRecords as _};
use appferry::store::Store;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;

use super::{add, name};

/// The tables as the first version made them, with a key in use and an audit row.
async fn first_version(folder: &Path) {
    let migrations = TempDir::new().unwrap();
    let first = "0001_key_store.sql";
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite").join(first);
    fs::copy(source, migrations.path().join(first)).unwrap();
    let options = SqliteConnectOptions::new().filename(folder.join("store.sqlite")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    Migrator::new(migrations.path()).await.unwrap().run(&pool).await.unwrap();
    for statement in [
        "INSERT INTO canary VALUES (1, 1, 'm1', x'01', x'02')",
        "INSERT INTO key_claims VALUES ('environment', 'old')",
        "INSERT INTO keys VALUES ('id', 'old', 5, 6, 'git git@host:22')",
        "INSERT INTO key_material VALUES ('pair', 'id', 1, 'current', 'ed25519', 256, 'SHA256:old', 'ssh-ed25519 AAAA', 5,
                                          1, 'm1', x'03', x'04', NULL)",
        "INSERT INTO audit (at_ms, event, key_id, key_name, outcome)
         VALUES (unixepoch('now') * 1000, 'ssh_key_added', 'id', 'old', 'ok')",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
    }
    pool.close().await;
}

#[tokio::test]
async fn a_store_of_the_first_version_keeps_its_keys_and_its_log() {
    let folder = TempDir::new().unwrap();
    first_version(folder.path()).await;
    for _ in 0..2 {
        let store = Store::open(folder.path(), "jo@host").await.unwrap();
        let key = store.rows(None).await.unwrap().remove(0);
        assert_eq!((key.name.as_str(), key.current.fingerprint.as_str()), ("old", "SHA256:old"));
        assert_eq!(key.last_used, Some((6, "git git@host:22".to_owned())));
        assert!(!key.current.encrypted && key.current.first_login_ms.is_none());
        assert!(key.used_by.is_empty(), "its users are called by their instance now, and say so again when they start");
        let sealed = store.sealed(&name("old")).await.unwrap().unwrap();
        assert_eq!(sealed.current.sealed_private, [4]);
        let log = store.audit(&AuditFilter::default()).await.unwrap();
        assert_eq!((log[0].event.as_str(), log[0].actor.as_str()), ("ssh_key_added", ""));
        store.close().await;
    }
    let store = Store::open(folder.path(), "jo@host").await.unwrap();
    store.claim("environment of prod", &[name("old")]).await.unwrap();
    assert_eq!(store.delete(&name("old")).await.unwrap(), Changed::InUse(vec!["environment of prod".into()]));
    assert_eq!(add(&store, "new").await, Changed::Done);
}
