//! A Git server over HTTP: `git http-backend` behind Basic authentication.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use tokio::io::AsyncWriteExt;
use tokio_util::task::AbortOnDropHandle;
use tokio_util::task::TaskTracker;

/// A server that ends with this value.
pub(crate) struct Server {
    address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

/// What is served: `/repo.git`; `/moved.git` redirects there, `/away.git` to another host.
pub(crate) struct Site {
    repository: PathBuf,
    version_2: bool,
    token: Mutex<String>,
}

impl Site {
    /// `repository`, for whoever knows the token `s3cret`.
    pub(crate) fn new(repository: &Path, version_2: bool) -> Arc<Self> {
        Arc::new(Self { repository: repository.to_owned(), version_2, token: Mutex::new("s3cret".to_owned()) })
    }

    /// Accepts this token from now on, and no other.
    pub(crate) fn accept(&self, token: &str) {
        token.clone_into(&mut self.token.lock().expect("not poisoned"));
    }

    /// The site as a service.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }
}

/// Serves `repository` over plain HTTP.
pub(super) async fn serve(repository: &Path, version_2: bool) -> Server {
    let router = Site::new(repository, version_2).router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = TaskTracker::new().spawn(async move { axum::serve(listener, router).await.expect("served") });
    Server { address, _task: AbortOnDropHandle::new(task) }
}

async fn handle(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let token = site.token.lock().expect("not poisoned").clone();
    let wanted = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("git:{token}")));
    if parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) != Some(&wanted) {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    let whole = parts.uri.path_and_query().expect("a path").to_string();
    if whole.starts_with("/moved.git/") {
        return redirect(&whole.replace("/moved.git/", "/repo.git/"));
    }
    if whole.starts_with("/away.git/") {
        return redirect(&format!("http://git.invalid{whole}"));
    }
    let Some(rest) = parts.uri.path().strip_prefix("/repo.git") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = to_bytes(body, 1 << 30).await.expect("a body");
    let mut command = std::process::Command::new("git");
    super::double::isolated(&mut command)
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", &site.repository)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", rest)
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text(&parts.headers, header::CONTENT_TYPE.as_str()))
        .env("CONTENT_LENGTH", body.len().to_string());
    let protocol = text(&parts.headers, "git-protocol");
    if site.version_2 && !protocol.is_empty() {
        command.env("GIT_PROTOCOL", protocol);
    }
    run(command, body).await
}

async fn run(command: std::process::Command, body: Bytes) -> Response {
    let mut command = tokio::process::Command::from(command);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git runs");
    let mut stdin = child.stdin.take().expect("piped");
    let write = async move {
        let _ = stdin.write_all(&body).await;
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    cgi(&output.expect("an answer").stdout)
}

fn cgi(output: &[u8]) -> Response {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").expect("headers");
    let headers = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut response = Response::builder();
    for (name, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("status") {
            response = response.status(value.split(' ').next().expect("a status").parse::<u16>().expect("a number"));
        } else {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(output[end + 4..].to_vec())).expect("a response")
}

fn redirect(target: &str) -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, target.to_owned())]).into_response()
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
