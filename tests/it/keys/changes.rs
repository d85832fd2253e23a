//! Renaming and deleting.

use super::*;

#[tokio::test]
async fn what_is_used_is_neither_renamed_nor_deleted_and_the_users_are_listed() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    made(&service, "k").await;
    for user in ["tunnel db", "environment of prod"] {
        service.mark_used_by(user, &[name("k")]).await.unwrap();
    }
    let renamed = service.rename(&name("k"), &name("new"), false).await.unwrap_err();
    let deleted = service.delete(&name("k")).await.unwrap_err();
    for (error, remedy) in [(&renamed, "--force"), (&deleted, "change what uses it first")] {
        let KeyError::InUse { users, .. } = error else { panic!("{error}") };
        assert_eq!(users, &["environment of prod", "tunnel db"]);
        let shown = error.to_string();
        assert!(shown.contains("environment of prod, tunnel db") && shown.contains(remedy), "{shown}");
    }
    let forced = service.rename(&name("k"), &name("new"), true).await.unwrap();
    assert_eq!((forced.name, forced.used_by), (name("new"), Vec::new()));
    let failure = service.resolve(&name("k")).await.map(drop).unwrap_err();
    assert!(failure.message.contains("`new`"), "{failure}");
    service.delete(&name("new")).await.unwrap();
    let rows = audit_rows(&service).await;
    assert_eq!(rows[1], "ssh_key_updated renamed to new, although it was in use");
    assert!(rows[2].starts_with("ssh_key_deleted SHA256:"), "{rows:?}");
}

#[tokio::test]
async fn a_name_comes_back_to_what_uses_it() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    made(&service, "k").await;
    service.mark_used_by("environment of prod", &[name("k")]).await.unwrap();
    service.rename(&name("k"), &name("new"), true).await.unwrap();
    let back = service.rename(&name("new"), &name("k"), false).await.unwrap();
    assert_eq!(back.used_by, ["environment of prod"]);
    // To itself, forced: nothing uses another name now, so nothing stops using this one.
    let same = service.rename(&name("k"), &name("k"), true).await.unwrap();
    assert_eq!(same.used_by, ["environment of prod"]);
}

#[tokio::test]
async fn a_name_that_is_taken_or_unknown_is_refused() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let kept = [made(&service, "a").await, made(&service, "b").await];
    let taken = service.rename(&name("a"), &name("b"), true).await.unwrap_err();
    assert!(matches!(&taken, KeyError::Taken { name: taken } if taken.as_str() == "b"), "{taken}");
    for error in [
        service.rename(&name("c"), &name("d"), false).await.map(drop).unwrap_err(),
        service.delete(&name("c")).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("`a`, `b`"), "{error}");
    }
    assert_eq!(service.list().await.unwrap(), kept);
}

#[tokio::test]
async fn a_renamed_key_still_opens_and_keeps_its_date_and_last_use() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let before = service.generate(&name("a"), KeyKind::Ed25519, protected("a passphrase", true)).await.unwrap();
    let after = service.rename(&name("a"), &name("b"), false).await.unwrap();
    assert_eq!((after.created, &after.pair.fingerprint), (before.created, &before.pair.fingerprint));
    assert!(after.pair.public_key.ends_with(" b"), "{}", after.pair.public_key);
    assert_eq!(service.resolve(&name("b")).await.unwrap().fingerprint, before.pair.fingerprint);
}
