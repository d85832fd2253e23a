//! A certificate authority made by the real `openssl`, and the servers' certificates that it issues.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::run;

/// An authority of the test's own.
pub(super) struct Authority {
    folder: TempDir,
}

/// A certificate with its key, as files.
pub(super) struct Issued {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

const CONFIG: &str = "
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
CN = placeholder
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
";

impl Authority {
    /// `None` when this machine has no `openssl` and need not have one.
    pub(super) fn new() -> Option<Self> {
        if std::process::Command::new("openssl").arg("version").output().is_err() {
            crate::support::skip("openssl is not installed");
            return None;
        }
        let authority = Self { folder: tempfile::tempdir().expect("a folder") };
        fs::write(authority.path("openssl.cnf"), CONFIG).expect("written");
        fs::write(authority.path("index.txt"), "").expect("written");
        authority.openssl(
            "req -x509 -config openssl.cnf -extensions authority -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -keyout ca.key -out ca.pem -days 2 -subj",
            &["/CN=Authority of a test"],
        );
        Some(authority)
    }

    /// Its certificate, as a PEM file.
    pub(super) fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Its certificate, as DER.
    pub(super) fn der(&self) -> Vec<u8> {
        self.der_of(&self.file())
    }

    /// A certificate, as DER.
    pub(super) fn der_of(&self, certificate: &Path) -> Vec<u8> {
        let certificate = certificate.to_str().expect("text");
        self.openssl("x509 -outform der -out one.der -in", &[certificate]);
        fs::read(self.path("one.der")).expect("read")
    }

    /// For `localhost` and 127.0.0.1, from yesterday on.
    pub(super) fn for_this_host(&self) -> Issued {
        self.issue("DNS:localhost,IP:127.0.0.1", &[])
    }

    /// For the names, valid as `openssl ca` is told.
    pub(super) fn issue(&self, names: &str, dates: &[&str]) -> Issued {
        fs::write(self.path("leaf.cnf"), format!("subjectAltName = {names}\nbasicConstraints = CA:FALSE\n"))
            .expect("written");
        self.openssl(
            "req -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr",
            &["-subj", "/CN=a server"],
        );
        let dates = if dates.is_empty() { &["-days", "2"] } else { dates };
        self.openssl(
            "ca -batch -config openssl.cnf -cert ca.pem -keyfile ca.key -in leaf.csr -out leaf.pem -notext -extfile leaf.cnf",
            dates,
        );
        Issued { certificate: self.path("leaf.pem"), key: self.path("leaf.key") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, words: &str, more: &[&str]) {
        let words: Vec<&str> = words.split_whitespace().chain(more.iter().copied()).collect();
        let output = run("openssl", &words, self.folder.path(), b"");
        assert!(output.status.success(), "openssl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A certificate that is its own authority, as `openssl req -x509` makes it by default.
pub(super) fn self_signed(folder: &Path) -> Issued {
    let words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.pem -days 2 \
                 -subj /CN=localhost -addext subjectAltName=DNS:localhost";
    let output = run("openssl", &words.split_whitespace().collect::<Vec<_>>(), folder, b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Issued { certificate: folder.join("own.pem"), key: folder.join("own.key") }
}
