//! The program, running.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::{Place, run};

/// Every save waits this long; it is taken off again. Long enough to prepare the push meanwhile, as the default of 1 s is.
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_mins(10);

/// One `appferry run`, ended with it.
pub(crate) struct Instance {
    child: Child,
    settings: Vec<(&'static str, String)>,
    pub(crate) apps: PathBuf,
    bare: PathBuf,
    /// When the worker was started; its key was made before.
    pub(crate) started: Instant,
}

impl Instance {
    /// Starts one on the apps in the folder `<name>_apps` and a bare repository, as it is seen at `port`.
    pub(crate) fn start(place: &Place, name: &str, bare: &Path, port: u16, poll: &str) -> Self {
        let apps = place.path(&format!("{name}_apps"));
        std::fs::create_dir_all(&apps).unwrap();
        let settings = settings(place, name, bare, port, poll, &apps);
        let printed = run(program(&settings).args(["keys", "generate", "bench"]));
        let public = printed.lines().find(|line| line.starts_with("ssh-")).expect("the public key line is printed");
        place.authorize(public.trim());
        let log = std::fs::File::create(place.path(&format!("{name}.log"))).unwrap();
        let mut worker = program(&settings);
        let started = Instant::now();
        let child = worker.arg("run").stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { child, settings, apps, bare: bare.to_owned(), started }
    }

    /// Starts one with nothing but a tunnel to `target`, and answers where that listens.
    pub(crate) fn with_tunnel(place: &Place, target: std::net::SocketAddr) -> (Self, std::net::SocketAddr) {
        let apps = place.path("tunnel_apps");
        let mut settings = settings(place, "tunnel", &apps, place.port, "1h", &apps);
        settings.retain(|(name, _)| !name.starts_with("GIT_SYNC_"));
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let bastion = format!("{}@127.0.0.1:{}", place.user, place.port);
        let tunnel = format!("listen={address};bastion={bastion};key=bench;target={target};eager=true");
        settings.push(("APPFERRY_TUNNEL_bench", tunnel));
        let printed = run(program(&settings).args(["keys", "generate", "bench"]));
        place.authorize(printed.lines().find(|line| line.starts_with("ssh-")).expect("a public key").trim());
        let started = Instant::now();
        let child = program(&settings).arg("run").stdout(Stdio::null()).spawn().unwrap();
        until(|| std::net::TcpStream::connect(address).is_ok());
        (Self { child, settings, apps: apps.clone(), bare: apps, started }, address)
    }

    /// Waits until it says that both sides are equal.
    pub(crate) fn wait_until_in_sync(&mut self) {
        let begun = Instant::now();
        while !self.is_in_sync() {
            assert!(self.child.try_wait().unwrap().is_none(), "the program ended");
            assert!(begun.elapsed() < PATIENCE, "the sides do not become equal: {}", self.status());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_in_sync(&self) -> bool {
        let Ok(status) = serde_json::from_str::<serde_json::Value>(&self.status()) else { return false };
        let repository = &status["repositories"][0];
        repository["state"] == "in_sync" && repository["unpushed"] == 0 && !repository["last_sync"].is_null()
    }

    fn status(&self) -> String {
        let out = program(&self.settings).args(["status", "--json"]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Where the branch of the bare repository is: read from its file, several thousand times a second if need be.
    pub(crate) fn remote_ref(&self) -> String {
        std::fs::read_to_string(self.bare.join("refs/heads/main")).unwrap_or_default()
    }

    /// Saves a file, and answers how long it took to reach the remote's ref, without the debounce time.
    pub(crate) fn save(&self, file: &Path, content: &str) -> Duration {
        let before = self.remote_ref();
        std::fs::write(self.apps.join(file), content).unwrap();
        let begun = Instant::now();
        until(|| self.remote_ref() != before);
        begun.elapsed().saturating_sub(DEBOUNCE)
    }

    /// A line of `/proc/<pid>/status`, in MiB.
    pub(crate) fn memory_mib(&self, line: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
        let kib: f64 = line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        format!("{:.1} MiB", kib / 1024.0)
    }

    /// Processor time of all its threads so far.
    pub(crate) fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let spent = threads.map(|thread| {
            let text = std::fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or(0_u64)
        });
        Duration::from_nanos(spent.sum())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = rustix::process::Pid::from_raw(pid)
                .map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        }
        let _ = self.child.wait();
    }
}

/// Looks 5,000 times a second.
pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "it did not happen");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn settings(place: &Place, name: &str, bare: &Path, port: u16, poll: &str, apps: &Path) -> Vec<(&'static str, String)> {
    let text = |path: PathBuf| path.display().to_string();
    vec![
        ("HOME", text(place.path("home"))),
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("RUST_LOG", "warn".into()),
        ("APPFERRY_DATA_DIR", text(place.path(&format!("{name}_data")))),
        ("APPFERRY_APPS_DIR", text(apps.to_owned())),
        ("APPFERRY_KNOWN_HOSTS", text(place.known_hosts(port))),
        ("APPFERRY_LISTEN", "127.0.0.1:0".into()),
        ("APPFERRY_POLL_INTERVAL", poll.into()),
        ("APPFERRY_DEBOUNCE", format!("{}ms", DEBOUNCE.as_millis())),
        ("GIT_SYNC_IS_GLOBAL", "true".into()),
        ("GIT_SYNC_SSH_REPO_URL", place.url(bare, port)),
        ("GIT_SYNC_BRANCH_NAME", "main".into()),
        ("GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME", "bench".into()),
        ("GIT_SYNC_IS_AUTO_SAVE", "true".into()),
        ("GIT_SYNC_CREATE_REPO_ON_APP_ADD", "true".into()),
    ]
}

fn program(settings: &[(&'static str, String)]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_appferry"));
    program.env_clear().envs(settings.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    program
}
