use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::*;
use crate::domain::FailureClass;
use crate::ssh::algorithms::Offer;
use crate::ssh::keeper::to_store;
use crate::ssh::known_hosts::fingerprint;

const OURS: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO";
const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf";
/// Bitbucket's RSA key as it was until June 2023.
const REVOKED: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEAubiN81eDcafrgMeLzaFPsw2kNvEcqTKl/VqLat/MaB33pZy0y3rJZtnqwR2qOOvbwKZYKiEO1O6VqNEBxKvJJelCq0dTXWT5pbO2gDXC6h6QDXCaHo6pOHGPUy+YBaGQRGuSusMEASYiWunYN0vCAI8QaXnWMXNMdFP3jHAJH0eDsoiGnLPBlBp4TNm6rYI74nMzgz3B9IikW4WVK+dc8KZJZWYjAuORU3jc1c/NPskD2ASinf8v3xnfXeukU0sJ5N6m5E8VLjObPEO+mN2t/FZTMZLiFqPWc/ALSqnMnnhwrNi2rbfg/rd/IpL8Le3pSBne8+seeFVBoGqzHM9yXw==";

fn key(line: &str) -> PublicKey {
    PublicKey::from_openssh(line).unwrap()
}

/// The judgement on a bare key.
fn judge(pins: &Pins, line: &str) -> Result<(), Failure> {
    pins.judge(&key(line).into(), SystemTime::now()).map_err(|refused| refused.failure)
}

struct File(HostKeys, tempfile::TempDir);

fn with_file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("known_hosts");
    std::fs::write(&path, text).unwrap();
    File(HostKeys::new(Some(path)), folder)
}

#[tokio::test]
async fn a_provider_is_trusted_with_its_own_keys_only_and_only_their_types_are_offered() {
    let pins = HostKeys::new(None).pins("Bitbucket.org", 22).await.unwrap();
    assert_eq!(judge(&pins, OURS), Ok(()));
    let failure = judge(&pins, OTHER).unwrap_err();
    assert_eq!(failure.class, FailureClass::HostKey);
    assert!(failure.message.contains("has changed"), "{failure}");
    assert!(failure.message.contains("SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM"), "{failure}");
    assert!(failure.message.contains("SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"), "{failure}");

    let azure = HostKeys::new(None).pins("ssh.dev.azure.com", 22).await.unwrap();
    let [sha512, sha256] = [HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) });
    assert_eq!(azure.offer(), Offer { certificates: vec![], keys: vec![sha512, sha256] });
}

#[tokio::test]
async fn the_key_that_bitbucket_revoked_is_refused_even_where_a_file_trusts_it() {
    let File(keys, _folder) = with_file(&format!("bitbucket.org {REVOKED}\n"));
    let failure = judge(&keys.pins("bitbucket.org", 22).await.unwrap(), REVOKED).unwrap_err();
    assert!(failure.message.contains("revoked"), "{failure}");
    assert!(failure.message.contains("SHA256:zzXQOXSRBEiUtuE8AikJYKwbHaxvSc0ojez9YXaGp1A"), "{failure}");
}

#[tokio::test]
async fn an_unknown_host_gets_the_exact_line_to_add_and_that_line_is_enough() {
    let File(keys, folder) = with_file("");
    let failure = judge(&keys.pins("git.example.com", 2222).await.unwrap(), OURS).unwrap_err();
    let line = format!("[git.example.com]:2222 {OURS}");
    assert!(failure.remedy.ends_with(&line), "{failure}");
    std::fs::write(folder.path().join("known_hosts"), line).unwrap();
    assert_eq!(judge(&keys.pins("git.example.com", 2222).await.unwrap(), OURS), Ok(()));
}

#[tokio::test]
async fn a_revoked_line_beats_a_trusted_one_and_a_host_with_an_authority_must_show_a_certificate() {
    let File(keys, _folder) = with_file(&format!("a {OURS}\n@revoked * {OURS}\n@cert-authority b {OTHER}"));
    assert!(judge(&keys.pins("a", 22).await.unwrap(), OURS).unwrap_err().message.contains("revoked"));
    let failure = judge(&keys.pins("b", 22).await.unwrap(), OTHER).unwrap_err();
    assert!(failure.message.contains("but it shows no certificate"), "{failure}");
}

