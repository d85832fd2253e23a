use std::time::SystemTime;

use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::*;
use crate::domain::FailureClass;
use crate::ssh::algorithms::Offer;

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
