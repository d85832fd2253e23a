//! One instance of the real program: its folders, its environment, its process.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use appferry::domain::status::{AppState, AppStatus, RepositoryState, RepositoryStatus, Status};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{PATIENCE, git, run, wait_for};

const PROGRAM: &str = env!("CARGO_BIN_EXE_appferry");

/// One instance; its process is killed when this is dropped.
pub struct Instance {
    folder: TempDir,
    /// Its data folder.
    pub data: PathBuf,
    /// The folder that it shares with its builder.
    pub apps: PathBuf,
    /// The environment it starts with; nothing else is handed down but `PATH`.
    pub env: BTreeMap<String, String>,
    /// What it is started by, if not directly.
    pub launcher: Vec<String>,
    child: Option<Child>,
}

impl Instance {
    /// Folders and the environment that every test wants; no key, no repository.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir().expect("a temporary folder");
        let (data, apps) = (folder.path().join("data"), folder.path().join("apps"));
        fs::create_dir_all(&apps).expect("make the apps folder");
        fs::create_dir_all(&data).expect("make the data folder");
        let env = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", folder.path().display().to_string()),
            ("RUST_LOG", "appferry=debug,info".into()),
            ("APPFERRY_DATA_DIR", data.display().to_string()),
            ("APPFERRY_APPS_DIR", apps.display().to_string()),
            ("APPFERRY_LISTEN", "127.0.0.1:0".into()),
            ("APPFERRY_INSTANCE", name.into()),
            ("APPFERRY_POLL_INTERVAL", "300ms".into()),
            ("APPFERRY_DEBOUNCE", "100ms".into()),
        ];
        let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, data, apps, env, launcher: Vec::new(), child: None }
    }

    /// Sets a variable for the next start.
    pub fn set(&mut self, variable: &str, value: impl Into<String>) -> &mut Self {
        self.env.insert(variable.to_owned(), value.into());
        self
    }

    /// A folder of the test's own on the same file system as the apps.
    pub fn aside(&self) -> PathBuf {
        let aside = self.folder.path().join("aside");
        fs::create_dir_all(&aside).expect("make the folder");
        aside
    }

    /// Makes a key of that name and answers its public line.
    pub fn generate_key(&self, name: &str) -> String {
        self.generate_key_of(name, "ed25519")
    }

    /// As [`generate_key`](Self::generate_key), of the type `ed25519` or `rsa`.
    pub fn generate_key_of(&self, name: &str, kind: &str) -> String {
        let bits: &[&str] = if kind == "rsa" { &["--bits", "2048"] } else { &[] };
        let output = self.cli(&[&["keys", "generate", name, "--type", kind], bits].concat());
        assert!(output.status.success(), "keys generate: {}", String::from_utf8_lossy(&output.stderr));
        let line = String::from_utf8(output.stdout).expect("text");
        assert_eq!(line.lines().count(), 1, "only the public key line belongs on standard output: {line}");
        line.trim().to_owned()
    }

    /// Runs a command of the program to its end.
    pub fn cli(&self, args: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(args).env_clear().envs(&self.env).stdin(Stdio::null());
        command.output().expect("run the program")
    }

    /// As [`cli`](Self::cli), with something on standard input.
    pub fn cli_with_input(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self.cli_command(args).stdin(Stdio::piped()).spawn().expect("run the program");
        // It may end without reading.
        let _ = child.stdin.take().expect("its standard input").write_all(input);
        child.wait_with_output().expect("its end")
    }

    /// A command of the program with its output piped, to be spawned by the test.
    pub fn cli_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).env_clear().envs(&self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command of the program that must work, and answers its standard output.
    pub fn cli_text(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "appferry {args:?} failed:\n{out}\n{err}\n{}", self.log());
        out.into_owned()
    }

    /// Starts the worker and waits until it answers.
    pub fn start(&mut self) -> &mut Self {
        self.spawn();
        wait_for(PATIENCE, || format!("the worker never answered\n{}", self.log()), || self.try_status());
        self
    }

    /// Starts the worker without waiting.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "already running");
        let mut words = self.launcher.clone();
        words.extend([PROGRAM.to_owned(), "run".to_owned()]);
        let log = File::options().append(true).create(true).open(self.log_path()).expect("open the log");
        let child = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(&self.env)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log twice"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("start the program"));
    }

    /// Sends SIGTERM and asserts that the worker ends with 0.
    pub fn stop(&mut self) {
        let status = self.end_with(Signal::TERM);
        assert_eq!(status.code(), Some(0), "the worker did not end cleanly: {status}\n{}", self.log());
    }

    /// Sends a signal and waits for the end.
    pub fn end_with(&mut self, signal: Signal) -> ExitStatus {
        let mut child = self.child.take().expect("a running worker");
        kill_process(Pid::from_child(&child), signal).expect("send the signal");
        wait_for(
            PATIENCE,
            || format!("{signal:?} did not end the worker\n{}", self.log()),
            || child.try_wait().expect("its state"),
        )
    }

    /// SIGKILL, wherever it is.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// How the worker ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("a running worker");
        wait_for(PATIENCE, || "the worker goes on".into(), || child.try_wait().expect("its state"))
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a running worker").id()
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// What the worker says of itself.
    pub fn status(&self) -> Status {
        self.try_status().unwrap_or_else(|| panic!("no status\n{}", self.log()))
    }

    /// The one repository.
    pub fn repository(&self) -> RepositoryStatus {
        self.status().repositories.into_iter().next().unwrap_or_default()
    }

    fn try_status(&self) -> Option<Status> {
        let (code, body) = self.http_get("/api/v1/status", true)?;
        (code == 200).then(|| serde_json::from_slice(&body).expect("a status"))
    }

    /// One HTTP request to the API, with or without the token.
    pub fn http_get(&self, path: &str, with_token: bool) -> Option<(u16, Vec<u8>)> {
        let address = fs::read_to_string(self.data.join("api.addr")).ok()?;
        let token = fs::read_to_string(self.data.join("api.token")).ok()?;
        let authorization =
            if with_token { format!("Authorization: Bearer {}\r\n", token.trim()) } else { String::new() };
        let mut stream = TcpStream::connect(address.trim()).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\n{authorization}Connection: close\r\n\r\n", address.trim())
            .ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer); // a connection that is cut off afterwards takes nothing back
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
        let code = String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()?;
        Some((code, answer.split_off(end + 4)))
    }

    /// Waits until the repository's status is as `wanted` says.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&RepositoryStatus) -> bool) -> RepositoryStatus {
        self.wait_until_within(PATIENCE, what, wanted)
    }

    /// As [`wait_until`](Self::wait_until), with a limit of its own.
    pub fn wait_until_within(
        &self,
        limit: Duration,
        what: &str,
        wanted: impl Fn(&RepositoryStatus) -> bool,
    ) -> RepositoryStatus {
        let explain = || format!("wanted: {what}\n{:#?}\n{}", self.try_status(), self.log());
        wait_for(limit, explain, || {
            self.try_status()?.repositories.into_iter().next().filter(|repository| wanted(repository))
        })
    }

    /// Waits until both sides are equal and everything is pushed, as far as the worker has noticed: right after a save, wait
    /// for the save's effect instead.
    pub fn wait_until_in_sync(&self) -> RepositoryStatus {
        self.wait_until("everything in sync", is_in_sync)
    }

    /// Waits until an app is in a state.
    pub fn wait_for_app(&self, name: &str, state: AppState) -> AppStatus {
        let repository = self.wait_until(&format!("{name} {state:?}"), |repository| {
            app(repository, name).is_some_and(|found| found.state == state)
        });
        app(&repository, name).cloned().expect("just seen")
    }

    /// Waits until the repository is in a state.
    pub fn wait_for_state(&self, state: RepositoryState) -> RepositoryStatus {
        self.wait_until(&format!("{state:?}"), |repository| repository.state == state)
    }

    /// Waits until something holds, and shows status and log if it never does.
    pub fn wait(&self, limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
        let explain = || format!("wanted: {what}\n{:#?}\n{}", self.try_status(), self.log());
        wait_for(limit, explain, || holds().then_some(()));
    }

    /// What it has logged, over all starts: the last 200 lines.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(200)..].join("\n")
    }

    /// All that it has logged.
    pub fn whole_log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The bare repositories in its data folder.
    pub fn local_repositories(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        find_repositories(&self.data, &mut found);
        found
    }

    /// Whether `needle` is in a file of some commit or tree that a ref of the local repository still reaches.
    pub fn still_has(&self, needle: &str) -> bool {
        self.local_repositories().iter().any(|repository| {
            let refs = git(repository, &["for-each-ref", "--format=%(objectname)"]);
            let commits = git(repository, &["rev-list", "--all"]);
            let found =
                |id: &str| run("git", &["grep", "-q", "-F", "-e", needle, id], repository, b"").status.success();
            refs.lines().chain(commits.lines()).any(found)
        })
    }

    /// Proves that every object of its own repositories is there and sound.
    pub fn fsck(&self) {
        for repository in self.local_repositories() {
            git(&repository, &["fsck", "--full", "--strict"]);
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- log of {}\n{}", self.env["APPFERRY_INSTANCE"], self.log());
        }
    }
}

/// The app of that name.
pub fn app<'a>(repository: &'a RepositoryStatus, name: &str) -> Option<&'a AppStatus> {
    repository.apps.iter().find(|app| app.name == name)
}

/// Both sides are equal, all is pushed, and no app says otherwise.
pub fn is_in_sync(repository: &RepositoryStatus) -> bool {
    repository.state == RepositoryState::InSync
        && repository.unpushed == 0
        && repository.apps.iter().all(|app| app.state == AppState::InSync)
}

fn find_repositories(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("HEAD").is_file() && folder.join("objects").is_dir() {
        found.push(folder.to_owned());
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find_repositories(&entry.path(), found);
        }
    }
}
