//! The master keys: made once, given, lost, wrong.

use super::*;

#[tokio::test]
async fn the_first_start_makes_private_files_and_says_to_back_up_the_master_key() {
    let root = TempDir::new().unwrap();
    let data = root.path().join("made/by/us");
    let (service, notices) = open_with(&data, &embedded()).await.unwrap();
    assert!(
        matches!(notices.as_slice(), [one] if one.contains("back it up") && one.contains(MASTER_KEY)),
        "{notices:?}"
    );
    service.generate(&name("a"), KeyKind::Ed25519, Protection::None).await.unwrap();
    assert_eq!(mode(&data), 0o700);
    for file in contents(&data).keys() {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    service.close().await;
    let (_, notices) = open_with(&data, &embedded()).await.unwrap();
    assert_eq!(notices, [""; 0], "the second start has nothing to say");
}

#[tokio::test]
async fn a_lost_master_key_refuses_and_nothing_is_made_in_its_place() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    service.close().await;
    let (kept, path) = (data.path().join("kept"), data.path().join(MASTER_KEY));
    fs::rename(&path, &kept).unwrap();

    let error = refusal(data.path(), &embedded()).await;
    let KeyError::Master(MasterKeyError::Lost { needed, .. }) = &error else { panic!("{error}") };
    assert!(needed.len() == 1 && error.to_string().contains(&needed[0]), "{error}");
    assert!(error.to_string().contains("put") && !path.exists(), "{error}");

    fs::rename(&kept, &path).unwrap();
    open(data.path()).await.resolve(&name("key")).await.unwrap();
}

