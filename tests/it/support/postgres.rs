//! A real PostgreSQL server on loopback, with a folder of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;
use tempfile::TempDir;

use super::process::free_port;
use super::{skip, wait_for};

const PATIENCE: Duration = Duration::from_mins(1);
/// With characters that a URL has to encode.
const PASSWORD: &str = "p@ss:w/rd";

/// A running server; it is ended when this is dropped.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// A session in the middle of a transaction; it is ended when this is dropped.
pub struct Held(Child);

impl Postgres {
    /// `None` when PostgreSQL is not installed and this is not CI.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skip("PostgreSQL is missing (apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().expect("a temporary folder");
        let mut server = Self { folder, programs, port: free_port(), child: None };
        server.init();
        server.restart();
        Some(server)
    }

    /// The URL of a new, empty database.
    pub fn database(&self, name: &str) -> SecretString {
        let done = self.as_owner("createdb").args(["-h", &self.socket(), "-p", &self.port.to_string(), name]).output();
        let done = done.expect("createdb");
        assert!(done.status.success(), "createdb: {}", String::from_utf8_lossy(&done.stderr));
        self.url(name)
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> SecretString {
        let password = PASSWORD.replace('@', "%40").replace(':', "%3A").replace('/', "%2F");
        format!("postgres://{}:{password}@127.0.0.1:{}/{name}", owner(), self.port).into()
    }

    /// Runs a statement behind the program's back.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let mut psql = self.as_owner("psql");
        psql.args(["-h", &self.socket(), "-p", &port, "-d", database, "-v", "ON_ERROR_STOP=1", "-Atc", statement]);
        let done = psql.output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
    }

    /// Begins a transaction with `statement`, and leaves it open.
    pub fn hold(&self, database: &str, statement: &str) -> Held {
        let mut psql = self.as_owner("psql");
        psql.args([
            "-h",
            &self.socket(),
            "-p",
            &self.port.to_string(),
            "-d",
            database,
            "-v",
            "ON_ERROR_STOP=1",
            "-qAt",
        ]);
        let mut held = Held(psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql"));
        let input = held.0.stdin.as_mut().expect("a pipe");
        writeln!(input, "BEGIN; {statement}; SELECT 'held';").expect("write to psql");
        let output = BufReader::new(held.0.stdout.as_mut().expect("a pipe"));
        assert!(output.lines().any(|line| line.expect("read from psql") == "held"), "psql ended");
        held
    }

    /// Ends the server at once, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = kill_process(Pid::from_child(&child), Signal::QUIT); // "immediate shutdown"
            let _ = child.wait();
        }
    }

    /// Starts the server (again), and waits until it answers.
    pub fn restart(&mut self) {
        self.kill();
        let log = fs::File::options().append(true).create(true).open(self.folder.path().join("log")).expect("a log");
        let mut command = self.as_owner("postgres");
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k", &self.socket()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=50"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("start postgres"));
        let explain = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        wait_for(PATIENCE, explain, || self.sql("postgres", "select 1").is_ok().then_some(()));
    }

    fn init(&self) {
        if let Some(account) = account() {
            fs::set_permissions(self.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).expect("mode");
            for folder in [self.data(), PathBuf::from(self.socket())] {
                fs::create_dir(&folder).expect("a folder");
                let done = Command::new("chown").arg(account).arg(&folder).status().expect("chown");
                assert!(done.success());
            }
        } else {
            fs::create_dir(self.socket()).expect("a folder");
        }
        let secret = self.folder.path().join("password");
        fs::write(&secret, PASSWORD).expect("write the password");
        fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("mode");
        let mut initdb = self.as_owner("initdb");
        initdb.arg("-D").arg(self.data()).arg("--pwfile").arg(&secret);
        initdb.args([
            "-U",
            owner(),
            "--auth-host=scram-sha-256",
            "--auth-local=trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        ]);
        let done = initdb.output().expect("initdb");
        assert!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn socket(&self) -> String {
        self.folder.path().join("socket").display().to_string()
    }

    /// PostgreSQL does not run as root: then it runs as the account that its package has made.
    fn as_owner(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match account() {
            Some(account) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", account, "--regid", account, "--clear-groups", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir("/").env("PGUSER", owner());
        command
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take()); // psql ends with its input, and the transaction with psql
        let _ = self.0.wait();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

fn owner() -> &'static str {
    "ferry"
}

fn account() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("postgres")
}

/// The newest version's programs, where Debian puts them.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions.flatten().map(|entry| entry.path().join("bin")).collect();
    found.retain(|bin| bin.join("postgres").exists() && bin.join("initdb").exists());
    let known_account = account().is_none_or(|account| {
        fs::read_to_string("/etc/passwd")
            .is_ok_and(|text| text.lines().any(|line| line.starts_with(&format!("{account}:"))))
    });
    found.sort();
    found.pop().filter(|_| known_account && Path::new("/usr/bin/setpriv").exists())
}
