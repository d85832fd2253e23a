//! Keys that are brought in or protected with a passphrase, and how they open.

use super::*;
use crate::support::search::holds;

const RIGHT: &str = "right horse battery";
const WRONG: &str = "wrong horse battery";

#[tokio::test]
async fn an_imported_key_is_the_one_that_openssh_made() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    for kind in ["ed25519", "ecdsa"] {
        let (content, fingerprint) = made_by_openssh(kind, "");
        let key = service.import(&name(kind), given(&content, None, true)).await.unwrap();
        assert_eq!((key.pair.fingerprint.as_str(), key.pair.kind.as_str()), (fingerprint.as_str(), kind));
        assert_eq!(key.pair.passphrase, PassphraseState::None);
        let resolved = service.resolve(&name(kind)).await.unwrap();
        assert_eq!(format!("{} {kind}", derived(&resolved.private_pem)), key.pair.public_key);
        let taken = service.import(&name(kind), given(&content, None, true)).await.unwrap_err();
        assert!(matches!(taken, KeyError::Taken { .. }), "{taken}");
    }
    let rows = audit_rows(&service).await;
    assert!(rows[0].starts_with("ssh_key_added imported: ed25519 256 SHA256:"), "{rows:?}");
}

#[tokio::test]
async fn an_encrypted_file_opens_by_the_passphrase_that_is_remembered() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let (content, fingerprint) = made_by_openssh("ed25519", RIGHT);
    let key = service.import(&name("k"), given(&content, Some(RIGHT), true)).await.unwrap();
    assert_eq!((key.pair.fingerprint, key.pair.passphrase), (fingerprint, PassphraseState::Remembered));
    derived(&service.resolve(&name("k")).await.unwrap().private_pem);
    // A passphrase from outside that is wrong does not lock out the one that is remembered.
    let service = service.with_passphrase(name("k"), secret(WRONG));
    derived(&service.resolve(&name("k")).await.unwrap().private_pem);
    assert_eq!(audit_rows(&service).await.len(), 1);
}

#[tokio::test]
async fn what_is_not_remembered_must_be_given_and_is_missed_once_in_the_log() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let (content, _) = made_by_openssh("ed25519", RIGHT);
    let key = service.import(&name("k"), given(&content, Some(RIGHT), false)).await.unwrap();
    assert_eq!(key.pair.passphrase, PassphraseState::NotRemembered);
    for _ in 0..3 {
        let failure = service.resolve(&name("k")).await.map(drop).unwrap_err();
        assert_eq!(failure.class, FailureClass::Key);
        assert!(failure.message.contains("`k` is locked") && failure.remedy.contains("_PASSPHRASE_FILE"), "{failure}");
        assert!(failure.remedy.contains("--old-passphrase-file FILE"), "{failure}");
    }
    let wrong = open(data.path()).await.with_passphrase(name("k"), secret(WRONG));
    for _ in 0..2 {
        let failure = wrong.resolve(&name("k")).await.map(drop).unwrap_err();
        assert!(failure.message.contains("the passphrase that was given does not open it"), "{failure}");
        assert!(!failure.to_string().contains(WRONG), "{failure}");
    }
    let right = open(data.path()).await.with_passphrase(name("k"), secret(RIGHT));
    derived(&right.resolve(&name("k")).await.unwrap().private_pem);
    let rows = audit_rows(&service).await;
    let failed = rows.iter().filter(|row| row.starts_with("ssh_key_unlock_failed ")).count();
    assert_eq!((failed, rows.len()), (2, 3), "one row a process: {rows:?}");
}

#[tokio::test]
async fn a_file_without_a_passphrase_is_kept_with_the_one_that_is_given() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let (content, _) = made_by_openssh("ed25519", "");
    let short = service.import(&name("k"), given(&content, Some("four"), true)).await.unwrap_err();
    assert!(short.to_string().contains("5 characters"), "{short}");
    service.import(&name("k"), given(&content, Some(RIGHT), false)).await.unwrap();
    assert!(service.resolve(&name("k")).await.is_err());
    let (content, _) = made_by_openssh("ed25519", RIGHT);
    let missing = service.import(&name("other"), given(&content, None, true)).await.unwrap_err();
    assert!(matches!(missing, KeyError::Import(_)), "{missing}");
    assert_eq!(service.list().await.unwrap().len(), 1, "nothing half imported");
}

