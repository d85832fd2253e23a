//! The folder of one run, with its sshd, its keys and its repositories.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Everything is below one temporary folder, which goes with it.
pub(crate) struct Place {
    folder: TempDir,
    sshd: Child,
    /// Where sshd listens on loopback.
    pub(crate) port: u16,
    /// The account of this run.
    pub(crate) user: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["host_key", "git_key"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(root.join(name)));
        }
        std::fs::copy(root.join("git_key.pub"), root.join("authorized_keys")).unwrap();
        let port = free_port();
        let sshd = start_sshd(root, port);
        let user = run(Command::new("id").arg("-un")).trim().to_owned();
        Self { folder, sshd, port, user }
    }

    /// A path below the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lets a public key log in.
    pub(crate) fn authorize(&self, line: &str) {
        let file = self.path("authorized_keys");
        let mut text = std::fs::read_to_string(&file).unwrap();
        let _ = writeln!(text, "{line}");
        std::fs::write(file, text).unwrap();
    }

    /// A `known_hosts` file for sshd as it is seen at `port`.
    pub(crate) fn known_hosts(&self, port: u16) -> PathBuf {
        let key = std::fs::read_to_string(self.path("host_key.pub")).unwrap();
        let file = self.path(&format!("known_hosts_{port}"));
        std::fs::write(&file, format!("[127.0.0.1]:{port} {key}")).unwrap();
        file
    }

    /// The URL of a path as it is seen at `port`.
    pub(crate) fn url(&self, path: &Path, port: u16) -> String {
        format!("ssh://{}@127.0.0.1:{port}{}", self.user, path.display())
    }

    /// `git`, with the run's key and nothing of the account's own settings.
    pub(crate) fn git(&self, folder: &Path, port: u16) -> Command {
        let (key, hosts) = (self.path("git_key"), self.known_hosts(port));
        let ssh = format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={}",
            key.display(),
            hosts.display()
        );
        let mut git = Command::new("git");
        git.arg("-C").arg(folder).env("GIT_SSH_COMMAND", ssh).env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_CONFIG_NOSYSTEM", "1").env_remove("SSH_AUTH_SOCK");
        for who in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{who}_NAME"), "peer").env(format!("GIT_{who}_EMAIL"), "peer@example.org");
        }
        git
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn start_sshd(root: &Path, port: u16) -> Child {
    let config = root.join("sshd_config");
    // SHLVL: else bash may read the account's login files at each command.
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {root}/host_key\nAuthorizedKeysFile {root}/authorized_keys\n\
         StrictModes no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\nLogLevel ERROR\n\
         SetEnv SHLVL=5\n",
        root = root.display()
    );
    std::fs::write(&config, text).unwrap();
    let _ = std::fs::create_dir_all("/run/sshd"); // wanted when started as root
    let mut sshd = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(&config)
        .stdin(Stdio::null())
        .spawn()
        .expect("OpenSSH's server is installed");
    let begun = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(sshd.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(10), "sshd does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    sshd
}

/// Runs a command to its end, and answers what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
