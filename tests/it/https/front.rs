//! Servers for HTTPS: real TLS before `git http-backend`, canned answers, and proxies.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::authority::Issued;

/// Something on loopback that ends with this value.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// What was asked of it, if it keeps that.
    pub(super) heads: Arc<Mutex<Vec<String>>>,
    /// Connections so far.
    pub(super) connections: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    /// `https://localhost:port/repo.git`.
    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/repo.git", self.address.port())
    }

    /// The first lines of what was asked.
    pub(super) fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().expect("not poisoned");
        heads.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn connected(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, peer) = self.tcp.accept().await.expect("a connection");
            // Whoever does not trust us goes away here.
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// `router` behind TLS with this certificate.
pub(super) async fn tls(router: Router, issued: &Issued) -> Server {
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = tcp.local_addr().expect("an address");
    let listener = TlsListener { tcp, tls: acceptor(issued) };
    let task = TaskTracker::new().spawn(async move { axum::serve(listener, router).await.expect("served") });
    Server { address, heads: Arc::default(), connections: Arc::default(), _task: AbortOnDropHandle::new(task) }
}

fn acceptor(issued: &Issued) -> TlsAcceptor {
    let chain = CertificateDer::pem_file_iter(&issued.certificate).expect("a file").map(|one| one.expect("PEM"));
    let key = PrivateKeyDer::from_pem_file(&issued.key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.collect(), key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate with its key")))
}

/// Shakes hands, and then says nothing.
pub(super) async fn stalled(issued: &Issued) -> Server {
    let tls = acceptor(issued);
    each_connection(move |stream, _| {
        let tls = tls.clone();
        async move {
            let _held = tls.accept(stream).await;
            std::future::pending::<()>().await;
        }
    })
    .await
}

/// Answers every request with the same bytes, over plain HTTP.
pub(super) async fn canned(answer: String) -> Server {
    each_connection(move |mut stream, heads| {
        let answer = answer.clone();
        async move {
            let head = head(&mut stream).await;
            heads.lock().expect("not poisoned").push(head);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await
}

/// Says something as soon as somebody connects, as SSH servers do.
pub(super) async fn speaking(words: &'static str) -> Server {
    each_connection(move |mut stream, _| async move {
        let _ = stream.write_all(words.as_bytes()).await;
        let _closed = head(&mut stream).await;
    })
    .await
}

/// A proxy that connects as `CONNECT` says.
pub(super) async fn proxy() -> Server {
    each_connection(|mut stream, heads| async move {
        let head = head(&mut stream).await;
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        heads.lock().expect("not poisoned").push(head);
        let Ok(mut there) = TcpStream::connect(&target).await else { return };
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        let _ = copy_bidirectional(&mut stream, &mut there).await;
    })
    .await
}

/// A SOCKS 5 proxy that looks the names up itself (RFC 1928).
pub(super) async fn socks() -> Server {
    each_connection(|mut stream, heads| async move {
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        let mut methods = vec![0; greeting[1].into()];
        stream.read_exact(&mut methods).await.expect("its methods");
        stream.write_all(&[5, 0]).await.expect("sent");
        let mut request = [0; 5];
        stream.read_exact(&mut request).await.expect("a request");
        assert_eq!(request[..4], [5, 1, 0, 3], "a name, not an address");
        let mut rest = vec![0; usize::from(request[4]) + 2];
        stream.read_exact(&mut rest).await.expect("a name");
        let (name, port) = rest.split_at(rest.len() - 2);
        let target = format!("{}:{}", String::from_utf8_lossy(name), u16::from_be_bytes([port[0], port[1]]));
        heads.lock().expect("not poisoned").push(target.clone());
        let mut there = TcpStream::connect(&target).await.expect("the target");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("sent");
        let _ = copy_bidirectional(&mut stream, &mut there).await;
    })
    .await
}

async fn each_connection<F, T>(serve: F) -> Server
where
    F: Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (heads, connections) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
    let (kept, counted) = (heads.clone(), connections.clone());
    let task = TaskTracker::new().spawn(async move {
        let mut serving = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            serving.spawn(serve(stream, kept.clone()));
        }
    });
    Server { address, heads, connections, _task: AbortOnDropHandle::new(task) }
}

/// Up to the empty line.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
