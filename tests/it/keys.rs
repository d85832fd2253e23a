//! The key store on a real disk, its keys checked with the real `ssh-keygen`.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod at_rest;
mod audit;
mod backup;
mod backup_files;
mod changes;
mod command_line;
mod damage;
mod elsewhere;
mod following;
mod import;
mod master_keys;
mod passphrases;
mod postgres;
mod rewrap;
mod rotation;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use appferry::config::{KeyStoreConfig, MasterKeySources};
use appferry::domain::{Failure, FailureClass, KeyName};
use appferry::keys::{
    Given, KeyError, KeyKind, KeyRecord, KeyService, MasterKeyError, PassphraseState, Protection, envelope::Field,
};
use appferry::ports::{AuditFilter, KeyUse, Keyring};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;
use zeroize::Zeroizing;

const STORE: &str = "store.sqlite";
const MASTER_KEY: &str = "master.key";
/// Tells the test binary, started again as another process, which data folder to use.
const CHILD_DATA_DIR: &str = "APPFERRY_TEST_CHILD_DATA_DIR";

fn name(text: &str) -> KeyName {
    KeyName::new(text).unwrap()
}

fn embedded() -> MasterKeySources {
    MasterKeySources::default()
}

fn files(files: &[&Path]) -> MasterKeySources {
    MasterKeySources { files: files.iter().map(|&file| file.to_owned()).collect(), ..embedded() }
}

async fn open(dir: &Path) -> KeyService {
    open_with(dir, &embedded()).await.unwrap().0
}

async fn open_with(dir: &Path, sources: &MasterKeySources) -> Result<(KeyService, Vec<String>), KeyError> {
    let config = KeyStoreConfig { master_keys: sources.clone(), ..KeyStoreConfig::embedded(dir) };
    KeyService::open(&config, "somebody@here").await
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// Protection by a passphrase, kept or not.
fn protected(passphrase: &str, remember: bool) -> Protection {
    Protection::new(secret(passphrase), remember).unwrap()
}

async fn made(service: &KeyService, key: &str) -> KeyRecord {
    service.generate(&name(key), KeyKind::Ed25519, Protection::None).await.unwrap()
}

/// A file that the real `ssh-keygen` made, and its fingerprint.
fn made_by_openssh(kind: &str, passphrase: &str) -> (Vec<u8>, String) {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("id");
    ssh_keygen(&["-q", "-t", kind, "-N", passphrase, "-C", "", "-f"], &file);
    let shown = ssh_keygen(&["-lf"], &dir.path().join("id.pub"));
    (fs::read(&file).unwrap(), shown.split(' ').nth(1).unwrap().to_owned())
}

fn given(content: &[u8], passphrase: Option<&str>, remember: bool) -> Given {
    Given { content: Zeroizing::new(content.to_vec()), passphrase: passphrase.map(secret), remember }
}

/// The public key, without its name, that `ssh-keygen` derives from an unencrypted private key.
fn derived(pem: &SecretString) -> String {
    let dir = TempDir::new().unwrap();
    let private = private_file(&dir, pem.expose_secret());
    ssh_keygen(&["-yf"], &private).trim_end().to_owned()
}

/// Event and detail of all rows about keys.
async fn audit_rows(service: &KeyService) -> Vec<String> {
    let rows = service.audit_log().audit(&AuditFilter::default()).await.unwrap();
    rows.into_iter().map(|row| format!("{} {}", row.event, row.detail.unwrap_or_default())).collect()
}

async fn refusal(dir: &Path, sources: &MasterKeySources) -> KeyError {
    open_with(dir, sources).await.map(drop).unwrap_err()
}

/// The store's file, opened behind the program's back.
async fn raw(dir: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(dir.join(STORE))).await.unwrap()
}

async fn execute(pool: &SqlitePool, sql: &'static str) -> Result<u64, String> {
    sqlx::query(sql).execute(pool).await.map(|done| done.rows_affected()).map_err(|e| e.to_string())
}

