//! The exec hook: a program that gets the event as JSON on standard input, and a limited time.

use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr};

use super::{Outcome, Sink};
use crate::config::CommandConfig;
use crate::domain::event::Event;

/// So much of what a failing program says is logged, in bytes.
const SAID: usize = 500;
/// So long its last words are waited for after its end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A program that is run for each event.
pub(super) struct Command {
    config: CommandConfig,
}

impl Command {
    pub(super) const fn new(config: CommandConfig) -> Self {
        Self { config }
    }

    /// Program and arguments.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.config.program, self.config.arguments.join(" "))
    }

    fn start(&self, event: &Event) -> std::io::Result<Child> {
        let mut command = tokio::process::Command::new(&self.config.program);
        command
            .args(&self.config.arguments)
            .env("APPFERRY_EVENT", event.what.kind())
            .env("APPFERRY_EVENT_ID", event.id.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        for name in &self.config.hidden {
            command.env_remove(name);
        }
        command.spawn()
    }
}

#[async_trait]
impl Sink for Command {
    async fn deliver(&self, event: &Event) -> Outcome {
        let body = match serde_json::to_vec(event) {
            Ok(body) => body,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        let mut child = match self.start(event) {
            Ok(child) => child,
            Err(error) => return Outcome::Down(format!("it cannot be started: {error}"), None),
        };
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let mut said = Vec::new();
        let ended = tokio::time::timeout(self.config.timeout, talk(&mut child, &body, &mut said)).await;
        let words = || String::from_utf8_lossy(&said).trim().to_owned();
        match ended {
            Ok(Ok(status)) => {
                group.0 = None; // what it left running on purpose may go on
                match status.code() {
                    Some(0) => Outcome::Delivered,
                    Some(code) => Outcome::Refused(format!("it ended with {code}: {}", words())),
                    None => Outcome::Refused(format!("it was killed: {status}")),
                }
            }
            Ok(Err(error)) => Outcome::Down(format!("it cannot be waited for: {error}"), None),
            Err(_) => {
                let limit = humantime::format_duration(self.config.timeout);
                Outcome::Refused(format!("it took longer than {limit} and was killed: {}", words()))
            }
        }
    }

    fn shown(&self) -> &str {
        &self.config.program
    }
}

/// Kills the processes of the program when it is dropped, also when the delivery itself is.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL); // it may be gone
        }
    }
}

/// Gives the program its input, listens, and waits for its end; not for that of what it started.
async fn talk(child: &mut Child, body: &[u8], said: &mut Vec<u8>) -> std::io::Result<std::process::ExitStatus> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(body).await; // it may end without reading
        }
    };
    let talking = async {
        tokio::join!(write, listen(stderr, said));
    };
    tokio::pin!(talking);
    tokio::select! {
        ended = child.wait() => {
            let _ = tokio::time::timeout(LAST_WORDS, &mut talking).await; // what it started may hold its output open
            ended
        }
        () = &mut talking => child.wait().await,
    }
}

async fn listen(stderr: Option<ChildStderr>, said: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let mut piece = [0; 512];
    while let Ok(length @ 1..) = stderr.read(&mut piece).await {
        let room = SAID.saturating_sub(said.len()).min(length);
        said.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
}
