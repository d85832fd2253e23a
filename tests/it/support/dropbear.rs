//! A dropbear server on loopback.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::host::Host;
use super::process::{Server, free_port};
use super::skip;

const PROGRAM: &str = "/usr/sbin/dropbear";

/// The account that it thinks it runs as. dropbear looks for keys in the account's home folder and nowhere else, so it gets
/// an account database of its own, in which this name is us and the home folder is the test's.
const ACCOUNT: &str = "git";

/// A running server.
pub struct Dropbear {
    folder: TempDir,
    port: u16,
    server: Server,
}

impl Dropbear {
    /// `None` when it is not installed and this is not CI.
    pub fn start() -> Option<Self> {
        let Some(accounts) = account_wrapper().filter(|_| Path::new(PROGRAM).exists()) else {
            skip("dropbear or nss_wrapper is missing: apt-get install dropbear-bin libnss-wrapper");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("dropbear-").tempdir().expect("a temporary folder");
        set_up(folder.path());
        for _ in 0..5 {
            // Somebody else may take the free port in between: then another one is tried.
            let port = free_port();
            let mut server = Server::start(&mut command(folder.path(), &accounts, port)).expect("start dropbear");
            if server.listens(port) {
                return Some(Self { folder, port, server });
            }
            assert!(server.log().contains("Address already in use"), "dropbear does not start:\n{}", server.log());
        }
        panic!("no port is free");
    }
}

/// The library that gives a program other accounts; Debian keeps it in a folder of the machine's kind.
fn account_wrapper() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("libnss_wrapper.so")).find(|library| library.exists())
}

fn set_up(folder: &Path) {
    let keys = folder.join("home/.ssh");
    fs::create_dir_all(&keys).expect("make the home folder");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o700)).expect("close it");
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let account = format!("{ACCOUNT}:x:{user}:{group}::{}:/bin/sh\n", folder.join("home").display());
    fs::write(folder.join("passwd"), account).expect("write the accounts");
    fs::write(folder.join("group"), format!("{ACCOUNT}:x:{group}:\n")).expect("write the groups");
    let made = Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(folder.join("host_key")).output();
    assert!(made.expect("dropbearkey comes with dropbear").status.success());
}

fn command(folder: &Path, accounts: &Path, port: u16) -> Command {
    let mut dropbear = Command::new(PROGRAM);
    // In the foreground, its log on standard error, no passwords, no forwarding.
    dropbear.args(["-F", "-E", "-s", "-j", "-k", "-p", &format!("127.0.0.1:{port}")]);
    dropbear.arg("-r").arg(folder.join("host_key")).arg("-P").arg(folder.join("pid"));
    dropbear.env("LD_PRELOAD", accounts).env("NSS_WRAPPER_PASSWD", folder.join("passwd"));
    dropbear.env("NSS_WRAPPER_GROUP", folder.join("group"));
    dropbear
}

impl Host for Dropbear {
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn user(&self) -> String {
        ACCOUNT.to_owned()
    }

    fn host_keys(&self) -> Vec<String> {
        let shown = Command::new("dropbearkey").arg("-y").arg("-f").arg(self.folder.path().join("host_key")).output();
        let shown = String::from_utf8(shown.expect("dropbearkey").stdout).expect("text");
        let line = shown.lines().find(|line| line.starts_with("ssh-")).expect("the public key");
        vec![line.split(' ').take(2).collect::<Vec<_>>().join(" ")]
    }

    fn authorize(&self, public_line: &str) {
        let path = self.folder.path().join("home/.ssh/authorized_keys");
        let mut file = fs::File::options().append(true).create(true).open(&path).expect("open authorized_keys");
        writeln!(file, "{}", public_line.trim()).expect("write authorized_keys");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("close it");
    }

    fn logins(&self) -> usize {
        self.server.log().matches("Pubkey auth succeeded").count()
    }

    fn folder_of(&self, repository: &str) -> PathBuf {
        self.folder.path().join(repository)
    }
}
