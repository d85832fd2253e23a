//! Imported keys: made by the real `ssh-keygen`, `openssl` and `puttygen`, and what they say of themselves compared.

mod formats;
mod hostile;
mod refusals;

use std::path::Path;

use appferry::keys::import::{ImportError, Imported, read};
use secrecy::SecretString;
use ssh_key::{HashAlg, LineEnding};
use tempfile::TempDir;

use super::ssh_keygen;
use crate::support::{run, skip};

const PASSPHRASE: &str = "correct horse; äöü";

/// A folder in which the real programs make keys.
struct Maker(TempDir);

impl Maker {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Runs a command line, whose words are parted by spaces; `PASS` stands for the passphrase.
    fn run(&self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').map(|word| if word == "PASS" { PASSPHRASE } else { word }).collect();
        let (program, args) = words.split_first().unwrap();
        let output = run(program, args, self.dir(), b"");
        if !output.status.success() {
            eprintln!("{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
        output.status.success()
    }

    fn must(&self, line: &str) {
        assert!(self.run(line), "{line}");
    }

    fn file(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir().join(name)).unwrap()
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.dir().join(name), content).unwrap();
    }

    /// The fingerprint that `ssh-keygen` computes of a public or unencrypted private key.
    fn fingerprint(&self, name: &str) -> String {
        let said = ssh_keygen(&["-lf"], &self.dir().join(name));
        said.split(' ').nth(1).unwrap().to_owned()
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn imported(content: &[u8], passphrase: Option<&str>) -> Result<Imported, ImportError> {
    read(content, passphrase.map(secret).as_ref())
}

fn fingerprint(imported: &Imported) -> String {
    imported.private.fingerprint(HashAlg::Sha256).to_string()
}

/// An encrypted key: opens with its passphrase, and says what is wrong without it and with another.
fn opens(content: &[u8], format: &str, expected: &str) {
    let opened = imported(content, Some(PASSPHRASE)).unwrap_or_else(|error| panic!("{format}: {error}"));
    assert_eq!((fingerprint(&opened).as_str(), opened.was_encrypted), (expected, true), "{format}");
    assert_eq!(opened.format.word(), format);
    assert!(matches!(imported(content, None), Err(ImportError::PassphraseMissing { .. })), "{format}");
    assert_eq!(imported(content, Some("wrong")).map(drop), Err(ImportError::WrongPassphrase), "{format}");
}

/// A key that is not encrypted: opens with and without a passphrase.
fn plain(content: &[u8], format: &str, expected: &str) {
    for passphrase in [None, Some(""), Some(PASSPHRASE)] {
        let opened = imported(content, passphrase).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!((fingerprint(&opened).as_str(), opened.was_encrypted), (expected, false), "{format}");
        assert_eq!((opened.format.word(), opened.private.comment().as_str().unwrap()), (format, ""));
    }
}

fn have(program: &str) -> bool {
    let there = std::process::Command::new(program).arg("--version").output().is_ok();
    if !there {
        skip(&format!("there is no {program}"));
    }
    there
}

/// OpenSSH itself reads what was imported.
fn openssh_reads(maker: &Maker, imported: &Imported) {
    let pem = imported.private.to_openssh(LineEnding::LF).unwrap();
    let dir = TempDir::new_in(maker.dir()).unwrap();
    let file = super::private_file(&dir, &pem);
    let derived = ssh_keygen(&["-yf"], &file);
    let ours = imported.private.public_key().to_openssh().unwrap();
    assert_eq!(derived.trim_end(), ours.trim_end());
}
