//! A world whose secrets are all known, and everything that came out of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use appferry::config::KeyStoreConfig;
use appferry::domain::KeyName;
use appferry::keys::KeyService;
use appferry::ports::Keyring;
use secrecy::ExposeSecret;

use super::{crash, processes};
use crate::support::instance::Instance;
use crate::support::search::{Secrets, files_below, temporary_files};
use crate::support::sshd::KeyPair;
use crate::support::world::World;
use crate::support::{PATIENCE, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_appferry");

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) dev: Instance,
    secrets: Secrets,
    /// The files that the test itself gave.
    given: Vec<PathBuf>,
    /// What commands and the API said.
    said: Vec<(String, Vec<u8>)>,
    began: i64,
}

impl Scene {
    /// An instance that logs all there is, started where cores may be dumped.
    pub(super) fn new() -> Option<Self> {
        let world = World::new()?;
        let mut dev = world.stranger("dev");
        let aside = dev.aside();
        dev.launcher = crash::launcher(&aside);
        dev.set("RUST_LOG", "trace").set("TMPDIR", aside.display().to_string());
        let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let began = i64::try_from(began).expect("a time");
        let (secrets, given, said) = (Secrets::default(), Vec::new(), Vec::new());
        Some(Self { world, dev, secrets, given, said, began })
    }

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
        let found = runtime.block_on(async {
            let config = KeyStoreConfig::embedded(&self.dev.data);
            let (mut service, _) = KeyService::open(&config, "the test").await.expect("the store");
            let mut found = Vec::new();
            for name in names {
                let key = KeyName::new(*name).expect("a name");
                if let Some(text) = passphrase {
                    service = service.with_passphrase(key.clone(), text.into());
                }
                let resolved = service.resolve(&key).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
                let previous = resolved.previous.clone();
                found.push(resolved);
                found.extend(previous.map(|previous| *previous));
            }
            service.close().await;
            found
        });
        for key in found {
            let what = format!("{} {}", key.name, key.fingerprint);
            self.secrets.add_key(&what, key.private_pem.expose_secret(), &key.public_line);
        }
        // The master key is read as it stands in its file, and as bytes.
        let master = fs::read_to_string(self.dev.data.join("master.key")).expect("the master key");
        let hex = master.get(..64).expect("64 digits");
        let byte = |i: usize| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex");
        self.secrets.add("the master key", &(0..32).map(byte).collect::<Vec<u8>>());
    }

    /// Runs a command that must work, and answers its standard output.
    pub(super) fn run(&mut self, args: &[&str]) -> String {
        let (worked, text) = self.command(args);
        assert!(worked, "appferry {args:?} failed: {}", self.last_words());
        text
    }

    /// Runs a command that must fail.
    pub(super) fn fail(&mut self, args: &[&str]) {
        let (worked, text) = self.command(args);
        assert!(!worked, "appferry {args:?} worked: {text}");
    }

    fn command(&mut self, args: &[&str]) -> (bool, String) {
        let output = self.dev.cli(args);
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        self.said.push((format!("{args:?}, standard error"), output.stderr));
        self.said.push((format!("{args:?}, standard output"), output.stdout));
        (output.status.success(), text)
    }

    fn last_words(&self) -> String {
        let (_, errors) = &self.said[self.said.len() - 2];
        let text = String::from_utf8_lossy(errors);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    /// Imports a key while the process waits for its passphrase, and looks at that process meanwhile.
    pub(super) fn import_with_the_passphrase_on_standard_input(&mut self, name: &str, file: &str, passphrase: &str) {
        let args = ["keys", "import", name, "--file", file, "--passphrase-stdin"];
        let mut command = Command::new(PROGRAM);
        command.args(args).env_clear().envs(&self.dev.env);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().expect("its input");
        stdin.write_all(passphrase.as_bytes()).expect("give it the passphrase");
        self.note_process("an import", child.id());
        drop(stdin);
        let output = child.wait_with_output().expect("its end");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.said.push((format!("{args:?}"), [output.stdout, output.stderr].concat()));
    }

    fn note_process(&mut self, what: &str, pid: u32) {
        processes::wait_until_it_dumps_no_core(pid);
        for (path, content) in processes::shown(pid) {
            assert!(!content.is_empty(), "{}", path.display());
            self.said.push((format!("{what}: {}", path.display()), content));
        }
    }

    pub(super) fn look_at_the_worker_s_process(&mut self) {
        let pid = self.dev.pid();
        self.note_process("the worker", pid);
    }

    pub(super) fn look_at_a_command_that_goes_on(&mut self) {
        let mut command = Command::new(PROGRAM);
        command.args(["keys", "audit", "--follow"]).env_clear().envs(&self.dev.env);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut first = [0; 1];
        child.stdout.as_mut().expect("its output").read_exact(&mut first).expect("a row of the log");
        self.note_process("the audit log", child.id());
        child.kill().expect("end it");
        child.wait().expect("its end");
    }

    /// Every address of the API, with the token, without it and with a wrong one.
    pub(super) fn ask_the_api(&mut self) {
        let token = fs::read_to_string(self.dev.data.join("api.token")).expect("the token").trim().to_owned();
        let api = ["status", "sync/confirm", "sync/resolve", "sync/push", "sync/add", "sync/backups"];
        let paths = api.iter().map(|path| format!("/api/v1/{path}"));
        let others = ["/healthz", "/readyz", "/", "/api/v1/sync/backups/restore", "/api/v1/nothing", "/%00"];
        for path in paths.chain(others.map(str::to_owned)) {
            for token in [Some(token.as_str()), Some("wrong"), None] {
                for (method, body) in [("GET", ""), ("POST", "{}"), ("POST", "{\"app\":1"), ("DELETE", "")] {
                    let answer = self.ask(method, &path, token, body);
                    assert!(answer.starts_with(b"HTTP/1.1 "), "{method} {path}");
                    self.said.push((format!("{method} {path}"), answer));
                }
            }
        }
        self.secrets.add("the API's token", token.as_bytes());
        self.given.push(self.dev.data.join("api.token"));
    }

    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Vec<u8> {
        let address = fs::read_to_string(self.dev.data.join("api.addr")).expect("the address");
        let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let mut stream = TcpStream::connect(address.trim()).expect("the API");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: here\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .expect("ask");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        answer
    }

    /// Looks everywhere.
    pub(super) fn look(&self, when: &str) {
        let mut found = self.secrets.in_files(&self.files());
        for (what, content) in &self.said {
            let secrets = self.secrets.in_text(content);
            if !secrets.is_empty() {
                found.push(format!("{what}: {secrets:?}"));
            }
        }
        let log = self.world.sshd.log();
        found.extend(self.secrets.in_text(log.as_bytes()).into_iter().map(|secret| format!("sshd's log: {secret}")));
        assert_eq!(found, [""; 0], "{when}");
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.dev.data.parent().expect("the instance's folder");
        let mut but = self.given.clone();
        but.push(self.dev.data.join("master.key"));
        let mut files = files_below(folder, &but);
        // The server's own keys lie there in the open, and each such file begins alike.
        let server = files_below(self.world.sshd.folder(), &[]);
        let is_its_key = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("host_"));
        files.extend(server.into_iter().filter(|path| !is_its_key(path)));
        files.extend(temporary_files(self.began));
        files
    }

    /// That the places were there, full of what is written at such times.
    pub(super) fn prove_that_it_looked(&self) {
        let names: Vec<String> = self.files().iter().map(|path| path.display().to_string()).collect();
        for name in ["/data/store.sqlite", "/log", "/backup.age", "/objects/", "/known_hosts"] {
            assert!(names.iter().any(|path| path.contains(name)), "{name} is not among {names:#?}");
        }
        let log = self.dev.whole_log();
        for words in ["TRACE", "kex impl", "write_auth_request", "db.statement"] {
            assert!(log.contains(words), "the log does not tell of {words}");
        }
        assert!(!self.secrets.in_files(&self.given).is_empty(), "the given files hold what is searched for");
    }
}
