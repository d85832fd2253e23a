//! All keys in one file, and back: the content of the backup.

use age::x25519::Identity;
use appferry::keys::backup::{BackupError, Lock, Made, Opener, Restored, RestoredHost};
use appferry::keys::{NewProtection, Replacement};
use appferry::ports::TrustedHostKey;

use super::*;

const PASSPHRASE: &str = "right horse battery";

fn recipients(identity: &Identity) -> Lock {
    Lock::Recipients(vec![identity.to_public().to_string()])
}

fn identity_file(identity: &Identity) -> Opener {
    let text = format!("# created: today\n{}\n", identity.to_string().expose_secret());
    Opener::Identities(secret(&text))
}

fn host_key() -> TrustedHostKey {
    TrustedHostKey {
        host: "git.example.org".into(),
        kind: "ssh-ed25519".into(),
        key: "AAAAC3NzaC1lZDI1NTE5AAAAIIH4fL3QRwroNSWGOgmihuD6iIJqa8YaBjBVuyHUAj9F".into(),
        fingerprint: "SHA256:WGiAgVaibA6BxElzDSHcLE1enyW4WydfpjRRIIAEtsk".into(),
        trusted_ms: 1_000,
        trusted_by: "jo".into(),
    }
}

/// Another key of the same host.
fn ecdsa_host_key() -> TrustedHostKey {
    TrustedHostKey {
        kind: "ecdsa-sha2-nistp256".into(),
        key: "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBBB0s3DJt+LpiuWTtvVeUlWTdVCU9kmcy0ekQ/izP0U4v5dM4AVo1Do3YJLlNQE8ORRwMf0IgxsDHv3oV/uCqWk=".into(),
        fingerprint: "SHA256:lsUNiA+jyhoA8rRW0PE4xsSnfo8nmsc30NWB5XZvIMY".into(),
        ..host_key()
    }
}

async fn rotate(service: &KeyService, key: &str) -> KeyRecord {
    let replacement = Replacement::Generate(None, NewProtection::AsBefore);
    service.rotate(&name(key), replacement).await.unwrap()
}

/// A store with a plain key, one with a remembered passphrase, a locked one, and one in rotation.
async fn full(data: &Path) -> KeyService {
    let service = open(data).await;
    made(&service, "plain").await;
    for (key, remember) in [("kept", true), ("closed", false)] {
        service.generate(&name(key), KeyKind::Ed25519, protected(PASSPHRASE, remember)).await.unwrap();
    }
    made(&service, "turning").await;
    rotate(&service, "turning").await;
    service.host_trust().trust(&host_key(), false).await.unwrap();
    service
}

async fn same_keys(one: &KeyService, other: &KeyService) {
    let shown = |key: KeyRecord| {
        let previous = key.previous.map(|pair| (pair.fingerprint, pair.passphrase));
        (key.name, key.created, key.pair.fingerprint, key.pair.passphrase, previous)
    };
    let list = |keys: Vec<KeyRecord>| keys.into_iter().map(shown).collect::<Vec<_>>();
    assert_eq!(list(one.list().await.unwrap()), list(other.list().await.unwrap()));
    for key in ["plain", "kept", "turning"] {
        let (one, other) = (one.resolve(&name(key)).await.unwrap(), other.resolve(&name(key)).await.unwrap());
        assert_eq!(one.private_pem.expose_secret(), other.private_pem.expose_secret(), "{key}");
        assert_eq!(one.version(), other.version(), "{key}");
    }
    let closed = other.clone().with_passphrase(name("closed"), secret(PASSPHRASE));
    closed.resolve(&name("closed")).await.unwrap();
    assert_eq!(other.host_trust().trusted(None).await.unwrap(), [host_key()]);
}

#[tokio::test]
async fn it_comes_back_whole_under_another_master_key() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (service, identity) = (full(data.path()).await, Identity::generate());
    let Made { file, keys, left_out } = service.backup(recipients(&identity)).await.unwrap();
    assert!(keys == 4 && left_out.is_empty(), "{left_out:?}");
    service.note_backup(keys, 0).await.unwrap();
    let rows = audit_rows(&service).await;
    assert!(rows.last().unwrap().starts_with("ssh_keys_backed_up 4 keys"), "{rows:?}");

    let other = open(elsewhere.path()).await;
    let report = other.restore(file.clone(), identity_file(&identity)).await.unwrap();
    assert!(report.keys.len() == 4 && report.keys.values().all(|restored| *restored == Restored::Added), "{report:?}");
    same_keys(&service, &other).await;
    let again = other.restore(file, identity_file(&identity)).await.unwrap();
    assert!(again.keys.values().all(|restored| *restored == Restored::AlreadyThere), "{again:?}");
    same_keys(&service, &other).await;
    assert!(audit_rows(&other).await.iter().any(|row| row.starts_with("ssh_key_added restored: ed25519")));
}

