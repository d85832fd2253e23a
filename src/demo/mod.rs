//! The demo: a Git server and two instances on one machine, with everything that happens between them shown live.

mod folders;
mod history;
mod look;
mod sample;
mod serve_git;
pub mod server;
mod view;

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use self::folders::Folders;
use self::server::GitServer;
use self::view::{View, Watched};
use crate::config::{
    AutoPull, Config, Credential, EventsConfig, HostKeyPolicy, InputConfig, KeyStoreConfig, LogFormat, SyncConfig,
    WebConfig,
};
use crate::daemon::Daemon;
use crate::domain::merge::DEFAULT_IDENTITY_FIELDS;
use crate::domain::tunnel::AllowedTargets;
use crate::domain::{BranchName, KeyName, OnProtected, RepoUrl};
use crate::keys::{KeyKind, KeyService, Protection};

/// How often the view looks.
const TICK: Duration = Duration::from_millis(250);

/// The instance that may edit.
const DEVELOPMENT: &str = "development";

/// The instance that is locked.
const PRODUCTION: &str = "production";

/// Shows two instances and a Git server on this machine, live.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct DemoArgs {
    /// Put the folders here (empty or new), and leave them there at the end
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,

    /// End after so many seconds, not only on Ctrl-C
    #[arg(long = "for", value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

/// Runs the demo until Ctrl-C, or for the time that `args` gives.
///
/// # Errors
/// There is no `git` program, the folder is not empty, or an instance does not start.
pub async fn run(args: DemoArgs) -> anyhow::Result<()> {
    let folders = Folders::create(args.folder.as_deref())?;
    let end = async {
        match args.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let mut stage = Stage::default();
    let played = tokio::select! {
        () = interrupted() => Ok(()),
        () = end => Ok(()),
        played = play(&folders, &mut stage) => played,
    };
    say("\nStopping … (Ctrl-C again: at once)");
    tokio::select! {
        () = interrupted() => {}
        () = stage.clear() => {}
    }
    say(&folders.clean_up());
    played
}

/// What runs, and must be stopped however the demo ends.
#[derive(Default)]
struct Stage {
    server: Option<GitServer>,
    instances: Vec<Daemon>,
}

impl Stage {
    async fn clear(self) {
        for instance in self.instances {
            if let Err(error) = instance.stop().await {
                say(&format!("{error:#}"));
            }
        }
        if let Some(server) = self.server {
            server.shutdown().await;
        }
    }
}

/// Sets everything up and shows what happens, for ever.
async fn play(folders: &Folders, stage: &mut Stage) -> anyhow::Result<()> {
    server::create_bare(&folders.repository()).await?;
    let key = KeyName::new("demo")?;
    let mut public_lines = Vec::new();
    for name in [DEVELOPMENT, PRODUCTION] {
        public_lines.push(make_key(&folders.data(name), &key).await.context("making a key")?);
    }
    let server = GitServer::start(&public_lines, &folders.git()).await?;
    let port = server.port;
    std::fs::write(folders.known_hosts(), format!("{}\n", server.host_key_line)).context("writing known_hosts")?;
    stage.server = Some(server);
    sample::write(&folders.apps(DEVELOPMENT)).context("writing the sample apps")?;
    say(&introduction(folders, port));
    let mut watched = Vec::new();
    for name in [DEVELOPMENT, PRODUCTION] {
        let apps_dir = folders.apps(name);
        let instance = Daemon::start(config(folders, name, port, &key)?).await;
        let instance = instance.with_context(|| format!("starting {name}"))?;
        watched.push(Watched::new(name, apps_dir, instance.changes()));
        stage.instances.push(instance);
    }
    let mut view = View::new(folders.repository(), watched);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        view.look().await?.iter().for_each(|line| say(line));
    }
}

/// Makes a key in the store of `data_dir`, which is new. Answers the public key line.
async fn make_key(data_dir: &Path, name: &KeyName) -> anyhow::Result<String> {
    let (keys, _notices) = KeyService::open(&KeyStoreConfig::embedded(data_dir), "demo").await?;
    let made = keys.generate(name, KeyKind::Ed25519, Protection::None).await?;
    keys.close().await;
    Ok(made.pair.public_key)
}

fn config(folders: &Folders, name: &str, port: u16, key: &KeyName) -> anyhow::Result<Config> {
    let locked = name == PRODUCTION;
    Ok(Config {
        tunnels: Vec::new(),
        allowed_targets: AllowedTargets::default(),
        data_dir: folders.data(name),
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        host_keys: HostKeyPolicy::Strict,
        known_hosts: Some(folders.known_hosts()),
        instance: Some(name.to_owned()),
        log_format: LogFormat::Human,
        shell_runs: crate::domain::shell::RunsKept::default(),
        upload_mib: 256,
        events: EventsConfig::default(),
        keys: KeyStoreConfig::embedded(folders.data(name)),
        sync: Some(SyncConfig {
            url: RepoUrl::Ssh {
                user: "git".to_owned(),
                host: Ipv4Addr::LOCALHOST.to_string(),
                port,
                path: "/apps.git".to_owned(),
            },
            branch: BranchName::new("main")?,
            credential: Credential::Key { name: key.clone(), passphrase: None },
            auto_save: !locked,
            locked,
            auto_add: !locked,
            auto_pull: AutoPull::Always,
            apps_dir: folders.apps(name),
            prefix: "App".to_owned(),
            poll_interval: Duration::from_secs(1),
            debounce: Duration::from_secs(1),
            file_mode: 0o644,
            dir_mode: 0o755,
            author_name: None,
            author_email: None,
            provider: None,
            volatile_keys: vec!["updated_time".to_owned()],
            identity_fields: DEFAULT_IDENTITY_FIELDS.map(str::to_owned).to_vec(),
            kept_days: 90,
            input: InputConfig::default(),
            on_protected: OnProtected::Hold,
            web: WebConfig::default(),
        }),
        file: None,
        repositories: Vec::new(),
        warnings: Vec::new(),
    })
}

fn introduction(folders: &Folders, port: u16) -> String {
    let (development, production) = (folders.apps(DEVELOPMENT), folders.apps(PRODUCTION));
    format!(
        "A Git server listens on 127.0.0.1:{port}, and two instances follow its branch main:\n\n  \
         development   {}   edit here\n  \
         production    {}   locked: it receives, and edits here stay here\n  \
         repository    {}\n\n\
         Edit a file and watch it travel, for example\n\n  \"{}\"\n\n\
         Ctrl-C ends the demo.\n",
        development.display(),
        production.display(),
        folders.repository().display(),
        development.join(sample::TO_EDIT).display(),
    )
}

/// Resolves on Ctrl-C, or when the process is asked to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Writes a line for the person. A terminal that went away is no reason to stop in the middle.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
