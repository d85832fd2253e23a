//! Host certificates, made by `ssh-keygen` and shown by a real OpenSSH server.

use std::path::{Path, PathBuf};

use appferry::domain::{Failure, FailureClass};
use appferry::ports::{SessionClass, SshSessions as _};
use appferry::ssh::{HostKeys, Sessions, Settings};

use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring};
use crate::support::{fingerprint, run};

/// A server whose host key was certified, and a client with its authority.
struct Scene {
    sshd: Sshd,
    key: KeyPair,
    kind: &'static str,
}

impl Scene {
    /// Certified with these options of `ssh-keygen -s ca`.
    fn new(options: &[&str]) -> Option<Self> {
        Self::of("ed25519", "ed25519", options)
    }

    fn of(kind: &'static str, authority: &str, options: &[&str]) -> Option<Self> {
        let sshd = Sshd::start_with(Setup { host_key_types: vec![kind], ..Setup::default() })?;
        let key = KeyPair::ed25519("deploy");
        sshd.authorize(&key.public_line);
        let mut scene = Self { sshd, key, kind };
        scene.make_key("ca", authority);
        scene.make_key("other", "ed25519");
        scene.sign(options);
        let certificate = scene.path(&format!("host_{kind}-cert.pub"));
        scene.sshd.add_config(&format!("HostCertificate {}", certificate.display()));
        scene.sshd.restart();
        Some(scene)
    }

    fn make_key(&self, name: &str, kind: &str) {
        let made = run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", name], self.sshd.folder(), b"");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn sign(&self, options: &[&str]) {
        let public = format!("host_{}.pub", self.kind);
        let args = [&["-q", "-s", "ca", "-I", "test"], options, &[public.as_str()]].concat();
        let signed = run("ssh-keygen", &args, self.sshd.folder(), b"");
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sshd.folder().join(name)
    }

    /// `marker hosts key`, with the key of that file.
    fn line(&self, marker: &str, public: &str) -> String {
        let text = std::fs::read_to_string(self.path(public)).unwrap();
        let key: Vec<&str> = text.split(' ').take(2).collect();
        format!("{marker} [127.0.0.1]:{} {}\n", self.sshd.port(), key.join(" "))
    }

    fn authority(&self) -> String {
        self.line("@cert-authority", "ca.pub")
    }

    /// Logs in where only `known` is trusted; what was negotiated comes out.
    async fn connect(&self, known: &str) -> Result<String, Failure> {
        let file = self.path("trusted");
        std::fs::write(&file, known).unwrap();
        let keyring = TestKeyring::with([&self.key]);
        let sessions = Sessions::new(keyring.clone(), HostKeys::new(Some(file)), Settings::default());
        let target = self.sshd.target(&self.key);
        let process = sessions.exec(&target, SessionClass::Control, "true", &[]).await?;
        process.ended.await;
        sessions.shutdown().await;
        let (_, used) = keyring.uses().pop().unwrap();
        assert_eq!(used.host_key, Some(fingerprint(&self.sshd.host_key_line())));
        Ok(used.algorithms.unwrap())
    }