#[tokio::test]
async fn a_passphrase_opens_it_and_another_does_not() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (service, other) = (full(data.path()).await, open(elsewhere.path()).await);
    let file = service.backup(Lock::Passphrase(secret("backup passphrase"))).await.unwrap().file;
    let identity = Identity::generate();
    for (opener, expected) in [
        (Opener::Passphrase(secret("wrong")), "not the right one"),
        (identity_file(&identity), "made with a passphrase; give that"),
    ] {
        let error = other.restore(file.clone(), opener).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    other.restore(file, Opener::Passphrase(secret("backup passphrase"))).await.unwrap();
    same_keys(&service, &other).await;
}

#[tokio::test]
async fn what_does_not_open_or_is_damaged_is_named_and_changes_nothing() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (service, other) = (full(data.path()).await, open(elsewhere.path()).await);
    let identity = Identity::generate();
    let file = service.backup(recipients(&identity)).await.unwrap().file;
    let mut altered = file.clone();
    *altered.last_mut().unwrap() ^= 1;
    let cut = file[..file.len() - 20].to_vec();
    let ecdsa = TrustedHostKey { fingerprint: ecdsa_host_key().fingerprint, ..host_key() };
    let (right, stranger) = (|| identity_file(&identity), Identity::generate());
    for (file, opener, expected) in [
        (file.clone(), identity_file(&stranger), "not the right one"),
        (file.clone(), Opener::Passphrase(secret("x")), "made for recipients; give an identity file"),
        (file.clone(), Opener::Identities(secret("# nothing\n")), "holds no age identity"),
        (altered, right(), "altered or cut off"),
        (cut, right(), "altered or cut off"),
        (b"-----BEGIN".to_vec(), right(), "not a file encrypted with age"),
        (Vec::new(), right(), "not a file encrypted with age"),
        (encrypted(&identity, b"{}"), right(), "something else"),
        (encrypted(&identity, &forged(&service).await), right(), "a key in it is no key"),
        (encrypted(&identity, &forged_host("ssh-ed25519", &ecdsa)), right(), "a host key in it"),
        (encrypted(&identity, &forged_host("ssh-rsa", &host_key())), right(), "a host key in it"),
    ] {
        let error = other.restore(file, opener).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    assert!(other.list().await.unwrap().is_empty());
    assert!(other.host_trust().trusted(None).await.unwrap().is_empty());
}

/// A file that any program could have made for that identity.
fn encrypted(identity: &Identity, content: &[u8]) -> Vec<u8> {
    age::encrypt(&identity.to_public(), content).unwrap()
}

