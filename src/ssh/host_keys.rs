//! Which host keys are trusted: those of the known providers, and a `known_hosts` file.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::host_pattern::spec;
use super::known_hosts::{Line, Marker, parse};
use super::verdict::{Pin, Pins};
use crate::domain::Failure;

const BUILT_IN: &str = include_str!("known_hosts");

/// The largest file that is read, in bytes; a line is about 500.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// The host keys that are trusted, always strictly.
///
/// The file is looked at before each connection and read again when it changed.
#[derive(Debug)]
pub struct HostKeys {
    built_in: Vec<Line>,
    file: Option<PathBuf>,
    loaded: Arc<Mutex<Loaded>>,
}

#[derive(Clone, Debug, Default)]
struct Loaded {
    stamp: Option<Stamp>,
    lines: Arc<Vec<Line>>,
    problem: Option<String>,
}

/// Changes when the file is written or replaced: device, inode, size, and the times in nanoseconds.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl HostKeys {
    /// The keys of the known providers, and those of `file` when one is given.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { built_in: parse(BUILT_IN).0, file, loaded: Arc::default() }
    }

    /// What is known of one host, by the file as it is now.
    pub(super) async fn pins(&self, host: &str, port: u16) -> Result<Pins, Failure> {
        let loaded = match &self.file {
            Some(path) => refresh(path.clone(), Arc::clone(&self.loaded)).await?,
            None => Loaded::default(),
        };
        let built_in = self.built_in.iter().map(|line| (line, None));
        let from_file = loaded.lines.iter().map(|line| (line, Some(line.number)));
        let lines: Vec<_> = built_in.chain(from_file).collect();
        let mut pins = self.collect(&lines, &spec(host, port));
        if pins.keys.is_empty() && port != 22 {
            // As OpenSSH: a host that is not known at this port may show the keys it has at port 22.
            let plain = self.collect(&lines, &spec(host, 22));
            pins.keys = plain.keys;
            pins.revoked.extend(plain.revoked);
            pins.borrowed = true;
        }
        pins.file_problem = loaded.problem;
        Ok(pins)
    }

    fn collect(&self, lines: &[(&Line, Option<usize>)], spec: &str) -> Pins {
        let mut pins = Pins {
            spec: spec.to_owned(),
            keys: Vec::new(),
            borrowed: false,
            revoked: Vec::new(),
            authority: false,
            file: self.file.clone(),
            file_problem: None,
        };
        for (line, number) in lines.iter().filter(|(line, _)| line.hosts.matches(spec)) {
            match line.marker {
                Marker::Trusted => pins.keys.push(Pin { key: line.key.clone(), line: *number }),
                Marker::Revoked => pins.revoked.push(line.key.clone()),
                Marker::Authority => pins.authority = true,
            }
        }
        pins
    }
}

async fn refresh(path: PathBuf, loaded: Arc<Mutex<Loaded>>) -> Result<Loaded, Failure> {
    let look = move || {
        let before = loaded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = match stamp(&path) {
            Ok(stamp) if before.stamp == Some(stamp) => return before,
            Ok(stamp) => load(&path, stamp),
            Err(error) => unreadable(&path, &error),
        };
        if let Some(problem) = now.problem.as_ref().filter(|_| now.problem != before.problem) {
            tracing::warn!("{problem}; only the host keys that are built in are trusted");
        }
        loaded.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&now);
        now
    };
    tokio::task::spawn_blocking(look).await.map_err(Failure::internal)
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let meta = std::fs::metadata(path)?;
    Ok((meta.dev(), meta.ino(), meta.size(), (meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec())))
}

fn load(path: &Path, stamp: Stamp) -> Loaded {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut bytes));
    if let Err(error) = read {
        return unreadable(path, &error);
    }
    let (lines, damaged) = parse(&String::from_utf8_lossy(&bytes));
    for (number, problem) in damaged {
        tracing::warn!("line {number} of {} is left out: {problem}; correct or remove it", path.display());
    }
    Loaded { stamp: Some(stamp), lines: Arc::new(lines), problem: None }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Loaded {
    let problem = format!("the file of APPFERRY_KNOWN_HOSTS, {}, cannot be read: {error}", path.display());
    Loaded { stamp: None, lines: Arc::default(), problem: Some(problem) }
}

#[cfg(test)]
mod tests {
    use russh::keys::{Algorithm, HashAlg, PublicKey};

    use super::*;
    use crate::domain::FailureClass;

