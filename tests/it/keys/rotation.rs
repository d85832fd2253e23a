//! New key pairs under old names.

use appferry::keys::{NewProtection, Replacement};
use appferry::ports::{GitService, Keep};

use super::*;

const PASSPHRASE: &str = "right horse battery";

const fn as_before() -> Replacement {
    Replacement::Generate(None, NewProtection::AsBefore)
}

fn like(protection: Protection) -> Replacement {
    Replacement::Generate(None, NewProtection::Like(protection))
}

#[tokio::test]
async fn the_pair_before_stays_valid_until_a_person_confirms() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let (key, old) = (name("k"), made(&service, "k").await);
    let old_line = derived(&service.resolve(&key).await.unwrap().private_pem);
    let new = service.rotate(&key, as_before()).await.unwrap();
    assert_ne!(new.pair.fingerprint, old.pair.fingerprint);
    assert_eq!((new.pair.generation, new.pair.first_login.as_ref()), (2, None));
    assert_eq!(new.previous.as_ref().unwrap().fingerprint, old.pair.fingerprint);
    assert_eq!(service.public(&key).await.unwrap(), new.pair.public_key);
    assert_eq!(service.show(&key).await.unwrap(), new);

    let resolved = service.resolve(&key).await.unwrap();
    assert_eq!(format!("{} k", derived(&resolved.private_pem)), new.pair.public_key);
    let previous = resolved.previous.as_ref().unwrap();
    assert_eq!((derived(&previous.private_pem), previous.generation), (old_line, 1));
    assert_eq!(resolved.version(), service.version(&key).await.unwrap());

    let again = service.rotate(&key, as_before()).await.unwrap_err();
    assert!(again.to_string().contains("--confirm") && again.to_string().contains("--undo"), "{again}");
    let ended = service.end_rotation(&key, Keep::Current).await.unwrap();
    assert_eq!((ended.pair.fingerprint, ended.previous), (new.pair.fingerprint, None));
    assert!(service.resolve(&key).await.unwrap().previous.is_none());
    let nothing = service.end_rotation(&key, Keep::Current).await.unwrap_err();
    assert!(matches!(&nothing, KeyError::NotRotating { .. }) && nothing.to_string().contains("keys rotate k"));
}

#[tokio::test]
async fn a_rotation_that_is_taken_back_leaves_the_old_pair_alone() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let old = made(&service, "k").await;
    service.rotate(&name("k"), as_before()).await.unwrap();
    let back = service.end_rotation(&name("k"), Keep::Previous).await.unwrap();
    assert_eq!(back, old);
    service.rotate(&name("k"), as_before()).await.unwrap();
}

#[tokio::test]
async fn the_new_pair_is_of_the_kind_of_the_old_one_unless_another_is_named() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    service.generate(&name("rsa"), KeyKind::rsa(Some(2048)).unwrap(), Protection::None).await.unwrap();
    let (ecdsa, _) = made_by_openssh("ecdsa", "");
    service.import(&name("ecdsa"), given(&ecdsa, None, true)).await.unwrap();
    made(&service, "to-rsa").await;
    let to_rsa = Replacement::Generate(Some(KeyKind::rsa(Some(2048)).unwrap()), NewProtection::AsBefore);
    for (key, replacement, kind, bits) in
        [("rsa", as_before(), "rsa", 2048), ("ecdsa", as_before(), "ed25519", 256), ("to-rsa", to_rsa, "rsa", 2048)]
    {
        let rotated = service.rotate(&name(key), replacement).await.unwrap();
        assert_eq!((rotated.pair.kind.as_str(), rotated.pair.bits), (kind, bits), "{key}");
    }
}

#[tokio::test]
async fn the_new_pair_is_protected_as_the_old_one_unless_asked_otherwise() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    for (key, protection) in
        [("none", Protection::None), ("kept", protected(PASSPHRASE, true)), ("closed", protected(PASSPHRASE, false))]
    {
        service.generate(&name(key), KeyKind::Ed25519, protection).await.unwrap();
    }
    let state = |key: KeyRecord| key.pair.passphrase;
    assert_eq!(state(service.rotate(&name("none"), as_before()).await.unwrap()), PassphraseState::None);
    assert_eq!(state(service.rotate(&name("kept"), as_before()).await.unwrap()), PassphraseState::Remembered);
    assert!(service.resolve(&name("kept")).await.unwrap().previous.is_some());
    let unknown = service.rotate(&name("closed"), as_before()).await.unwrap_err();
    assert!(unknown.to_string().contains("--no-passphrase"), "{unknown}");
    assert!(service.show(&name("closed")).await.unwrap().previous.is_none(), "nothing was begun");
    let rotated = service.rotate(&name("closed"), like(Protection::None)).await.unwrap();
    assert_eq!(state(rotated), PassphraseState::None);
    // The passphrase of the pair before is known to nobody here: that does not stop the new one.
    assert!(service.resolve(&name("closed")).await.unwrap().previous.is_none());
}