/// A good key, and another with no key as the pair before.
async fn forged(service: &KeyService) -> Vec<u8> {
    let pem = service.resolve(&name("plain")).await.unwrap().private_pem;
    let pair = |text: &str| format!(r#"{{"private_key":"{}","passphrase":null}}"#, BASE64_STANDARD.encode(text));
    let good = pair(pem.expose_secret());
    let key = |name: &str, previous: &str| {
        format!(r#"{{"name":"{name}","created_ms":1,"current":{good},"previous":{previous}}}"#)
    };
    let keys = format!("{},{}", key("a", "null"), key("b", &pair("no key")));
    format!(r#"{{"format":"appferry keys, version 1","keys":[{keys}],"hosts":[]}}"#).into_bytes()
}

/// A host key under another type or fingerprint than its own.
fn forged_host(kind: &str, key: &TrustedHostKey) -> Vec<u8> {
    let TrustedHostKey { host, key, fingerprint, .. } = key;
    let host = format!(
        r#"{{"host":"{host}","kind":"{kind}","key":"{key}","fingerprint":"{fingerprint}","trusted_ms":1,"trusted_by":"jo"}}"#
    );
    format!(r#"{{"format":"appferry keys, version 1","keys":[],"hosts":[{host}]}}"#).into_bytes()
}

#[tokio::test]
async fn host_keys_are_trusted_again_only_for_hosts_of_which_nothing_is_known() {
    let data = TempDir::new().unwrap();
    let (service, identity) = (open(data.path()).await, Identity::generate());
    let trust = service.host_trust();
    for key in [host_key(), ecdsa_host_key()] {
        trust.trust(&key, false).await.unwrap();
    }
    let file = service.backup(recipients(&identity)).await.unwrap().file;
    let outcomes = async |service: &KeyService| {
        let report = service.restore(file.clone(), identity_file(&identity)).await.unwrap();
        report.hosts.iter().map(|host| (host.kind.clone(), host.restored)).collect::<BTreeMap<_, _>>()
    };
    let both = |ecdsa, ed25519| {
        BTreeMap::from([("ecdsa-sha2-nistp256".to_owned(), ecdsa), ("ssh-ed25519".to_owned(), ed25519)])
    };
    let elsewhere = TempDir::new().unwrap();
    let other = open(elsewhere.path()).await;
    assert_eq!(outcomes(&other).await, both(RestoredHost::Added, RestoredHost::Added));
    assert_eq!(outcomes(&other).await, both(RestoredHost::AlreadyThere, RestoredHost::AlreadyThere));
    assert_eq!(other.host_trust().trusted(None).await.unwrap(), [ecdsa_host_key(), host_key()]);

    trust.forget("git.example.org", Some(&host_key().fingerprint)).await.unwrap();
    assert_eq!(outcomes(&service).await, both(RestoredHost::AlreadyThere, RestoredHost::OthersTrusted));
    assert_eq!(trust.trusted(None).await.unwrap(), [ecdsa_host_key()]);
    trust.forget("git.example.org", None).await.unwrap();
    assert_eq!(outcomes(&service).await, both(RestoredHost::Forgotten, RestoredHost::Forgotten));
    assert!(trust.trusted(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_recipient_must_be_one() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let error = service.backup(Lock::Recipients(vec!["ssh-ed25519 AAAA".into()])).await.err().unwrap();
    assert!(matches!(&error, BackupError::Recipient(_)) && error.to_string().contains("age1"), "{error}");
    assert!(matches!(service.backup(Lock::Recipients(Vec::new())).await, Err(BackupError::Nobody)));
}

#[tokio::test]
async fn a_name_that_another_key_has_stays_with_it() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (service, other) = (full(data.path()).await, open(elsewhere.path()).await);
    let identity = Identity::generate();
    let file = service.backup(recipients(&identity)).await.unwrap().file;
    let stranger = made(&other, "kept").await;
    let report = other.restore(file, identity_file(&identity)).await.unwrap();
    assert_eq!((report.keys[&name("kept")], report.keys[&name("plain")]), (Restored::NameTaken, Restored::Added));
    assert_eq!(other.show(&name("kept")).await.unwrap(), stranger);
}

#[tokio::test]
async fn a_rotation_that_was_put_back_by_half_is_made_whole_by_the_next_run() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (service, identity) = (open(data.path()).await, Identity::generate());
    made(&service, "k").await;
    let half = service.backup(recipients(&identity)).await.unwrap().file;
    rotate(&service, "k").await;
    let whole = service.backup(recipients(&identity)).await.unwrap().file;
    let other = open(elsewhere.path()).await;
    other.restore(half.clone(), identity_file(&identity)).await.unwrap();
    let report = other.restore(whole, identity_file(&identity)).await.unwrap();
    assert_eq!(report.keys[&name("k")], Restored::Added);
    let (one, two) = (service.version(&name("k")).await.unwrap(), other.version(&name("k")).await.unwrap());
    assert_eq!(one, two);
    // The pair before is there, too: nothing is missing.
    let report = other.restore(half, identity_file(&identity)).await.unwrap();
    assert_eq!(report.keys[&name("k")], Restored::AlreadyThere);
}

#[tokio::test]
async fn a_damaged_host_key_stays_out_and_does_not_spoil_the_rest() {
    let (data, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = open(data.path()).await;
    made(&service, "key").await;
    let damaged = TrustedHostKey { host: "damaged".into(), key: "AAAA".into(), ..host_key() };
    for host in [host_key(), damaged] {
        service.host_trust().trust(&host, false).await.unwrap();
    }
    let identity = Identity::generate();
    let file = service.backup(recipients(&identity)).await.unwrap().file;
    let second = open(other.path()).await;
    second.restore(file, identity_file(&identity)).await.unwrap();
    assert_eq!(second.list().await.unwrap().len(), 1);
    assert_eq!(second.host_trust().trusted(None).await.unwrap(), [host_key()]);
}