    async fn refused(&self, known: &str) -> String {
        let failure = self.connect(known).await.expect_err("a refusal");
        assert_eq!(failure.class, FailureClass::HostKey, "{failure}");
        assert_eq!(self.sshd.logins(), 0, "nothing was proved to it");
        failure.to_string()
    }
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_enough_for_every_type_of_key() {
    for (kind, authority, named) in [
        ("ed25519", "ed25519", "ssh-ed25519-cert-v01@openssh.com"),
        ("ecdsa", "rsa", "ecdsa-sha2-nistp256-cert-v01@openssh.com"),
        ("rsa", "ecdsa", "rsa-sha2-512-cert-v01@openssh.com"),
    ] {
        let Some(scene) = Scene::of(kind, authority, &["-h", "-n", "git,127.0.0.1"]) else { return };
        let algorithms = scene.connect(&scene.authority()).await.unwrap();
        assert!(algorithms.contains(&format!("host-key {named} ")), "{algorithms}");
        assert!(algorithms.starts_with("kex mlkem768x25519-sha256") || algorithms.starts_with("kex curve25519"));
        assert!(algorithms.ends_with("cipher aes256-gcm@openssh.com mac implicit"), "{algorithms}");
    }
}

#[tokio::test]
async fn names_may_be_patterns_and_an_authority_of_the_plain_name_counts_at_other_ports() {
    let Some(scene) = Scene::new(&["-h", "-n", "127.0.*"]) else { return };
    let plain = scene.authority().replace(&format!("[127.0.0.1]:{}", scene.sshd.port()), "127.0.0.*");
    assert!(scene.connect(&plain).await.unwrap().contains("-cert-v01@openssh.com"));
}

#[tokio::test]
async fn a_certificate_that_is_no_good_is_refused_with_its_reason() {
    for (options, reason) in [
        (&["-h", "-n", "127.0.0.1", "-V", "20200101Z:20210101Z"][..], "it expired at 2021-01-01T00:00:00Z"),
        (&["-h", "-n", "127.0.0.1", "-V", "20900101Z:20910101Z"], "it is valid only from 2090-01-01T00:00:00Z on"),
        (&["-h", "-n", "git.example.com"], "it is for git.example.com, not for 127.0.0.1"),
        (&["-h"], "it names no host"),
        (&["-n", "127.0.0.1"], "it is one for users"),
    ] {
        let Some(scene) = Scene::new(options) else { return };
        let words = scene.refused(&scene.authority()).await;
        assert!(words.contains(reason), "{options:?}: {words}");
        assert!(words.contains(&fingerprint(&scene.sshd.host_key_line())), "{words}");
    }
}

#[tokio::test]
async fn a_signature_with_sha1_is_refused() {
    let Some(scene) = Scene::of("ed25519", "rsa", &["-h", "-n", "127.0.0.1", "-t", "ssh-rsa"]) else { return };
    let words = scene.refused(&scene.authority()).await;
    assert!(words.contains("signed with ssh-rsa"), "{words}");
}

#[tokio::test]
async fn another_authority_a_revoked_one_and_a_revoked_key_inside_are_refused() {
    let Some(scene) = Scene::new(&["-h", "-n", "127.0.0.1"]) else { return };
    let words = scene.refused(&scene.line("@cert-authority", "other.pub")).await;
    assert!(words.contains("no trusted authority signed it"), "{words}");
    let words = scene.refused(&(scene.authority() + &scene.line("@revoked", "ca.pub"))).await;
    assert!(words.contains("vouched for by an authority that was revoked"), "{words}");
    let words = scene.refused(&(scene.authority() + &scene.line("@revoked", "host_ed25519.pub"))).await;
    assert!(words.contains("shows a host key that was revoked"), "{words}");
}

#[tokio::test]
async fn a_trusted_key_needs_no_certificate_and_helps_where_the_certificate_is_no_good() {
    let Some(scene) = Scene::new(&["-h", "-n", "127.0.0.1", "-V", "20200101Z:20210101Z"]) else { return };
    let plain = scene.sshd.host_key_line() + "\n";
    let algorithms = scene.connect(&plain).await.unwrap();
    assert!(algorithms.contains("host-key ssh-ed25519 "), "not asked for without an authority: {algorithms}");
    let algorithms = scene.connect(&(scene.authority() + &plain)).await.unwrap();
    assert!(algorithms.contains("ssh-ed25519-cert-v01@openssh.com"), "{algorithms}");
}

#[tokio::test]
async fn a_server_without_a_certificate_is_told_so_where_an_authority_is_trusted() {
    let Some(sshd) = Sshd::start() else { return };
    let key = KeyPair::ed25519("deploy");
    sshd.authorize(&key.public_line);
    let scene = Scene { sshd, key, kind: "ed25519" };
    scene.make_key("ca", "ed25519");
    let words = scene.refused(&scene.authority()).await;
    assert!(words.contains("but it shows no certificate"), "{words}");
    assert!(words.contains(&fingerprint(&scene.sshd.host_key_line())), "{words}");
    assert!(Path::new(&scene.path("trusted")).exists());
}