#[tokio::test]
async fn a_host_at_another_port_may_show_the_keys_of_port_22_but_another_key_is_unknown_not_changed() {
    let pins = HostKeys::new(None).pins("bitbucket.org", 7999).await.unwrap();
    assert_eq!(judge(&pins, OURS), Ok(()));
    assert!(judge(&pins, OTHER).unwrap_err().message.contains("is not known"));
}

#[tokio::test]
async fn a_missing_file_leaves_the_built_in_keys_and_is_named_where_it_matters() {
    let keys = HostKeys::new(Some("/nonexistent/known_hosts".into()));
    assert_eq!(judge(&keys.pins("bitbucket.org", 22).await.unwrap(), OURS), Ok(()));
    let failure = judge(&keys.pins("git.example.com", 22).await.unwrap(), OURS).unwrap_err();
    assert!(failure.message.contains("/nonexistent/known_hosts, cannot be read"), "{failure}");
}

/// Trusted keys in memory, with what was noted of changed ones.
#[derive(Default)]
struct Memory {
    keys: Mutex<Vec<TrustedHostKey>>,
    changed: Mutex<Vec<String>>,
    broken: AtomicBool,
}

impl Memory {
    fn check(&self) -> Result<(), Failure> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Failure::new(FailureClass::Disk, "the store is gone", "bring it back"));
        }
        Ok(())
    }

    fn with(host: &str, line: &str) -> Arc<Self> {
        let memory = Self::default();
        memory.keys.lock().unwrap().push(to_store(host, &key(line), "jo@server-1".into()));
        Arc::new(memory)
    }
}

