//! Server processes of a test: their logs, their ports, and their end.

use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// What a server has logged, over all its starts: a file without a name, so that whatever was written can be read at once.
pub struct Log(File);

impl Default for Log {
    fn default() -> Self {
        Self(tempfile::tempfile().expect("a file for the log"))
    }
}

impl Log {
    /// Where the server is to write.
    pub fn sink(&self) -> Stdio {
        self.0.try_clone().expect("the log twice").into()
    }

    /// All that was written so far.
    pub fn text(&self) -> String {
        let mut bytes = vec![0; usize::try_from(self.0.metadata().expect("the log").len()).expect("a length")];
        let length = self.0.read_at(&mut bytes, 0).expect("read the log");
        String::from_utf8_lossy(&bytes[..length]).replace('\r', "")
    }

    /// Waits until the text after byte `from` holds `needle`; answers whether it does.
    pub fn wait_for(&self, needle: &str, from: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.text().get(from..).is_some_and(|text| text.contains(needle)) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

/// Kills a server and all that it started, and waits for its end.
pub fn kill_tree(child: &mut Child) {
    let server = pid_of(child);
    let _ = kill_process(server, Signal::STOP); // it starts nothing new while we look
    for pid in descendants(server).into_iter().chain([server]) {
        let _ = kill_process(pid, Signal::KILL);
    }
    child.wait().expect("wait for the server");
}

/// A port on loopback that nobody listens at right now, nor will: the system gives those below 32768 to nobody by itself. So
/// a server that is stopped finds its port free when it starts again, and where none is started, nobody answers.
pub fn free_port() -> u16 {
    loop {
        let random = RandomState::new().build_hasher().finish();
        let port = u16::try_from(10_000 + random % 22_000).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Its process id.
pub fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// All processes below `root`, by the parent numbers in `/proc`.
pub fn descendants(root: Pid) -> Vec<Pid> {
    let processes: Vec<(i32, i32)> = fs::read_dir("/proc")
        .expect("/proc")
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let after_name = stat.rsplit_once(')')?.1; // the name may hold anything
            Some((pid, after_name.split_whitespace().nth(1)?.parse().ok()?))
        })
        .collect();
    let mut found = vec![root.as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(processes.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// A server program of a test; it and all that it started are killed when this is dropped.
pub struct Server {
    child: Child,
    log: Log,
}

impl Server {
    /// Starts it and reads its log from its standard error.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let log = Log::default();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.sink()).spawn()?;
        Ok(Self { child, log })
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        pid_of(&self.child)
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// Waits until it has logged `needle`; not any longer when it ends before.
    pub fn logs(&mut self, needle: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.log.wait_for(needle, 0, Duration::from_millis(50)) {
                return true;
            }
            if self.has_ended() {
                return false;
            }
        }
        false
    }

    /// Waits until something listens at `port`; not any longer when the server ends before.
    pub fn listens(&mut self, port: u16) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && !self.has_ended() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        kill_tree(&mut self.child);
        if std::thread::panicking() {
            eprintln!("---- the server's log\n{}", self.log());
        }
    }
}
