//! Tunnels, through real OpenSSH servers on loopback.

mod databases;
mod example;
mod flow;
mod open_files;
mod outage;
mod program;
mod refused;
mod rekeying;
mod sockets;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appferry::config::parse_time;
use appferry::domain::tunnel::{Given, Source, TunnelState, TunnelStatus};
use appferry::ssh::HostKeys;
use appferry::tunnel::{Tunnels, Wanted};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::support::PATIENCE;
use crate::support::sshd::{KeyPair, Setup, Sshd, TestKeyring, current_user};

/// A bastion that lets the key `deploy` in, and the tunnels of an instance that knows both.
struct Scene {
    sshd: Sshd,
    key: KeyPair,
    keyring: Arc<TestKeyring>,
    tunnels: Tunnels,
    tasks: TaskTracker,
    stop: CancellationToken,
    known_hosts: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        Self::with(Setup::default(), "")
    }

    /// With options for the key in `authorized_keys`.
    fn with(setup: Setup, options: &str) -> Option<Self> {
        let sshd = Sshd::start_with(setup)?;
        let key = KeyPair::ed25519("deploy");
        if options.is_empty() {
            sshd.authorize(&key.public_line);
        } else {
            sshd.authorize_with_options(&key.public_line, options);
        }
        let keyring = TestKeyring::with([&key]);
        let known_hosts = sshd.known_hosts_file();
        let folder = tempfile::tempdir().unwrap();
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let host_keys = HostKeys::new(Some(known_hosts.clone()));
        let links = appferry::ssh::Tunnels::new(keyring.clone(), host_keys, folder.path().to_owned(), tasks.clone());
        let tunnels = Tunnels::new(Arc::new(links), tasks.clone(), stop.clone());
        Some(Self { sshd, key, keyring, tunnels, tasks, stop, known_hosts, _folder: folder })
    }

    fn bastion(&self) -> String {
        format!("{}@127.0.0.1:{}", current_user(), self.sshd.port())
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers hand over addresses and texts that they have just made")]
    fn given(&self, name: &str, target: impl ToString) -> Given {
        Given {
            name: name.into(),
            listen: "127.0.0.1:0".into(),
            bastion: self.bastion(),
            key: "deploy".into(),
            target: target.to_string(),
            ..Given::default()
        }
    }

    /// Makes these the tunnels, and waits until all of them listen.
    async fn run(&self, given: impl IntoIterator<Item = Given>) {
        let wanted = given.into_iter().map(|given| {
            let tunnel = Ok(given.check(parse_time).unwrap());
            Wanted { given, tunnel, source: Source::Store, open: true }
        });
        self.tunnels.become_these(wanted.collect());
        for status in self.tunnels.status() {
            self.until(&status.tunnel.name, |status| status.listening.is_some()).await;
        }
    }

    /// One tunnel; answers where it listens.
    async fn one(&self, target: impl ToString) -> SocketAddr {
        self.run([self.given("t", target)]).await;
        self.place("t")
    }

    fn status(&self, name: &str) -> TunnelStatus {
        self.tunnels.one(name).unwrap()
    }

    fn place(&self, name: &str) -> SocketAddr {
        self.status(name).listening.unwrap().parse().unwrap()
    }

    async fn until(&self, name: &str, is: impl Fn(&TunnelStatus) -> bool) -> TunnelStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status(name);
            if is(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "waited in vain: {status:#?}\n{}", self.sshd.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(PATIENCE, self.tasks.wait()).await.expect("everything ends");
    }
}

/// A server that sends back what it gets, and ends its half when the client has ended its own.
fn echo(tasks: &TaskTracker, stop: &CancellationToken) -> SocketAddr {
    // Room for 500 at once: where the queue is full, the kernel answers with SYN cookies, and of a client that has sent and ended
    // already it may see the end alone.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1024).unwrap();
    let address = listener.local_addr().unwrap();
    let (own, stop) = (tasks.clone(), stop.clone());
    tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            own.spawn(stop.clone().run_until_cancelled_owned(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            }));
        }
    }));
    address
}

/// Sends `text` and answers what comes back until the other side ends.
async fn round_trip(place: SocketAddr, text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(place).await?;
    stream.write_all(text).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Whether the connection ends with a reset: an end would look as if all had been sent.
async fn is_cut_off(client: &mut TcpStream) -> bool {
    let read = tokio::time::timeout(PATIENCE, client.read(&mut [0])).await.expect("nobody hangs");
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
}

/// Whether a client is closed at once, as if nobody listened.
async fn is_turned_away(place: SocketAddr) -> bool {
    match TcpStream::connect(place).await {
        Ok(mut client) => is_cut_off(&mut client).await,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset, // so quick that connecting has not ended
    }
}

fn is_open(status: &TunnelStatus) -> bool {
    status.state == TunnelState::Open
}
