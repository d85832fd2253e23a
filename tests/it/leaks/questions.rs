//! Questions to the running program: its processes, and its API.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::processes;
use super::scene::Scene;
use crate::support::PATIENCE;

const PROGRAM: &str = env!("CARGO_BIN_EXE_appferry");

impl Scene {
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
        let _ = stream.read_to_end(&mut answer); // what was refused unread cuts the connection off, after the answer
        answer
    }
}
