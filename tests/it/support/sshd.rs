//! A real OpenSSH server on loopback, with its own folder, host keys and authorized keys, run as the current user.
//!
//! ```ignore
//! let Some(sshd) = Sshd::start() else { return }; // says so, and fails where CI=true
//! let key = KeyPair::ed25519("deploy");
//! sshd.authorize(&key.public_line);
//! let keyring = TestKeyring::with([&key]);
//! ```

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]
#![allow(dead_code, unreachable_pub, reason = "a tool box: each test file uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use appferry::domain::{Failure, FailureClass, KeyName};
use appferry::keys::import;
use appferry::ports::{GitService, KeyUse, KeyVersion, Keyring, ResolvedKey, SshTarget};
use rustix::process::{Pid, Signal, kill_process};
use ssh_key::LineEnding;
use tempfile::TempDir;

use super::PATIENCE;
use super::process::{Log, descendants, free_port, kill_tree, pid_of};

/// How the server shall be set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Types of host keys as `ssh-keygen -t` takes them.
    pub host_key_types: Vec<&'static str>,
    /// Lines added to the configuration, such as `MaxSessions 1` or `AcceptEnv GIT_PROTOCOL`.
    pub extra_config: Vec<String>,
    /// What runs in place of any command (`ForceCommand`).
    pub force_command: Option<String>,
    /// Commands get a HOME of the server's own, and its `.ssh/authorized_keys` is what counts.
    pub own_home: bool,
    /// `LogLevel`.
    pub log_level: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            host_key_types: vec!["ed25519"],
            extra_config: Vec::new(),
            force_command: None,
            own_home: false,
            log_level: "VERBOSE",
        }
    }
}

/// A running server; it and its connections are killed when this is dropped.
pub struct Sshd {
    folder: TempDir,
    program: PathBuf,
    port: u16,
    setup: Setup,
    child: Option<Child>,
    log: Arc<Log>,
}

impl Sshd {
    /// Starts a server with an ed25519 host key. `None` when the program is not installed and this is not CI.
    pub fn start() -> Option<Self> {
        Self::start_with(Setup::default())
    }

    /// Starts a server set up in a special way.
    pub fn start_with(setup: Setup) -> Option<Self> {
        let program = find_program()?;
        let folder = tempfile::Builder::new().prefix("sshd-").tempdir().expect("a temporary folder");
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("the folder for privilege separation");
        }
        let mut sshd = Self { folder, program, port: 0, setup, child: None, log: Arc::default() };
        fs::create_dir_all(sshd.home().join(".ssh")).expect("make the home folder");
        sshd.revoke_all();
        sshd.change_host_key();
        for _ in 0..5 {
            // Somebody else may take the free port in between: then another one is tried.
            sshd.port = free_port();
            if sshd.launch() {
                return Some(sshd);
            }
        }
        panic!("sshd does not start:\n{}", sshd.log());
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where a session with this server goes: `127.0.0.1`, as the current user, with the key `key`.
    pub fn target(&self, key: &KeyPair) -> SshTarget {
        SshTarget { host: "127.0.0.1".into(), port: self.port, user: current_user(), key: key.name.clone() }
    }