#[async_trait]
impl HostTrust for Memory {
    async fn trusted(&self, host: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure> {
        self.check()?;
        let keys = self.keys.lock().unwrap();
        Ok(keys.iter().filter(|key| host.is_none_or(|host| host == key.host)).cloned().collect())
    }

    async fn trust(&self, key: &TrustedHostKey, _replace: bool) -> Result<Vec<TrustedHostKey>, Failure> {
        self.check()?;
        self.keys.lock().unwrap().push(key.clone());
        Ok(Vec::new())
    }

    async fn trust_first(&self, key: &TrustedHostKey) -> Result<Vec<TrustedHostKey>, Failure> {
        let known = self.trusted(Some(&key.host)).await?;
        if !known.is_empty() {
            return Ok(known);
        }
        self.trust(key, false).await?;
        Ok(vec![key.clone()])
    }

    async fn forget(&self, _: &str, _: Option<&str>) -> Result<Vec<TrustedHostKey>, Failure> {
        Ok(std::mem::take(&mut *self.keys.lock().unwrap()))
    }

    async fn note_changed(&self, host: &str, shown: &str, _: &[String]) -> Result<(), Failure> {
        self.changed.lock().unwrap().push(format!("{host} {shown}"));
        Ok(())
    }
}

/// What a connection to a host that shows this key comes to.
async fn connect(keys: &HostKeys, host: &str, port: u16, line: &str) -> Result<(), Failure> {
    let pins = keys.pins(host, port).await?;
    pins.keeper.admit(&pins, &key(line).into()).await
}

#[tokio::test]
async fn a_key_in_the_store_counts_at_once_and_stops_counting_when_it_is_forgotten() {
    let store = Memory::with("[git.example.com]:2222", OURS);
    let keys = HostKeys::new(None).with_store(store.clone(), None);
    assert_eq!(connect(&keys, "Git.Example.com", 2222, OURS).await, Ok(()));
    let failure = connect(&keys, "git.example.com", 2222, OTHER).await.unwrap_err();
    assert!(failure.message.contains("trusted by jo@server-1 on 20"), "{failure}");
    assert_eq!(*store.changed.lock().unwrap(), [format!("[git.example.com]:2222 {}", fingerprint(&key(OTHER)))]);
    store.forget("", None).await.unwrap();
    let failure = connect(&keys, "git.example.com", 2222, OURS).await.unwrap_err();
    assert!(failure.message.contains("is not known"), "{failure}");
}

#[tokio::test]
async fn a_revoked_line_beats_the_store_and_the_key_that_bitbucket_revoked_is_no_first_key() {
    let File(keys, _folder) = with_file(&format!("@revoked * {OURS}"));
    let keys = keys.with_store(Memory::with("git.example.com", OURS), Some("instance dev".into()));
    let failure = connect(&keys, "git.example.com", 22, OURS).await.unwrap_err();
    assert!(failure.message.contains("revoked"), "{failure}");
    let failure = connect(&keys, "other.example.com", 22, REVOKED).await.unwrap_err();
    assert!(failure.message.contains("revoked"), "{failure}");
}

#[tokio::test]
async fn what_is_known_has_another_stamp_when_something_was_trusted() {
    let store = Arc::new(Memory::default());
    let keys = HostKeys::new(None).with_store(store.clone(), None);
    let stamp = async || keys.pins("git.example.com", 22).await.unwrap().stamp();
    let before = stamp().await;
    connect(&keys, "git.example.com", 22, OURS).await.unwrap_err();
    assert_eq!(stamp().await, before);
    store.trust(&to_store("git.example.com", &key(OURS), "jo".into()), false).await.unwrap();
    assert_ne!(stamp().await, before);
    assert_eq!(connect(&keys, "git.example.com", 22, OURS).await, Ok(()));
}

#[tokio::test]
async fn a_first_key_is_kept_only_where_that_is_allowed_and_a_changed_one_never() {
    let store = Arc::new(Memory::default());
    let keys = HostKeys::new(None).with_store(store.clone(), Some("instance dev".into()));
    assert_eq!(connect(&keys, "git.example.com", 2222, OURS).await, Ok(()));
    let kept = store.keys.lock().unwrap().clone();
    assert_eq!((kept.len(), kept[0].host.as_str()), (1, "[git.example.com]:2222"));
    assert_eq!(kept[0].trusted_by, "first use by instance dev");
    let failure = connect(&keys, "git.example.com", 2222, OTHER).await.unwrap_err();
    assert!(failure.message.contains("has changed"), "{failure}");
    assert!(connect(&keys, "github.com", 22, OURS).await.unwrap_err().message.contains("has changed"));
    assert_eq!(store.keys.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_keys_that_an_unknown_host_shows_at_once_one_is_kept() {
    let store = Arc::new(Memory::default());
    let keys = HostKeys::new(None).with_store(store.clone(), Some("instance dev".into()));
    let (one, two) = (keys.pins("a", 22).await.unwrap(), keys.pins("a", 22).await.unwrap());
    let (shown, other) = (key(OURS).into(), key(OTHER).into());
    let (first, second) = tokio::join!(one.keeper.admit(&one, &shown), two.keeper.admit(&two, &other));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert!(first.and(second).unwrap_err().message.contains("has changed"));
    assert_eq!(store.keys.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_first_key_that_cannot_be_stored_or_whose_host_has_an_authority_is_not_trusted() {
    let store = Arc::new(Memory::default());
    let File(keys, _folder) = with_file(&format!("@cert-authority *.example.com {OTHER}"));
    let keys = keys.with_store(store.clone(), Some("instance dev".into()));
    assert!(connect(&keys, "git.example.com", 22, OURS).await.unwrap_err().message.contains("shows no certificate"));
    let pins = keys.pins("other", 22).await.unwrap();
    store.broken.store(true, Ordering::Relaxed);
    let failure = pins.keeper.admit(&pins, &key(OURS).into()).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Disk);
    assert!(failure.message.contains("could not be stored, so it is not trusted"), "{failure}");
}

#[tokio::test]
async fn while_the_store_cannot_be_read_hosts_that_are_known_otherwise_go_on() {
    let store = Arc::new(Memory::default());
    store.broken.store(true, Ordering::Relaxed);
    let keys = HostKeys::new(None).with_store(store.clone(), Some("instance dev".into()));
    assert_eq!(connect(&keys, "bitbucket.org", 22, OURS).await, Ok(()));
    let failure = connect(&keys, "bitbucket.org", 22, OTHER).await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Disk);
    assert!(failure.message.contains("cannot be read: the store is gone"), "{failure}");
    let failure = keys.pins("git.example.com", 22).await.unwrap_err();
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Disk, "the store is gone"));
}

#[tokio::test]
async fn certificates_are_asked_for_only_where_an_authority_is_trusted_also_for_other_ports() {
    let File(keys, _folder) = with_file(&format!("@cert-authority *.example.com {OTHER}\ngit.example.com {OURS}"));
    let certified = keys.pins("git.example.com", 22).await.unwrap().offer();
    assert_eq!((certified.certificates.len(), certified.keys), (6, vec![Algorithm::Ed25519]));
    let other_port = keys.pins("db.example.com", 2222).await.unwrap().offer();
    assert_eq!((other_port.certificates.len(), other_port.keys.len()), (6, 0));
    assert_eq!(keys.pins("git.example.org", 22).await.unwrap().offer(), Offer::of_all_keys());
}
