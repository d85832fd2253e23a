//! Shell commands over real servers, and through the real program.

mod program;
mod runs;
#[path = "../../../examples/shell_command.rs"]
mod story;
mod trouble;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use appferry::domain::shell::{RunReport, SavedCommand, ShellHost, ShellName, Variable};
use appferry::ports::SshTarget;
use appferry::shell::{RunRequest, ShellService, Told, Who};
use appferry::ssh::{HostKeys, Sessions, Settings};
use appferry::store::Store;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring};

/// The service with a store of its own, and the host `box`.
struct Scene {
    shell: ShellService,
    store: Store,
    sessions: Arc<Sessions>,
    stop: CancellationToken,
    folder: TempDir,
}

impl Scene {
    async fn over(target: SshTarget, key: &KeyPair, known_hosts: PathBuf) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(folder.path(), "instance test").await.unwrap();
        let settings = Settings { login_timeout: Duration::from_secs(20), ..Settings::default() };
        let sessions = Arc::new(Sessions::new(TestKeyring::with([key]), HostKeys::new(Some(known_hosts)), settings));
        let stop = CancellationToken::new();
        let saved = ShellService::saved(Arc::new(store.clone()));
        let shell = saved.running("test", Arc::<Sessions>::clone(&sessions), TaskTracker::new(), stop.clone()).await;
        let SshTarget { host: address, port, user, key } = target;
        let host = ShellHost { name: name("box"), address, port, user, key, shell: <_>::default() };
        shell.put_host(&host, false).await.unwrap();
        Self { shell, store, sessions, stop, folder }
    }

    /// Over OpenSSH.
    async fn new(config: &[&str]) -> Option<(Sshd, Self)> {
        let extra_config = config.iter().map(|line| (*line).to_owned()).collect();
        let sshd = Sshd::start_with(Setup { extra_config, ..Setup::default() })?;
        let key = KeyPair::ed25519("deploy");
        sshd.authorize(&key.public_line);
        let scene = Self::over(sshd.target(&key), &key, sshd.known_hosts_file()).await;
        Some((sshd, scene))
    }

    async fn save(&self, command: &str, script: &str, variables: &[&str], change: impl FnOnce(&mut SavedCommand)) {
        let text = format!(r#"{{"name":"{command}","host":"box","script":"true"}}"#);
        let mut saved: SavedCommand = serde_json::from_str(&text).unwrap();
        saved.script = script.to_owned();
        saved.variables = variables.iter().map(|text| Variable::parse(text).unwrap()).collect();
        change(&mut saved);
        self.shell.save(&saved, false).await.unwrap();
    }

    async fn start(&self, command: &str, values: &[(&str, &[u8])]) -> Receiver<Told> {
        let values: BTreeMap<_, _> =
            values.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new(value.to_vec()))).collect();
        let request = RunRequest { values, ..RunRequest::default() };
        self.shell.run(&name(command), request, Who::Admin).await.unwrap()
    }

    async fn run(&self, command: &str, values: &[(&str, &[u8])]) -> RunReport {
        end_of(self.start(command, values).await).await
    }

    /// Saves a script under a name of its own, and runs it.
    async fn once(&self, script: &str, timeout_s: u64) -> RunReport {
        let command = format!("c{}", self.shell.commands().await.unwrap().len());
        self.save(&command, script, &[], |saved| saved.timeout_s = timeout_s).await;
        self.run(&command, &[]).await
    }
}

async fn end_of(mut told: Receiver<Told>) -> RunReport {
    while let Some(one) = told.recv().await {
        if let Told::Ended(report) = one {
            return *report;
        }
    }
    panic!("it never ended");
}

/// Waits until standard output begins with `text`.
async fn said(told: &mut Receiver<Told>, text: &str) {
    let mut came = Vec::new();
    while !came.starts_with(text.as_bytes()) {
        match told.recv().await.expect("more output") {
            Told::Stdout(_, bytes) => came.extend(bytes),
            Told::Began(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn name(text: &str) -> ShellName {
    ShellName::new(text).unwrap()
}
