//! A Git server over SSH on loopback, in this process: for the demo, the examples and the tests.
//!
//! It lets in the keys that it is given, and runs nothing but `git upload-pack` and `git receive-pack` for the bare
//! repositories of one folder.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, RunningSession, Session, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::serve_git::{ENVIRONMENT, Repositories, serve};

/// Connections at one time; more wait to be accepted.
const MAX_CONNECTIONS: usize = 64;

/// Channels of one connection at one time: what OpenSSH's `MaxSessions` is by default.
const MAX_CHANNELS: usize = 10;

/// How long a shutdown waits for what is under way.
const GRACE: Duration = Duration::from_secs(5);

/// A running server. Dropping it stops it without waiting; [`shutdown`](Self::shutdown) waits.
pub struct GitServer {
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The server's line for a `known_hosts` file, `[127.0.0.1]:port ssh-ed25519 AAAA…`.
    pub host_key_line: String,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl GitServer {
    /// Starts a server with a new host key for the bare repositories in `root`, which those may use who hold the private
    /// half of a key in `allowed_public_lines` (`ssh-ed25519 AAAA…`), under any user name. The path in a URL is that below
    /// `root`: `ssh://git@127.0.0.1:<port>/apps.git` is `<root>/apps.git`.
    ///
    /// # Errors
    /// There is no `git` program, a line is not a public key, or no port is free.
    pub async fn start(allowed_public_lines: &[String], root: &Path) -> anyhow::Result<Self> {
        git(&["--version"]).await?;
        let allowed = allowed_public_lines
            .iter()
            .map(|line| PublicKey::from_openssh(line.trim()).with_context(|| format!("{line:?} is not a public key")))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let host_key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).context("making a host key")?;
        let host_key_text = host_key.public_key().to_openssh().context("writing the host key")?;
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port of 127.0.0.1 can be listened on")?;
        let port = listener.local_addr()?.port();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let access = Access {
            allowed: allowed.into_iter().map(|key| key.key_data().clone()).collect(),
            repositories: Arc::new(Repositories::new(root.to_owned())),
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(accept(listener, Arc::new(config(host_key)), access));
        Ok(Self { port, host_key_line: format!("[127.0.0.1]:{port} {host_key_text}"), stop, tasks })
    }

    /// Ends the connections and the `git` programs, and waits for that, five seconds at most.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(GRACE, self.tasks.wait()).await;
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Makes a bare repository at `path`, without a commit, whose default branch will be `main`.
///
/// # Errors
/// There is no `git` program, or the folder cannot be written.
pub async fn create_bare(path: &Path) -> anyhow::Result<()> {
    let path = path.to_str().context("the folder's path is not UTF-8; choose another")?;
    git(&["init", "--quiet", "--bare", "--initial-branch=main", "--", path]).await.map(drop)
}

/// What `git` with these arguments writes. Only the server's side of the demo runs that program; the service never does.
pub(super) async fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let output = match git_command().args(arguments).output().await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => anyhow::bail!(NO_GIT),
        output => output.context("running the `git` program")?,
    };
    if !output.status.success() {
        anyhow::bail!("`git {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(super) const NO_GIT: &str =
    "there is no `git` program, which the demo's own Git server needs (the service does not); install Git";

/// The `git` program, without what a surrounding repository or hook may have set.
pub(super) fn git_command() -> Command {
    let mut command = Command::new("git");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"] {
        command.env_remove(variable);
    }
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command
}

fn config(host_key: PrivateKey) -> Config {
    Config {
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        nodelay: true,
        ..Config::default()
    }
}

/// Who may come in, and what for.
#[derive(Clone)]
struct Access {
    allowed: Arc<[KeyData]>,
    repositories: Arc<Repositories>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

async fn accept(listener: TcpListener, config: Arc<Config>, access: Access) {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = access.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, peer)) = accepted else {
            // Out of file descriptors, mostly: it passes.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (config, access) = (Arc::clone(&config), access.clone());
        access.tasks.clone().spawn(async move {
            connection(socket, peer, config, access).await;
            drop(seat);
        });
    }
}

async fn connection(socket: TcpStream, peer: SocketAddr, config: Arc<Config>, access: Access) {
    let stop = access.stop.clone();
    let handler = Connection { access, channels: Arc::new(Semaphore::new(MAX_CHANNELS)) };
    let _ = socket.set_nodelay(true);
    let running: Result<RunningSession<Connection>, russh::Error> = tokio::select! {
        () = stop.cancelled() => return,
        running = russh::server::run_stream(config, socket, handler) => running,
    };
    let session = match running {
        Ok(session) => session,
        Err(error) => return tracing::debug!(%peer, %error, "an SSH connection was not set up"),
    };
    let handle = session.handle();
    tokio::pin!(session);
    let ended = tokio::select! {
        ended = &mut session => ended,
        () = stop.cancelled() => {
            let _ = handle.disconnect(Disconnect::ByApplication, "the server stops".into(), String::new()).await;
            tokio::time::timeout(GRACE, session).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an SSH connection was lost");
    }
}

/// One connection.
struct Connection {
    access: Access,
    channels: Arc<Semaphore>,
}

impl Connection {
    fn decide(&self, key: &PublicKey) -> Auth {
        if self.access.allowed.contains(key.key_data()) { Auth::Accept } else { Auth::reject() }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        Ok(self.decide(offer.public_key))
    }

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(self.decide(key.public_key))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Ok(seat) = Arc::clone(&self.channels).try_acquire_owned() else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        reply.accept().await;
        let (repositories, stop) = (Arc::clone(&self.access.repositories), self.access.stop.clone());
        self.access.tasks.spawn(async move {
            serve(channel, &repositories, &stop).await;
            drop(seat);
        });
        Ok(())
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        variable_name: &str,
        _variable_value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if ENVIRONMENT.contains(&variable_name) {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    /// The command comes through the channel, too, and is run from there. What is not allowed is said on its stderr.
    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
