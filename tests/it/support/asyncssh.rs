//! A Git host on asyncssh: the script `git_host.py` beside this file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::host::Host;
use super::process::Server;
use super::skip;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/git_host.py");

/// A running server.
pub struct Asyncssh {
    folder: TempDir,
    port: u16,
    server: Server,
}

impl Asyncssh {
    /// `None` when it is not installed and this is not CI.
    pub fn start() -> Option<Self> {
        let python = python();
        if !python.exists() {
            skip(&format!("{} is missing: ./test makes it", python.display()));
            return None;
        }
        let folder = tempfile::Builder::new().prefix("asyncssh-").tempdir().expect("a temporary folder");
        fs::write(folder.path().join("authorized_keys"), "").expect("write authorized_keys");
        let mut server = Server::start(Command::new(python).arg(SCRIPT).arg(folder.path())).expect("start python");
        assert!(server.logs("listening\n"), "git_host.py does not start:\n{}", server.log());
        let port = fs::read_to_string(folder.path().join("port")).expect("its port").parse().expect("a number");
        Some(Self { folder, port, server })
    }
}

/// The Python that `./test` installs asyncssh into, beside the build.
fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-servers").join("bin/python")
}

impl Host for Asyncssh {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn user(&self) -> String {
        "git".to_owned()
    }

    fn host_keys(&self) -> Vec<String> {
        let line = fs::read_to_string(self.folder.path().join("host_key.pub")).expect("the public host key");
        vec![line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")]
    }

    fn authorize(&self, public_line: &str) {
        let path = self.folder.path().join("authorized_keys");
        let mut file = fs::File::options().append(true).open(path).expect("open authorized_keys");
        writeln!(file, "{}", public_line.trim()).expect("write authorized_keys");
    }

    fn logins(&self) -> usize {
        self.server.log().matches("let in ").count()
    }

    fn folder_of(&self, repository: &str) -> PathBuf {
        self.folder.path().join(repository)
    }
}
