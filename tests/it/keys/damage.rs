//! A store that was altered, damaged, or cannot be.

use super::*;

#[tokio::test]
async fn an_altered_or_moved_record_is_detected() {
    let alterations = [
        "UPDATE key_material SET sealed_private = (SELECT sealed_private FROM key_material m WHERE m.id <> key_material.id)",
        "UPDATE key_material SET wrapped_data_key = (SELECT wrapped_data_key FROM key_material m WHERE m.id <> key_material.id)",
        "UPDATE key_material SET wrapped_data_key = (SELECT wrapped_data_key FROM key_material m WHERE m.id <> key_material.id),
                                 sealed_private = (SELECT sealed_private FROM key_material m WHERE m.id <> key_material.id)",
        "UPDATE key_material SET sealed_private = wrapped_data_key",
        "UPDATE key_material SET id = 'x' || id",
        "UPDATE key_material SET sealed_private = substr(sealed_private, 1, length(sealed_private) - 1)",
        "UPDATE key_material SET sealed_private = x''",
        "UPDATE key_material SET fingerprint = 'SHA256:other'",
        "UPDATE key_material SET envelope = 2",
    ];
    for alteration in alterations {
        let data = TempDir::new().unwrap();
        let service = open(data.path()).await;
        for key in ["a", "b"] {
            service.generate(&name(key), KeyKind::Ed25519, Protection::None).await.unwrap();
        }
        let pool = raw(data.path()).await;
        assert_eq!(execute(&pool, alteration).await, Ok(2));
        let failure = service.resolve(&name("a")).await.map(drop).expect_err(alteration);
        assert_eq!(failure.class, FailureClass::Key, "{alteration}");
        assert!(failure.message.contains("the record of the key `a` cannot be opened"), "{failure}");
        assert!(!failure.remedy.is_empty(), "{failure}");
    }
}

#[test]
fn a_private_key_cannot_pass_for_a_passphrase() {
    let key = appferry::keys::envelope::DataKey::generate().unwrap();
    let sealed = key.seal("record", Field::PrivateKey, b"secret").unwrap();
    assert!(key.open(1, "record", Field::Passphrase, &sealed).is_err());
}

#[tokio::test]
async fn a_damaged_store_is_a_clear_error() {
    let data = TempDir::new().unwrap();
    fs::write(data.path().join(STORE), "this is no database, however long you look at it".repeat(100)).unwrap();
    let failure = Failure::from(refusal(data.path(), &embedded()).await);
    assert_eq!(failure.class, FailureClass::Disk);
    assert!(failure.message.contains("damaged") && failure.remedy.contains("backup"), "{failure}");
    assert!(!data.path().join(MASTER_KEY).exists(), "no master key is made over it");
}

#[tokio::test]
async fn damage_anywhere_in_the_store_is_an_error_and_never_a_panic() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    service.close().await;
    let whole = fs::read(data.path().join(STORE)).unwrap();
    let mut failed = 0;
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        let copy = TempDir::new().unwrap();
        fs::write(copy.path().join(STORE), damaged).unwrap();
        fs::copy(data.path().join(MASTER_KEY), copy.path().join(MASTER_KEY)).unwrap();
        let outcome = match open_with(copy.path(), &embedded()).await {
            Ok((service, _)) => service.resolve(&name("key")).await.map(drop),
            Err(error) => Err(error.into()),
        };
        if let Err(failure) = outcome {
            assert_ne!(failure.class, FailureClass::Internal, "page {page}: {failure}");
            failed += 1;
        }
    }
    assert!(failed > 3, "{failed}");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_left_alone() {
    let data = TempDir::new().unwrap();
    open(data.path()).await.close().await;
    let pool = raw(data.path()).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'future', TRUE, x'00', 0)";
    execute(&pool, newer).await.unwrap();
    let error = refusal(data.path(), &embedded()).await.to_string();
    assert!(error.contains("newer appferry") && error.contains("9999"), "{error}");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_is_a_clear_error() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for place in [file.clone(), file.join("below"), PathBuf::from("/proc/appferry")] {
        let failure = Failure::from(refusal(&place, &embedded()).await);
        assert_eq!(failure.class, FailureClass::Disk, "{failure}");
        assert!(failure.message.contains(place.to_str().unwrap()) && !failure.remedy.is_empty(), "{failure}");
    }
}
