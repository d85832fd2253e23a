//! Names that are in several places, and keys that appferry only reads.

use std::sync::{Arc, Mutex};

use appferry::key_sources::{KeySources, SecretsFolder};
use appferry::keys::{NewProtection, Replacement};
use appferry::ports::{KeySource, SourceKey};
use async_trait::async_trait;

use super::*;

const PASSPHRASE: &str = "right horse battery";

/// A Vault that answers from memory.
#[derive(Default)]
struct Fake(Mutex<BTreeMap<KeyName, String>>);

#[async_trait]
impl KeySource for Fake {
    fn word(&self) -> &'static str {
        "vault"
    }

    async fn find(&self, name: &KeyName) -> Result<Option<SourceKey>, Failure> {
        let found = self.0.lock().unwrap().get(name).cloned();
        let key =
            |text: String| SourceKey { private: text.into(), passphrase: None, place: "vault".into(), notice: None };
        Ok(found.map(key))
    }

    async fn names(&self) -> Result<Vec<KeyName>, Failure> {
        Ok(self.0.lock().unwrap().keys().cloned().collect())
    }
}

/// A store, a folder of secrets and a vault.
struct Places {
    data: TempDir,
    folder: TempDir,
    vault: Arc<Fake>,
}

impl Places {
    fn new() -> Self {
        Self { data: TempDir::new().unwrap(), folder: TempDir::new().unwrap(), vault: Arc::default() }
    }

    async fn service(&self) -> KeyService {
        let folder: Arc<dyn KeySource> = Arc::new(SecretsFolder::new(self.folder.path().to_owned()));
        let vault: Arc<dyn KeySource> = self.vault.clone();
        open(self.data.path()).await.with_sources(KeySources { folder: Some(folder), vault: Some(vault) })
    }

    fn put(&self, file: &str, content: &[u8]) {
        let draft = self.folder.path().join(".draft");
        fs::write(&draft, content).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o400)).unwrap();
        fs::rename(draft, self.folder.path().join(file)).unwrap();
    }

    fn put_into_vault(&self, key: &str, content: &[u8]) {
        self.vault.0.lock().unwrap().insert(name(key), String::from_utf8(content.to_vec()).unwrap());
    }
}

#[tokio::test]
async fn the_folder_counts_before_the_store_and_the_store_before_the_vault() {
    let places = Places::new();
    let service = places.service().await;
    let ((in_folder, folder_print), (in_vault, vault_print)) =
        (made_by_openssh("ed25519", ""), made_by_openssh("ecdsa", ""));
    let found = async |expected: (&str, &str)| {
        let resolved = service.resolve(&name("k")).await.unwrap();
        assert_eq!((resolved.source, resolved.fingerprint.as_str()), expected);
        let shown = service.show(&name("k")).await.unwrap();
        assert_eq!((shown.source, shown.pair.fingerprint.as_str()), expected);
        assert_eq!(service.version(&name("k")).await.unwrap(), resolved.version());
        assert_eq!(service.public(&name("k")).await.unwrap(), resolved.public_line);
        assert_eq!(format!("{} k", derived(&resolved.private_pem)), resolved.public_line);
    };
    places.put_into_vault("k", &in_vault);
    found(("vault", &vault_print)).await;
    let stored = made(&service, "k").await;
    found(("store", &stored.pair.fingerprint)).await;
    places.put("k", &in_folder);
    found(("folder", &folder_print)).await;
    let list = service.list().await.unwrap();
    let sources: Vec<&str> = list.iter().map(|key| key.source).collect();
    assert_eq!(sources, ["folder", "store", "vault"], "the one that counts comes first");
    // Taken away, the next one counts at once.
    fs::remove_file(places.folder.path().join("k")).unwrap();
    found(("store", &stored.pair.fingerprint)).await;
}

#[tokio::test]
async fn a_changed_file_counts_at_the_next_question() {
    let places = Places::new();
    let service = places.service().await;
    for _ in 0..3 {
        let (content, fingerprint) = made_by_openssh("ed25519", "");
        places.put("k", &content);
        assert_eq!(service.version(&name("k")).await.unwrap().fingerprint, fingerprint);
        assert_eq!(service.resolve(&name("k")).await.unwrap().fingerprint, fingerprint);
        assert_eq!(service.show(&name("k")).await.unwrap().pair.fingerprint, fingerprint);
    }
}