    const OURS: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIazEu89wgQZ4bqs3d63QSMzYVa0MuJ2e2gKTKqu+UUO";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf";
    /// Bitbucket's RSA key as it was until June 2023.
    const REVOKED: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEAubiN81eDcafrgMeLzaFPsw2kNvEcqTKl/VqLat/MaB33pZy0y3rJZtnqwR2qOOvbwKZYKiEO1O6VqNEBxKvJJelCq0dTXWT5pbO2gDXC6h6QDXCaHo6pOHGPUy+YBaGQRGuSusMEASYiWunYN0vCAI8QaXnWMXNMdFP3jHAJH0eDsoiGnLPBlBp4TNm6rYI74nMzgz3B9IikW4WVK+dc8KZJZWYjAuORU3jc1c/NPskD2ASinf8v3xnfXeukU0sJ5N6m5E8VLjObPEO+mN2t/FZTMZLiFqPWc/ALSqnMnnhwrNi2rbfg/rd/IpL8Le3pSBne8+seeFVBoGqzHM9yXw==";

    fn key(line: &str) -> PublicKey {
        PublicKey::from_openssh(line).unwrap()
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
        assert_eq!(pins.judge(&key(OURS)), Ok(()));
        let failure = pins.judge(&key(OTHER)).unwrap_err();
        assert_eq!(failure.class, FailureClass::HostKey);
        assert!(failure.message.contains("has changed"), "{failure}");
        assert!(failure.message.contains("SHA256:ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM"), "{failure}");
        assert!(failure.message.contains("SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"), "{failure}");

        let azure = HostKeys::new(None).pins("ssh.dev.azure.com", 22).await.unwrap();
        let [sha512, sha256] = [HashAlg::Sha512, HashAlg::Sha256].map(|hash| Algorithm::Rsa { hash: Some(hash) });
        assert_eq!(azure.algorithms(), [sha512, sha256]);
    }

    #[tokio::test]
    async fn the_key_that_bitbucket_revoked_is_refused_even_where_a_file_trusts_it() {
        let File(keys, _folder) = with_file(&format!("bitbucket.org {REVOKED}\n"));
        let failure = keys.pins("bitbucket.org", 22).await.unwrap().judge(&key(REVOKED)).unwrap_err();
        assert!(failure.message.contains("revoked"), "{failure}");
        assert!(failure.message.contains("SHA256:zzXQOXSRBEiUtuE8AikJYKwbHaxvSc0ojez9YXaGp1A"), "{failure}");
    }

    #[tokio::test]
    async fn an_unknown_host_gets_the_exact_line_to_add_and_that_line_is_enough() {
        let File(keys, folder) = with_file("");
        let failure = keys.pins("git.example.com", 2222).await.unwrap().judge(&key(OURS)).unwrap_err();
        let line = format!("[git.example.com]:2222 {OURS}");
        assert!(failure.remedy.ends_with(&line), "{failure}");
        std::fs::write(folder.path().join("known_hosts"), line).unwrap();
        assert_eq!(keys.pins("git.example.com", 2222).await.unwrap().judge(&key(OURS)), Ok(()));
    }

    #[tokio::test]
    async fn a_revoked_line_beats_a_trusted_one_and_an_authority_is_named_as_not_supported() {
        let File(keys, _folder) = with_file(&format!("a {OURS}\n@revoked * {OURS}\n@cert-authority b {OTHER}"));
        assert!(keys.pins("a", 22).await.unwrap().judge(&key(OURS)).unwrap_err().message.contains("revoked"));
        let failure = keys.pins("b", 22).await.unwrap().judge(&key(OTHER)).unwrap_err();
        assert!(failure.message.contains("host certificates are not supported"), "{failure}");
    }

    #[tokio::test]
    async fn a_host_at_another_port_may_show_the_keys_of_port_22_but_another_key_is_unknown_not_changed() {
        let pins = HostKeys::new(None).pins("bitbucket.org", 7999).await.unwrap();
        assert_eq!(pins.judge(&key(OURS)), Ok(()));
        assert!(pins.judge(&key(OTHER)).unwrap_err().message.contains("is not known"));
    }

    #[tokio::test]
    async fn a_missing_file_leaves_the_built_in_keys_and_is_named_where_it_matters() {
        let keys = HostKeys::new(Some("/nonexistent/known_hosts".into()));
        assert_eq!(keys.pins("bitbucket.org", 22).await.unwrap().judge(&key(OURS)), Ok(()));
        let failure = keys.pins("git.example.com", 22).await.unwrap().judge(&key(OURS)).unwrap_err();
        assert!(failure.message.contains("/nonexistent/known_hosts, cannot be read"), "{failure}");
    }
}
