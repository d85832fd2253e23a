//! A shell command: saved once by an admin, run by its name, with a value that would do harm as source.
//!
//! It starts an SSH server of its own on loopback: OpenSSH's `sshd` and `ssh-keygen` must be installed.
//!
//! `cargo run --example shell_command`

#![allow(unreachable_pub, reason = "a test runs it, too")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use appferry::client::Client;
use appferry::config::{Config, DiskFiles, Environment, KeyStoreConfig};
use appferry::daemon::Daemon;
use appferry::domain::KeyName;
use appferry::domain::shell::{FailRule, RowsAs, SavedCommand, Shell, ShellHost, ShellName, Variable};
use appferry::http::{RunBody, ShellEvent};
use appferry::keys::{KeyKind, KeyService, Protection};
use appferry::shell::ShellService;

/// What somebody fills in. As source it would make a file; as a value it is a text like any other.
const VALUE: &str = "orders; touch made-by-a-value";

/// Plays the story.
///
/// # Errors
/// Whatever does not work.
#[tokio::main]
pub async fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let data = folder.path().join("data");
    let server = Server::start(folder.path())?;
    println!("a server listens on port {}", server.port);

    let public_line = save(&data, &server).await?;
    fs::write(server.authorized_keys(), public_line)?;
    let worker = Daemon::start(config(&data, &server.known_hosts())?).await?;
    let rows = run(&data).await;
    worker.stop().await?;

    let rows = rows?;
    ensure!(rows == [VALUE, "3"], "the value came back as it was, as one word: {rows:?}");
    ensure!(!server.folder.join("made-by-a-value").exists(), "no value is ever run");
    Ok(())
}

/// What an admin does, once: a key, a host, and a command with two variables. Answers the key's public line.
async fn save(data: &Path, server: &Server) -> anyhow::Result<String> {
    let (keys, _notices) = KeyService::open(&KeyStoreConfig::embedded(data), "example").await?;
    let key = keys.generate(&KeyName::new("ops")?, KeyKind::Ed25519, Protection::None).await?;
    let shell = ShellService::saved(keys.shell_records());
    let (name, address) = (ShellName::new("web")?, "127.0.0.1".to_owned());
    let (port, user, key_name) = (server.port, account()?, KeyName::new("ops")?);
    let host = ShellHost { name: name.clone(), address, port, user, key: key_name, shell: Shell::Sh };
    shell.put_host(&host, false).await?;

    let command = SavedCommand {
        name: ShellName::new("show")?,
        host: name,
        script: format!("cd '{}'\nprintf '%s\\n' {{{{text}}}} {{{{count}}}}", server.folder.display()),
        variables: vec![Variable::parse("text")?, Variable::parse("count:int")?],
        timeout_s: 30,
        rows: RowsAs::Lines,
        fail: FailRule::default().with("rows-under:1")?,
    };
    shell.save(&command, false).await?;
    let wrong = SavedCommand { script: "sh -c {{text}}".to_owned(), ..command };
    match shell.save(&wrong, true).await {
        Err(refused) => println!("refused: {refused}"),
        Ok(()) => bail!("a value must not become source"),
    }
    keys.close().await;
    Ok(key.pair.public_key)
}

/// What a builder does, over the API: it names the command and gives the values. Answers the rows.
async fn run(data: &Path) -> anyhow::Result<Vec<String>> {
    let vars = BTreeMap::from([("text".to_owned(), VALUE.into()), ("count".to_owned(), 3.into())]);
    let body = RunBody { vars, ..RunBody::default() };
    let mut rows = Vec::new();
    let each = |event| {
        if let ShellEvent::Ended { report } = event {
            println!("on {}: {} after {} ms", report.host, report.ended.words(), report.duration_ms);
            let line = |row: &serde_json::Map<String, serde_json::Value>| row.get("line")?.as_str().map(str::to_owned);
            rows = report.rows.iter().filter_map(line).collect();
        }
        Ok(())
    };
    Client::open(data)?.shell_run("show", &body, each).await?;
    for row in &rows {
        println!("     {row}");
    }
    Ok(rows)
}

fn account() -> anyhow::Result<String> {
    let said = Command::new("id").arg("-un").output().context("id is not installed")?;
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}

/// A worker without Git Sync: shell commands need none.
fn config(data: &Path, known_hosts: &Path) -> anyhow::Result<Config> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let environment = Environment::of([
        ("APPFERRY_DATA_DIR", text(data)),
        ("APPFERRY_KNOWN_HOSTS", text(known_hosts)),
        ("APPFERRY_LISTEN", "127.0.0.1:0".to_owned()),
    ]);
    Config::from_environment(&environment, &DiskFiles).map_err(|errors| anyhow::anyhow!("{errors}"))
}

/// OpenSSH on loopback, as the current user; it ends when this is dropped.
struct Server {
    folder: PathBuf,
    port: u16,
    child: Child,
}

impl Server {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let program = program.context("sshd is not installed; on Debian, `apt-get install openssh-server`")?;
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(folder.join("host_key"))
            .status();
        ensure!(made.context("ssh-keygen is not installed")?.success(), "no host key");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let at = |name: &str| folder.join(name).display().to_string();
        let lines = [
            format!("ListenAddress 127.0.0.1:{port}"),
            format!("HostKey {}", at("host_key")),
            format!("AuthorizedKeysFile {}", at("authorized_keys")),
            "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n".to_owned(),
        ];
        fs::write(folder.join("sshd_config"), lines.join("\n"))?;
        let mut command = Command::new(program);
        command
            .arg("-f")
            .arg(folder.join("sshd_config"))
            .args(["-D", "-e"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let mut server =
            Self { folder: folder.to_owned(), port, child: command.spawn().context("sshd does not start")? };
        let said = BufReader::new(server.child.stderr.take().context("no log")?);
        let mut log = said.lines();
        let listens = log.by_ref().map_while(Result::ok).any(|line| line.starts_with("Server listening"));
        ensure!(listens, "sshd does not start; it wants the folder /run/sshd where root starts it");
        std::thread::spawn(move || log.for_each(drop)); // so that it never waits for its log to be read
        Ok(server)
    }

    fn authorized_keys(&self) -> PathBuf {
        self.folder.join("authorized_keys")
    }

    /// A `known_hosts` file with its key.
    fn known_hosts(&self) -> PathBuf {
        let path = self.folder.join("known_hosts");
        let key = fs::read_to_string(self.folder.join("host_key.pub")).unwrap_or_default();
        let _ = fs::write(&path, format!("[127.0.0.1]:{} {key}", self.port));
        path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