#[tokio::test]
async fn a_generated_key_is_protected_as_asked() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let key = service.generate(&name("k"), KeyKind::Ed25519, protected(RIGHT, true)).await.unwrap();
    let resolved = service.resolve(&name("k")).await.unwrap();
    assert_eq!(format!("{} k", derived(&resolved.private_pem)), key.pair.public_key);
    service.generate(&name("closed"), KeyKind::Ed25519, protected(RIGHT, false)).await.unwrap();
    assert!(service.resolve(&name("closed")).await.is_err());
}

#[tokio::test]
async fn a_passphrase_is_changed_forgotten_remembered_and_taken_off() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let key = name("k");
    let before = made(&service, "k").await;
    let line = derived(&service.resolve(&key).await.unwrap().private_pem);
    let steps = [
        (None, protected(RIGHT, true), PassphraseState::Remembered),
        (None, protected("another one", false), PassphraseState::NotRemembered),
        (Some("another one"), protected("another one", true), PassphraseState::Remembered),
        (None, Protection::None, PassphraseState::None),
        (Some("needless"), protected(RIGHT, false), PassphraseState::NotRemembered),
        (Some(RIGHT), Protection::None, PassphraseState::None),
    ];
    for (old, protection, expected) in steps {
        let changed = service.change_passphrase(&key, old.map(secret), protection).await.unwrap();
        assert_eq!(changed.pair.passphrase, expected);
        assert_eq!((&changed.pair.fingerprint, changed.pair.generation), (&before.pair.fingerprint, 1));
    }
    assert_eq!(derived(&service.resolve(&key).await.unwrap().private_pem), line);
    assert_eq!(audit_rows(&service).await.len(), 7);
    let absent = service.change_passphrase(&name("nobody"), None, Protection::None).await.unwrap_err();
    assert!(matches!(absent, KeyError::Unknown(_)), "{absent}");
}

#[tokio::test]
async fn a_wrong_passphrase_of_now_changes_nothing() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("open"), KeyKind::Ed25519, protected(RIGHT, true)).await.unwrap();
    service.generate(&name("closed"), KeyKind::Ed25519, protected(RIGHT, false)).await.unwrap();
    for key in ["open", "closed"] {
        let wrong = service.change_passphrase(&name(key), Some(secret(WRONG)), Protection::None).await.unwrap_err();
        assert!(matches!(wrong, KeyError::WrongPassphrase { .. }), "{key}: {wrong}");
        assert!(wrong.to_string().contains("--old-passphrase-file"), "{wrong}");
    }
    let locked = service.change_passphrase(&name("closed"), None, Protection::None).await.unwrap_err();
    assert!(matches!(locked, KeyError::Locked { .. }) && locked.to_string().contains("--old-passphrase-file"));
    let knowing = service.clone().with_passphrase(name("closed"), secret(RIGHT));
    knowing.change_passphrase(&name("closed"), None, protected("another one", true)).await.unwrap();
    service.resolve(&name("closed")).await.unwrap();
    service.resolve(&name("open")).await.unwrap();
}

#[tokio::test]
async fn no_file_holds_a_passphrase_in_any_form() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("a"), KeyKind::Ed25519, protected(RIGHT, true)).await.unwrap();
    service.generate(&name("b"), KeyKind::Ed25519, protected(RIGHT, false)).await.unwrap();
    service.change_passphrase(&name("a"), None, protected(WRONG, true)).await.unwrap();
    let locked = service.change_passphrase(&name("b"), Some(secret(WRONG)), Protection::None).await.unwrap_err();
    assert!(!format!("{locked:?} {locked}").contains(WRONG));
    let check = |when: &str| {
        for (file, content) in contents(data.path()) {
            for text in [RIGHT, WRONG] {
                let hex = text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
                let base64 = BASE64_STANDARD.encode(text);
                let base64 = &base64[..base64.trim_end_matches('=').len() - 1];
                for form in [text, &hex, base64] {
                    assert!(!holds(&content, form.as_bytes()), "{file} holds a passphrase, {when}");
                }
            }
        }
    };
    check("with the write-ahead log");
    service.close().await;
    check("after the log was written back");
}