#[tokio::test]
async fn a_wrong_master_key_refuses_with_the_ids() {
    let (data, secrets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = open(data.path()).await;
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    service.close().await;
    let wrong = secrets.path().join("wrong");
    fs::write(&wrong, [9; 32]).unwrap();

    let error = refusal(data.path(), &files(&[&wrong])).await;
    let KeyError::Master(MasterKeyError::Missing { needed, have, remedy }) = &error else { panic!("{error}") };
    assert!(needed.len() == 1 && have.len() == 1 && needed != have);
    assert!([&needed[0], &have[0]].iter().all(|id| error.to_string().contains(id.as_str())), "{error}");
    assert!(remedy.contains(MASTER_KEY), "the right one is lying there: {remedy}");

    fs::write(data.path().join(MASTER_KEY), "00".repeat(32)).unwrap();
    let error = refusal(data.path(), &embedded()).await.to_string();
    assert!(error.contains(&needed[0]) && error.contains("backup"), "{error}");
}

#[tokio::test]
async fn the_first_master_key_encrypts_and_the_others_still_decrypt() {
    let (data, secrets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = open(data.path()).await;
    service.generate(&name("old"), KeyKind::Ed25519, Protection::None).await.unwrap();
    service.close().await;
    let (new, old) = (secrets.path().join("new"), data.path().join(MASTER_KEY));
    fs::write(&new, BASE64_STANDARD.encode([5; 32]) + "\n").unwrap();

    let (service, notices) = open_with(data.path(), &files(&[&new, &old])).await.unwrap();
    assert_eq!(notices, [""; 0]);
    service.generate(&name("new"), KeyKind::Ed25519, Protection::None).await.unwrap();
    for key in ["old", "new"] {
        service.resolve(&name(key)).await.unwrap();
    }
    service.close().await;
    for alone in [files(&[&new]), files(&[&old]), embedded()] {
        let error = refusal(data.path(), &alone).await;
        assert!(matches!(error, KeyError::Master(MasterKeyError::Missing { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_key_under_a_master_key_that_came_later_is_refused_by_name() {
    let (data, secrets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let worker = open(data.path()).await;
    worker.generate(&name("old"), KeyKind::Ed25519, Protection::None).await.unwrap();
    let (new, old) = (secrets.path().join("new"), data.path().join(MASTER_KEY));
    fs::write(&new, [5; 32]).unwrap();
    let (cli, _) = open_with(data.path(), &files(&[&new, &old])).await.unwrap();
    cli.generate(&name("new"), KeyKind::Ed25519, Protection::None).await.unwrap();

    let failure = worker.resolve(&name("new")).await.map(drop).unwrap_err();
    assert_eq!(failure.class, FailureClass::Key);
    assert!(failure.message.contains("is sealed with the master key"), "{failure}");
    worker.resolve(&name("old")).await.unwrap();
}

#[tokio::test]
async fn a_store_without_keys_takes_another_master_key() {
    let (data, secrets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    open(data.path()).await.close().await;
    let credential = secrets.path().join("credential");
    fs::write(&credential, [5; 32]).unwrap();
    let sources = MasterKeySources { credential: Some(credential), ..embedded() };
    let (service, _) = open_with(data.path(), &sources).await.unwrap();
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    service.close().await;
    let (service, _) = open_with(data.path(), &sources).await.unwrap();
    service.resolve(&name("key")).await.unwrap();
}

#[tokio::test]
async fn a_start_that_forgot_to_name_the_master_key_changes_nothing_even_without_keys() {
    let (data, secrets) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let given = secrets.path().join("given");
    fs::write(&given, [5; 32]).unwrap();
    open_with(data.path(), &files(&[&given])).await.unwrap().0.close().await;

    let error = refusal(data.path(), &embedded()).await;
    assert!(matches!(error, KeyError::Master(MasterKeyError::Lost { .. })), "{error}");
    assert!(error.to_string().contains("APPFERRY_MASTER_KEY_FILE"), "{error}");
    assert!(!data.path().join(MASTER_KEY).exists());
    open_with(data.path(), &files(&[&given])).await.unwrap();
}

#[tokio::test]
async fn a_master_key_in_a_variable_works_and_warns() {
    let data = TempDir::new().unwrap();
    let sources = |text: &str| MasterKeySources { variable: Some(SecretString::from(text)), ..embedded() };
    let (service, notices) = open_with(data.path(), &sources(&"ab".repeat(32))).await.unwrap();
    assert!(matches!(notices.as_slice(), [one] if one.contains("APPFERRY_MASTER_KEY_FILE")), "{notices:?}");
    service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    assert!(!data.path().join(MASTER_KEY).exists());
    let error = refusal(data.path(), &sources("hunter2")).await.to_string();
    assert!(error.contains("APPFERRY_MASTER_KEY does not hold") && !error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_master_key_file_that_is_not_there_is_named() {
    let data = TempDir::new().unwrap();
    let error = refusal(data.path(), &files(&[Path::new("/nowhere/key")])).await.to_string();
    assert!(error.contains("/nowhere/key") && error.contains("mounted"), "{error}");
}

#[tokio::test]
async fn an_altered_canary_refuses() {
    let data = TempDir::new().unwrap();
    open(data.path()).await.close().await;
    let pool = raw(data.path()).await;
    execute(&pool, "UPDATE canary SET sealed = zeroblob(length(sealed))").await.unwrap();
    let error = refusal(data.path(), &embedded()).await;
    assert!(matches!(error, KeyError::Master(MasterKeyError::Canary { .. })), "{error}");
}

/// Not a test by itself: what each process of the test below does.
#[tokio::test]
#[ignore = "started by a test, in a process of its own"]
async fn child_makes_a_key_at_its_first_start() {
    let Some(data) = std::env::var_os(CHILD_DATA_DIR) else { return };
    let (service, notices) = open_with(Path::new(&data), &embedded()).await.unwrap();
    let made = service
        .generate(&name(&format!("key-{}", std::process::id())), KeyKind::Ed25519, Protection::None)
        .await
        .unwrap();
    println!("child: {} notices, {}", notices.len(), made.name);
}

#[tokio::test]
async fn processes_that_race_for_the_very_first_start_end_with_one_master_key() {
    const PROCESSES: usize = 6;
    for _ in 0..3 {
        let data = TempDir::new().unwrap();
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| {
                Command::new(std::env::current_exe().unwrap())
                    .args([
                        "--exact",
                        "keys::master_keys::child_makes_a_key_at_its_first_start",
                        "--ignored",
                        "--nocapture",
                    ])
                    .env(CHILD_DATA_DIR, data.path())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut said = 0;
        for child in children {
            let out = child.wait_with_output().unwrap();
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
            said += text.matches("child: 1 notices").count();
        }
        assert_eq!(said, 1, "one process made the master key and said so");
        let service = open(data.path()).await;
        let keys = service.list().await.unwrap();
        assert_eq!(keys.len(), PROCESSES);
        for key in keys {
            service.resolve(&key.name).await.unwrap();
        }
        assert!(!contents(data.path()).keys().any(|file| file.starts_with('.')), "no draft is left behind");
    }
}
