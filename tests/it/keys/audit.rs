//! The append-only log.

use super::*;

#[tokio::test]
async fn a_use_is_a_row_in_the_audit_log_and_the_last_use() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    let used = KeyUse {
        purpose: "git git@host:22".into(),
        fingerprint: "SHA256:key".into(),
        host_key: Some("SHA256:host".into()),
        outcome: "ok".into(),
        algorithms: None,
    };
    service.record_use(&name("key"), used).await;
    let last = service.show(&name("key")).await.unwrap().last_used.unwrap();
    assert_eq!(last.purpose, "git git@host:22");

    let pool = raw(data.path()).await;
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT concat_ws(' | ', event, key_name, purpose, host_key, outcome) FROM audit ORDER BY id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(rows, ["ssh_key_added | key | ok", "ssh_key_used | key | git git@host:22 | SHA256:host | ok"]);
}

#[tokio::test]
async fn the_audit_log_only_grows_until_its_rows_are_old() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    let pool = raw(data.path()).await;
    let refused = |result: Result<u64, String>| assert!(result.unwrap_err().contains("audit rows are"));
    refused(execute(&pool, "UPDATE audit SET outcome = 'x'").await);
    refused(execute(&pool, "DELETE FROM audit").await);
    refused(execute(&pool, "INSERT OR REPLACE INTO audit (id, at_ms, event, outcome) VALUES (1, 0, 'x', 'x')").await);

    execute(&pool, "INSERT INTO audit (at_ms, event, outcome) VALUES (0, 'ancient', 'ok')").await.unwrap();
    open(data.path()).await;
    let events: Vec<String> = sqlx::query_scalar("SELECT event FROM audit ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(events, ["ssh_key_added", "audit_pruned"]);
}