#[tokio::test]
async fn an_encrypted_file_opens_by_the_passphrase_beside_it_or_the_environments() {
    let places = Places::new();
    let (content, fingerprint) = made_by_openssh("ed25519", PASSPHRASE);
    places.put("k", &content);
    let service = places.service().await;
    for _ in 0..2 {
        let failure = service.resolve(&name("k")).await.map(drop).unwrap_err();
        assert_eq!(failure.class, FailureClass::Key);
    }
    let rows = audit_rows(&service).await;
    assert!(rows.len() == 1 && rows[0].starts_with("ssh_key_unlock_failed"), "{rows:?}");
    let knowing = places.service().await.with_passphrase(name("k"), secret(PASSPHRASE));
    derived(&knowing.resolve(&name("k")).await.unwrap().private_pem);
    assert_eq!(knowing.show(&name("k")).await.unwrap().pair.passphrase, PassphraseState::NotRemembered);
    places.put("k.passphrase", format!("{PASSPHRASE}\n").as_bytes());
    assert_eq!(service.resolve(&name("k")).await.unwrap().fingerprint, fingerprint);
    assert_eq!(service.show(&name("k")).await.unwrap().pair.passphrase, PassphraseState::Remembered);
}

#[tokio::test]
async fn a_key_that_is_only_read_is_not_changed() {
    let places = Places::new();
    let service = places.service().await;
    let content = made_by_openssh("ed25519", "").0;
    places.put("k", &content);
    places.put_into_vault("v", &content);
    for (key, place) in [("k", "folder"), ("v", "vault")] {
        let key = name(key);
        let rotation = Replacement::Generate(None, NewProtection::AsBefore);
        for error in [
            service.rename(&key, &name("new"), true).await.map(drop).unwrap_err(),
            service.delete(&key).await.unwrap_err(),
            service.rotate(&key, rotation).await.map(drop).unwrap_err(),
            service.change_passphrase(&key, None, Protection::None).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(&error, KeyError::ReadOnly { .. }), "{error}");
            assert!(error.to_string().contains(place) && error.to_string().contains("change it there"), "{error}");
        }
    }
    assert_eq!(service.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn no_key_is_stored_under_a_name_that_the_folder_would_hide() {
    let places = Places::new();
    let service = places.service().await;
    let content = made_by_openssh("ed25519", "").0;
    places.put("k", &content);
    made(&service, "other").await;
    for error in [
        service.generate(&name("k"), KeyKind::Ed25519, Protection::None).await.map(drop).unwrap_err(),
        service.import(&name("k"), given(&content, None, true)).await.map(drop).unwrap_err(),
        service.rename(&name("other"), &name("k"), true).await.map(drop).unwrap_err(),
    ] {
        assert!(matches!(&error, KeyError::Taken { name } if name.as_str() == "k"), "{error}");
    }
}

#[tokio::test]
async fn uses_and_users_of_a_key_elsewhere_are_shown() {
    let places = Places::new();
    let service = places.service().await;
    let (content, fingerprint) = made_by_openssh("ed25519", "");
    places.put("k", &content);
    service.mark_used_by("environment of prod", &[name("k")]).await.unwrap();
    for (outcome, fingerprint, purpose) in [
        ("ok", fingerprint.as_str(), "git git@host:22"),
        ("ok", "SHA256:another", "git git@later:22"),
        ("key", fingerprint.as_str(), "git git@refused:22"),
    ] {
        let used = KeyUse {
            purpose: purpose.into(),
            fingerprint: fingerprint.into(),
            host_key: None,
            outcome: outcome.into(),
            algorithms: Some("kex x".into()),
        };
        service.record_use(&name("k"), used).await;
    }
    let shown = service.show(&name("k")).await.unwrap();
    assert_eq!(shown.used_by, ["environment of prod"]);
    assert_eq!(shown.last_used.as_ref().unwrap().purpose, "git git@host:22");
    assert_eq!(service.list().await.unwrap(), [shown]);
}

#[tokio::test]
async fn an_unknown_name_lists_the_names_of_all_places() {
    let places = Places::new();
    let service = places.service().await;
    let content = made_by_openssh("ed25519", "").0;
    places.put("in-folder", &content);
    places.put_into_vault("in-vault", &content);
    made(&service, "in-store").await;
    for failure in [
        service.resolve(&name("nobody")).await.map(drop).unwrap_err(),
        service.version(&name("nobody")).await.map(drop).unwrap_err(),
        service.show(&name("nobody")).await.map(drop).unwrap_err().into(),
    ] {
        assert!(failure.message.contains("`in-folder`, `in-store`, `in-vault`"), "{failure}");
    }
}