fn ssh_keygen(args: &[&str], file: &Path) -> String {
    let out = Command::new("ssh-keygen").args(args).arg(file).stdin(Stdio::null()).output().unwrap();
    assert!(out.status.success(), "ssh-keygen {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn private_file(dir: &TempDir, content: &str) -> PathBuf {
    let path = dir.path().join("private");
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    path
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

async fn openssh_agrees(kind: KeyKind, label: &str) {
    let (data, scratch) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = open(data.path()).await;
    let made = service.generate(&name("Deploy.Key-1"), kind, Protection::None).await.unwrap();
    let public = scratch.path().join("public");
    fs::write(&public, service.public(&name("Deploy.Key-1")).await.unwrap()).unwrap();
    let expected = format!("{} {} Deploy.Key-1 ({label})\n", made.pair.bits, made.pair.fingerprint);
    assert_eq!(ssh_keygen(&["-lf"], &public), expected);

    let resolved = service.resolve(&name("Deploy.Key-1")).await.unwrap();
    let private = private_file(&scratch, resolved.private_pem.expose_secret());
    let derived = ssh_keygen(&["-yf"], &private);
    assert_eq!(format!("{} Deploy.Key-1", derived.trim_end()), made.pair.public_key);
    assert_eq!((resolved.public_line, resolved.fingerprint), (made.pair.public_key, made.pair.fingerprint));
    assert_eq!((resolved.generation, resolved.source), (1, "store"));
}

#[tokio::test]
async fn openssh_accepts_both_halves_of_an_ed25519_key() {
    openssh_agrees(KeyKind::Ed25519, "ED25519").await;
}

#[tokio::test]
async fn openssh_accepts_both_halves_of_rsa_keys() {
    for bits in [None, Some(2048), Some(2056)] {
        openssh_agrees(KeyKind::rsa(bits).unwrap(), "RSA").await;
    }
}

#[tokio::test]
async fn a_name_that_is_taken_stays_as_it_is() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let first = service.generate(&name("key"), KeyKind::Ed25519, Protection::None).await.unwrap();
    let error = service.generate(&name("key"), KeyKind::rsa(None).unwrap(), Protection::None).await.unwrap_err();
    assert!(matches!(&error, KeyError::Taken { .. }), "{error}");
    assert_eq!(service.list().await.unwrap(), [first]);
    service.generate(&name("KEY"), KeyKind::Ed25519, Protection::None).await.unwrap();
}

#[tokio::test]
async fn of_two_that_make_the_same_name_at_once_one_wins_whole() {
    let data = TempDir::new().unwrap();
    let (a, b) = (open(data.path()).await, open(data.path()).await);
    let key = name("key");
    let (one, two) = tokio::join!(
        a.generate(&key, KeyKind::Ed25519, Protection::None),
        b.generate(&key, KeyKind::Ed25519, Protection::None)
    );
    let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
    assert!(matches!(lost, Err(KeyError::Taken { .. })), "{lost:?}");
    assert_eq!(a.resolve(&key).await.unwrap().fingerprint, won.unwrap().pair.fingerprint);
}

#[tokio::test]
async fn another_process_sees_a_new_key_at_its_next_question() {
    let data = TempDir::new().unwrap();
    let worker = open(data.path()).await;
    assert!(worker.resolve(&name("late")).await.is_err());
    let cli = open(data.path()).await;
    let made = cli.generate(&name("late"), KeyKind::Ed25519, Protection::None).await.unwrap();
    cli.close().await;
    assert_eq!(worker.resolve(&name("late")).await.unwrap().fingerprint, made.pair.fingerprint);
}

#[tokio::test]
async fn an_unknown_name_lists_the_names_there_are_and_the_near_miss() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    for key in ["prod", "GitSync"] {
        service.generate(&name(key), KeyKind::Ed25519, Protection::None).await.unwrap();
    }
    let failure = service.resolve(&name("gitsync")).await.map(drop).unwrap_err();
    assert_eq!(failure.class, FailureClass::Key);
    assert!(failure.message.contains("`GitSync`, `prod`"), "{failure}");
    assert!(failure.remedy.contains("did you mean `GitSync`"), "{failure}");
}

#[tokio::test]
async fn a_key_in_use_cannot_be_deleted() {
    let data = TempDir::new().unwrap();
    let service = open(data.path()).await;
    let (here, later) = (name("here"), name("later"));
    service.generate(&here, KeyKind::Ed25519, Protection::None).await.unwrap();
    service.mark_used_by("environment of prod", &[here.clone(), later.clone(), later.clone()]).await.unwrap();
    service.generate(&later, KeyKind::Ed25519, Protection::None).await.unwrap();
    for key in [&here, &later] {
        assert_eq!(service.show(key).await.unwrap().used_by, ["environment of prod"], "{key}");
    }
    let pool = raw(data.path()).await;
    let refused = execute(&pool, "DELETE FROM keys WHERE name = 'later'").await.unwrap_err();
    assert!(refused.contains("FOREIGN KEY"), "{refused}");

    service.mark_used_by("tunnel db", std::slice::from_ref(&here)).await.unwrap();
    service.mark_used_by("environment of prod", std::slice::from_ref(&here)).await.unwrap();
    assert_eq!(service.show(&here).await.unwrap().used_by, ["environment of prod", "tunnel db"]);
    assert_eq!(service.show(&later).await.unwrap().used_by, [""; 0]);
    assert_eq!(execute(&pool, "DELETE FROM keys WHERE name = 'later'").await, Ok(1));
}
