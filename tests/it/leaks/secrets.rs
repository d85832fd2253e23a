//! The secrets of the scene: what the test brings, and what the program makes.

use std::fs;
use std::path::Path;

use appferry::config::KeyStoreConfig;
use appferry::domain::KeyName;
use appferry::keys::KeyService;
use appferry::ports::{Keyring, ResolvedKey};
use secrecy::ExposeSecret;

use super::scene::Scene;
use crate::support::run;
use crate::support::sshd::KeyPair;

impl Scene {
    /// A file with a passphrase, which is a secret from now on.
    pub(super) fn passphrase(&mut self, name: &str, text: &str) -> String {
        self.secrets.add(&format!("the passphrase {name}"), text.as_bytes());
        self.give(&format!("{name}.passphrase"), format!("{text}\n").as_bytes())
    }

    fn give(&mut self, name: &str, content: &[u8]) -> String {
        let path = self.dev.aside().join(name);
        fs::write(&path, content).expect("write the file");
        self.given.push(path.clone());
        path.display().to_string()
    }

    /// A key of `ssh-keygen`'s behind a passphrase, both secret from now on.
    pub(super) fn encrypted_key(&mut self, name: &str, passphrase: &str) -> String {
        let pair = KeyPair::ed25519(name);
        self.secrets.add_key(name, &pair.private_pem, &pair.public_line);
        self.secrets.add(&format!("the passphrase of {name}"), passphrase.as_bytes());
        let path = self.give(&format!("{name}.pem"), pair.private_pem.as_bytes());
        run("chmod", &["600", &path], Path::new("/"), b"");
        let done = run("ssh-keygen", &["-q", "-p", "-P", "", "-N", passphrase, "-f", &path], Path::new("/"), b"");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        path
    }

    /// An age identity, secret from now on: its file, and its public half.
    pub(super) fn identity(&mut self) -> (String, String) {
        let identity = age::x25519::Identity::generate();
        let text = identity.to_string();
        self.secrets.add("the age identity", text.expose_secret().as_bytes());
        (self.give("identity", text.expose_secret().as_bytes()), identity.to_public().to_string())
    }

    /// A key that is whole but for one line.
    pub(super) fn damaged_key(&mut self) -> String {
        let pair = KeyPair::rsa("damaged");
        self.secrets.add_key("the damaged key", &pair.private_pem, &pair.public_line);
        let mut lines: Vec<&str> = pair.private_pem.lines().collect();
        lines.remove(lines.len() / 2);
        self.give("damaged.pem", lines.join("\n").as_bytes())
    }

    /// Reads stored keys as the worker does; they are secrets from now on.
    pub(super) fn know(&mut self, names: &[&str], passphrase: Option<&str>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let found = runtime.block_on(resolved(&self.dev.data, names, passphrase));
        for key in found {
            let what = format!("{} {}", key.name, key.fingerprint);
            self.secrets.add_key(&what, key.private_pem.expose_secret(), &key.public_line);
        }
        let master = fs::read_to_string(self.dev.data.join("master.key")).expect("the master key");
        let hex = master.get(..64).expect("64 digits");
        let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
        self.secrets.add("the master key", &(0..32).map(byte).collect::<Vec<u8>>());
    }
}

/// The key pairs of these names, with those before them where a rotation is under way.
async fn resolved(data: &Path, names: &[&str], passphrase: Option<&str>) -> Vec<ResolvedKey> {
    let (mut service, _) = KeyService::open(&KeyStoreConfig::embedded(data), "the test").await.expect("the store");
    let mut found = Vec::new();
    for name in names {
        let key = KeyName::new(*name).expect("a name");
        if let Some(text) = passphrase {
            service = service.with_passphrase(key.clone(), text.into());
        }
        let pair = service.resolve(&key).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        found.extend(pair.previous.clone().map(|previous| *previous));
        found.push(pair);
    }
    service.close().await;
    found
}
