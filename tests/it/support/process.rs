//! Server processes of a test: their logs, their ports, and their end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// What a server has logged.
#[derive(Default)]
pub struct Log {
    text: Mutex<String>,
    grew: Condvar,
}

impl Log {
    /// All lines so far.
    pub fn text(&self) -> String {
        self.text.lock().expect("the log").clone()
    }

    /// Adds the lines of a stream, in a thread that ends with it.
    pub fn follow(self: &Arc<Self>, stderr: impl std::io::Read + Send + 'static) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let mut text = log.text.lock().expect("the log");
                text.push_str(String::from_utf8_lossy(&line).trim_end());
                text.push('\n');
                log.grew.notify_all();
            }
        });
    }

    /// Waits until the text after byte `from` holds `needle`; answers whether it does.
    pub fn wait_for(&self, needle: &str, from: usize, patience: Duration) -> bool {
        let text = self.text.lock().expect("the log");
        let (text, _) = self.grew.wait_timeout_while(text, patience, |t| !t[from..].contains(needle)).expect("the log");
        text[from..].contains(needle)
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

/// A port on loopback that nobody listens at right now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
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
    log: Arc<Log>,
}

impl Server {
    /// Starts it and reads its log from its standard error.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let log = Arc::<Log>::default();
        log.follow(child.stderr.take().expect("its log"));
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