    /// A URL of a repository at an absolute path, reached through this server.
    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", current_user(), self.port, path.display())
    }

    /// The `known_hosts` line of the first host key.
    pub fn host_key_line(&self) -> String {
        self.host_key_lines().remove(0)
    }

    /// The `known_hosts` lines of all host keys.
    pub fn host_key_lines(&self) -> Vec<String> {
        let public = |kind: &&str| fs::read_to_string(self.host_key_path(kind).with_extension("pub"));
        let line = |text: String| {
            let mut words = text.split_whitespace();
            format!(
                "[127.0.0.1]:{} {} {}",
                self.port,
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default()
            )
        };
        self.setup.host_key_types.iter().map(|kind| line(public(kind).expect("a public host key"))).collect()
    }

    /// Writes a `known_hosts` file with all host keys into the server's folder and answers its path.
    pub fn known_hosts_file(&self) -> PathBuf {
        let path = self.folder.path().join("known_hosts");
        fs::write(&path, self.host_key_lines().join("\n") + "\n").expect("write known_hosts");
        path
    }

    /// A folder that lives as long as the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The HOME of commands, when they have one of the server's own.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Lets the key of this public line log in.
    pub fn authorize(&self, public_line: &str) {
        self.append_authorized(public_line);
    }

    /// Lets the key log in with options such as `restrict,command="…"`.
    pub fn authorize_with_options(&self, public_line: &str, options: &str) {
        self.append_authorized(&format!("{options} {public_line}"));
    }

    /// Takes all authorized keys back; connections that stand go on.
    pub fn revoke_all(&self) {
        fs::write(self.authorized_keys(), "").expect("write authorized_keys");
    }

    /// Replaces the host keys; the next start uses them.
    pub fn change_host_key(&mut self) {
        for kind in &self.setup.host_key_types {
            let path = self.host_key_path(kind);
            let _ = fs::remove_file(&path);
            let bits: &[&str] = if *kind == "rsa" { &["-b", "2048"] } else { &[] };
            keygen(kind, bits, &path);
        }
    }

    /// Kills the server and all its connections; waits until they are gone.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        kill_tree(&mut child);
    }

    /// Starts again on the same port, with the host keys and configuration of now.
    pub fn restart(&mut self) {
        self.stop();
        let deadline = Instant::now() + PATIENCE;
        while !self.launch() {
            assert!(Instant::now() < deadline, "sshd does not start again:\n{}", self.log());
        }
    }

    /// Adds a configuration line; it counts from the next start.
    pub fn add_config(&mut self, line: &str) {
        self.setup.extra_config.push(line.to_owned());
    }

    /// Kills the connections; the server goes on listening.
    pub fn cut_connections(&self) {
        for pid in self.connections() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Whether a command of this name runs for a client.
    pub fn runs(&self, name: &str) -> bool {
        !self.commands(name).is_empty()
    }

    /// Kills the commands of this name that run for clients.
    pub fn kill_commands(&self, name: &str) {
        for pid in self.commands(name) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Stops the server and its connections from answering, without closing anything.
    pub fn freeze(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Undoes [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    /// All that the server has logged, over all starts.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// How often a public key was accepted.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey for").count()
    }

    /// Waits until the log holds `needle`. Blocks; use [`logged`](Self::logged) in async tests.
    pub fn wait_for_log(&self, needle: &str) {
        assert!(self.log.wait_for(needle, 0, PATIENCE), "{needle:?} never came into the log:\n{}", self.log());
    }

    /// Waits until the log holds `needle`, while the test's other tasks go on.
    pub async fn logged(&self, needle: &'static str) {
        let log = Arc::clone(&self.log);
        let found = tokio::task::spawn_blocking(move || log.wait_for(needle, 0, PATIENCE)).await;
        assert!(found.expect("the waiting thread"), "{needle:?} never came into the log:\n{}", self.log());
    }

    fn launch(&mut self) -> bool {
        let config = self.folder.path().join("sshd_config");
        fs::write(&config, self.config()).expect("write sshd_config");
        let from = self.log().len();
        let mut child = Command::new(&self.program)
            .arg("-f")
            .arg(&config)
            .args(["-D", "-e"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log.sink())
            .spawn()
            .expect("start sshd");
        let listening = format!("Server listening on 127.0.0.1 port {}.", self.port);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.log.wait_for(&listening, from, Duration::from_millis(50)) {
                self.child = Some(child);
                return true;
            }
            if child.try_wait().expect("sshd's state").is_some() {
                return false;
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    fn config(&self) -> String {
        let home = format!(" HOME={}", self.home().display());
        let mut lines = vec![
            format!("ListenAddress 127.0.0.1:{}", self.port),
            "PidFile none".into(),
            "UsePAM no".into(),
            "StrictModes no".into(),
            format!("LogLevel {}", self.setup.log_level),
            "PermitRootLogin prohibit-password".into(),
            "PasswordAuthentication no".into(),
            "KbdInteractiveAuthentication no".into(),
            "MaxStartups 500".into(),
            "PrintMotd no".into(),
            // Else bash takes the connection for a login from rsh and reads the account's start files: about 200 ms.
            format!("SetEnv SHLVL=5{}", if self.setup.own_home { home } else { String::new() }),
            format!("AuthorizedKeysFile {}", self.authorized_keys().display()),
        ];
        if has_penalties(&self.program) {
            lines.push("PerSourcePenalties no".into());
        }
        lines.extend(self.setup.host_key_types.iter().map(|k| format!("HostKey {}", self.host_key_path(k).display())));
        lines.extend(self.setup.force_command.iter().map(|command| format!("ForceCommand {command}")));
        lines.extend(self.setup.extra_config.iter().cloned());
        lines.join("\n") + "\n"
    }

    fn host_key_path(&self, kind: &str) -> PathBuf {
        self.folder.path().join(format!("host_{kind}"))
    }

    fn authorized_keys(&self) -> PathBuf {
        if self.setup.own_home {
            return self.home().join(".ssh/authorized_keys");
        }
        self.folder.path().join("authorized_keys")
    }

    fn append_authorized(&self, line: &str) {
        let path = self.authorized_keys();
        let mut file = fs::OpenOptions::new().append(true).open(path).expect("open authorized_keys");
        writeln!(file, "{}", line.trim()).expect("write authorized_keys");
    }

    fn connections(&self) -> Vec<Pid> {
        self.child.as_ref().map(|child| descendants(pid_of(child))).unwrap_or_default()
    }

    fn commands(&self, name: &str) -> Vec<Pid> {
        let line = |pid: &Pid| fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
        self.connections().into_iter().filter(|pid| line(pid).is_ok_and(|line| line.contains(name))).collect()
    }

    fn signal_all(&self, signal: Signal) {
        let listener = self.child.as_ref().map(pid_of);
        for pid in listener.into_iter().chain(self.connections()) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A key pair of a client, unencrypted.
#[derive(Clone)]
pub struct KeyPair {
    pub name: KeyName,
    pub private_pem: String,
    pub public_line: String,
    pub fingerprint: String,
    pub generation: u32,
}

impl KeyPair {
    pub fn ed25519(name: &str) -> Self {
        Self::generate(name, "ed25519", &[])
    }

    pub fn rsa(name: &str) -> Self {
        Self::generate(name, "rsa", &["-b", "2048"])
    }

    pub fn ecdsa(name: &str) -> Self {
        Self::generate(name, "ecdsa", &["-b", "256"])
    }

    fn generate(name: &str, kind: &str, bits: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("key");
        keygen(kind, bits, &path);
        let public_line = fs::read_to_string(path.with_extension("pub")).expect("the public key").trim().to_owned();
        let shown = Command::new("ssh-keygen").arg("-lf").arg(&path).output().expect("ssh-keygen -l").stdout;
        let fingerprint = String::from_utf8_lossy(&shown).split(' ').nth(1).unwrap_or_default().to_owned();
        Self {
            name: KeyName::new(name).expect("a key name"),
            private_pem: as_a_keyring_gives_it(&path),
            public_line,
            fingerprint,
            generation: 1,
        }
    }
}

/// Keys in memory, with a record of what was done with them.
#[derive(Default)]
pub struct TestKeyring {
    /// Each with the pair before, while it is being rotated.
    keys: Mutex<BTreeMap<String, (KeyPair, Option<KeyPair>)>>,
    uses: Mutex<Vec<(KeyName, KeyUse)>>,
    answers: Mutex<Vec<(KeyVersion, GitService)>>,
    opened: AtomicUsize,
}

impl TestKeyring {
    pub fn with<'a>(keys: impl IntoIterator<Item = &'a KeyPair>) -> Arc<Self> {
        let keyring = Self::default();
        keys.into_iter().for_each(|key| keyring.put(key));
        Arc::new(keyring)
    }

    /// Adds the key, or replaces the one of the same name.
    pub fn put(&self, key: &KeyPair) {
        self.keys.lock().expect("keys").insert(key.name.to_string(), (key.clone(), None));
    }

    /// Begins a rotation: the key has a new pair, and keeps the one before.
    pub fn rotate(&self, name: &KeyName) -> KeyPair {
        let mut keys = self.keys.lock().expect("keys");
        let (old, _) = keys.remove(name.as_str()).expect("a key");
        let new = KeyPair { generation: old.generation + 1, ..KeyPair::ed25519(name.as_str()) };
        keys.insert(name.to_string(), (new.clone(), Some(old)));
        new
    }

    /// Ends a rotation.
    pub fn drop_previous(&self, name: &KeyName) {
        self.keys.lock().expect("keys").get_mut(name.as_str()).expect("a key").1 = None;
    }

    /// What was recorded, oldest first.
    pub fn uses(&self) -> Vec<(KeyName, KeyUse)> {
        self.uses.lock().expect("uses").clone()
    }

    /// The logins, oldest first: the fingerprint of the key pair, and what became of it.
    pub fn logins(&self) -> Vec<(String, String)> {
        self.uses().into_iter().map(|(_, used)| (used.fingerprint, used.outcome)).collect()
    }

    /// The services that answered to the new pair of a key.
    pub fn answers(&self) -> Vec<(KeyVersion, GitService)> {
        self.answers.lock().expect("answers").clone()
    }

    /// How often a private key was opened.
    pub fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    fn find(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        let keys = self.keys.lock().expect("keys");
        let Some((key, previous)) = keys.get(name.as_str()) else {
            return Err(Failure::new(FailureClass::Key, format!("there is no key {name}"), "add it"));
        };
        let previous = previous.as_ref().map(|previous| Box::new(previous.resolved(None)));
        Ok(key.resolved(previous))
    }
}

impl KeyPair {
    fn resolved(&self, previous: Option<Box<ResolvedKey>>) -> ResolvedKey {
        ResolvedKey {
            name: self.name.clone(),
            generation: self.generation,
            private_pem: self.private_pem.clone().into(),
            public_line: self.public_line.clone(),
            fingerprint: self.fingerprint.clone(),
            source: "test",
            previous,
        }
    }
}

#[async_trait::async_trait]
impl Keyring for TestKeyring {
    async fn resolve(&self, name: &KeyName) -> Result<ResolvedKey, Failure> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.find(name)
    }

    async fn version(&self, name: &KeyName) -> Result<KeyVersion, Failure> {
        Ok(self.find(name)?.version())
    }

    async fn record_use(&self, name: &KeyName, used: KeyUse) {
        self.uses.lock().expect("uses").push((name.clone(), used));
    }

    async fn record_answer(&self, _: &KeyName, version: &KeyVersion, service: GitService) {
        self.answers.lock().expect("answers").push((version.clone(), service));
    }
}

/// The name of the account that the tests run as.
pub fn current_user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id -un");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn find_program() -> Option<PathBuf> {
    let found = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"].map(PathBuf::from);
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "sshd is missing: apt-get install openssh-server");
        eprintln!("skipped: sshd is missing (apt-get install openssh-server)");
    }
    found
}

/// `PerSourcePenalties` came with OpenSSH 9.8; without `no`, failed logins of one test would shut out the others.
fn has_penalties(program: &Path) -> bool {
    let Ok(output) = Command::new(program).arg("-V").output() else { return false };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.strip_prefix("OpenSSH_").unwrap_or_default();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (9, 8)
}

/// What sessions are given is what the import wrote: ssh-keygen drops the leading zeros of an ECDSA key, which one key in 256
/// has and the decoder under russh does not read.
fn as_a_keyring_gives_it(path: &Path) -> String {
    let imported = import::read(&fs::read(path).expect("the private key"), None).expect("a key that is read");
    imported.private.to_openssh(LineEnding::LF).expect("a key that is written").to_string()
}

fn keygen(kind: &str, bits: &[&str], path: &Path) {
    let done = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-C", "test"])
        .args(bits)
        .arg("-f")
        .arg(path)
        .stdin(Stdio::null())
        .status();
    assert!(done.expect("ssh-keygen (apt-get install openssh-client)").success());
}