#[tokio::test]
async fn a_new_pair_that_is_locked_here_does_not_lock_the_instance_out() {
    let data = TempDir::new().unwrap();
    let cli = open(data.path()).await;
    let old = cli.generate(&name("k"), KeyKind::Ed25519, protected(PASSPHRASE, false)).await.unwrap();
    let worker = open(data.path()).await.with_passphrase(name("k"), secret(PASSPHRASE));
    worker.resolve(&name("k")).await.unwrap();
    let new = cli.rotate(&name("k"), like(protected("another passphrase", false))).await.unwrap();

    for _ in 0..2 {
        let resolved = worker.resolve(&name("k")).await.unwrap();
        assert_eq!((&resolved.fingerprint, resolved.generation), (&old.pair.fingerprint, 1));
        assert_eq!(worker.version(&name("k")).await.unwrap(), resolved.version(), "no new login at every poll");
    }
    let rows = audit_rows(&cli).await;
    assert_eq!(rows.iter().filter(|row| row.starts_with("ssh_key_unlock_failed")).count(), 1, "{rows:?}");

    let (before, after) = (secret("another passphrase"), protected("another passphrase", true));
    cli.change_passphrase(&name("k"), Some(before), after).await.unwrap();
    assert_eq!(worker.version(&name("k")).await.unwrap().fingerprint, new.pair.fingerprint);
    let resolved = worker.resolve(&name("k")).await.unwrap();
    assert_eq!(resolved.fingerprint, new.pair.fingerprint);
    assert_eq!(resolved.previous.unwrap().fingerprint, old.pair.fingerprint);
}

#[tokio::test]
async fn a_key_that_somebody_brings_can_be_rotated_to_but_not_the_same_one() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let (first, _) = made_by_openssh("ed25519", "");
    service.import(&name("k"), given(&first, None, true)).await.unwrap();
    let bring = |content: &[u8], passphrase| Replacement::Import(given(content, passphrase, true));
    let same = service.rotate(&name("k"), bring(&first, None)).await.unwrap_err();
    assert!(matches!(same, KeyError::SameKey { .. }), "{same}");
    let (second, fingerprint) = made_by_openssh("ed25519", PASSPHRASE);
    let missing = service.rotate(&name("k"), bring(&second, None)).await.unwrap_err();
    assert!(matches!(missing, KeyError::Import(_)), "{missing}");
    let rotated = service.rotate(&name("k"), bring(&second, Some(PASSPHRASE))).await.unwrap();
    assert_eq!((rotated.pair.fingerprint, rotated.pair.passphrase), (fingerprint, PassphraseState::Remembered));
    let unknown = service.rotate(&name("nobody"), as_before()).await.unwrap_err();
    assert!(matches!(unknown, KeyError::Unknown(_)), "{unknown}");
}

#[tokio::test]
async fn a_rotation_ends_when_reading_and_writing_worked_for_everybody() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    made(&service, "k").await;
    let (dev, prod) = (service.clone().on_behalf_of("dev"), open(data.path()).await.on_behalf_of("prod"));
    for (user, service) in [("dev", &dev), ("prod", &prod)] {
        service.mark_used_by(user, &[name("k")]).await.unwrap();
    }
    let new = service.rotate(&name("k"), as_before()).await.unwrap();
    let version = dev.version(&name("k")).await.unwrap();
    for (user, answer) in [(&dev, GitService::Read), (&dev, GitService::Write), (&dev, GitService::Write)] {
        user.record_answer(&name("k"), &version, answer).await;
    }
    prod.record_answer(&name("k"), &version, GitService::Read).await;
    assert!(service.show(&name("k")).await.unwrap().previous.is_some(), "prod has not written yet");
    prod.record_answer(&name("k"), &version, GitService::Write).await;
    let ended = service.show(&name("k")).await.unwrap();
    assert_eq!((ended.pair.fingerprint, ended.previous), (new.pair.fingerprint, None));
    let rows = audit_rows(&service).await;
    assert!(rows.last().unwrap().contains("rotation ended"), "{rows:?}");
}
