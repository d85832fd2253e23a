//! A scratch copy of this machine's system, with a real sshd in it: accounts and files can be made and broken there, and the machine
//! itself stays as it is. A mount namespace with overlays; it needs root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use super::process::{Server, free_port};
use super::{run, skip};

/// What is copied, so that what changes there is gone with the server.
const OVERLAID: &str = "etc home root var usr/local";

const ENTER: &str = r#"
set -e
upper=$1 config=$2 key=$3 sshd=$4
shift 4
mount -t tmpfs scratch "$upper"
for folder in OVERLAID; do
    name=$(printf %s "$folder" | tr / -)
    mkdir -p "$upper/$name" "$upper/$name.work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$upper/$name,workdir=$upper/$name.work" "/$folder"
done
mkdir -p /run/sshd /root/.ssh
chmod 700 /root /root/.ssh
cat "$key" >/root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
cat "$config" >/etc/ssh/sshd_config
rm -f /etc/nologin /run/nologin
exec "$sshd" -D -e -f /etc/ssh/sshd_config
"#;

/// A system with a server; gone when this is dropped.
pub struct Scratch {
    folder: TempDir,
    port: u16,
    server: Server,
}

impl Scratch {
    /// Starts one where `admin` logs in as root. `None` where that is not possible and this is not CI.
    pub fn start(admin: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            skip("a scratch system needs root");
            return None;
        }
        let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let Some(sshd) = sshd else {
            skip("sshd is not installed");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("scratch-").tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("upper")).expect("a folder");
        let host_key = at("host_key");
        let made = run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-f", &host_key.display().to_string()],
            Path::new("/"),
            b"",
        );
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(at("admin.pub"), format!("{admin}\n")).expect("write the admin's key");
        for _ in 0..5 {
            let port = free_port();
            fs::write(at("sshd_config"), config(port, &host_key, "")).expect("write sshd_config");
            let mut command = Command::new("unshare");
            command.args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                &ENTER.replace("OVERLAID", OVERLAID),
                "sh",
            ]);
            command.args([at("upper"), at("sshd_config"), at("admin.pub"), PathBuf::from(sshd)]);
            let Ok(mut server) = Server::start(&mut command) else {
                skip("unshare is not installed");
                return None;
            };
            if server.logs(&format!("Server listening on 127.0.0.1 port {port}.")) {
                return Some(Self { folder, port, server });
            }
            if ["mount", "unshare"].iter().any(|tool| server.log().contains(&format!("{tool}:"))) {
                skip(&format!("a scratch system cannot be mounted here: {}", server.log()));
                return None;
            }
        }
        panic!("sshd does not start in the scratch system")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `user@127.0.0.1:port`.
    pub fn login(&self, user: &str) -> String {
        format!("{user}@127.0.0.1:{}", self.port)
    }

    /// A `known_hosts` file with its key.
    pub fn known_hosts(&self) -> PathBuf {
        let path = self.folder.path().join("known_hosts");
        let key = fs::read_to_string(self.folder.path().join("host_key.pub")).expect("the host key");
        fs::write(&path, format!("[127.0.0.1]:{} {key}", self.port)).expect("write known_hosts");
        path
    }

    /// Runs a script in there.
    pub fn try_sh(&self, script: &str) -> Output {
        let pid = self.server.pid().as_raw_nonzero().to_string();
        run("nsenter", &["--mount", "--target", &pid, "sh", "-eu"], Path::new("/"), script.as_bytes())
    }

    /// Runs a script in there that must work, and answers what it printed.
    pub fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}\n{}", self.log());
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    /// The server goes on with these lines before its other settings.
    pub fn configure(&mut self, lines: &str) {
        let host_key = self.folder.path().join("host_key");
        let config = config(self.port, &host_key, lines);
        self.sh(&format!("cat >/etc/ssh/sshd_config <<'END'\n{config}\nEND\n/usr/sbin/sshd -t"));
        let listening = format!("Server listening on 127.0.0.1 port {}.", self.port);
        let before = self.log().matches(&listening).count();
        kill_process(self.server.pid(), Signal::HUP).expect("tell sshd");
        super::wait_for(
            super::PATIENCE,
            || self.log(),
            || (self.log().matches(&listening).count() > before).then_some(()),
        );
    }

    /// What sshd logged.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// sshd takes the first value of a setting.
fn config(port: u16, host_key: &Path, first: &str) -> String {
    format!(
        "{first}\nListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nUsePAM no\nStrictModes yes\nLogLevel VERBOSE\n\
         PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n\
         MaxStartups 500\nSetEnv SHLVL=5",
        host_key.display()
    )
}
