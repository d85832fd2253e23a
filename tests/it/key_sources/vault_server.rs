//! A server that answers as the documentation of Vault's KV engine (version 2) says: paths, shapes, status codes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appferry::config::{TokenSource, VaultSettings};
use appferry::key_sources::{VaultSource, VaultTimes};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

pub(crate) const TOKEN: &str = "hvs.CAESIJlongEnoughToBeFoundInALog";

/// What the server holds, and how it behaves.
#[derive(Default)]
pub(crate) struct Inside {
    /// Below `secret/`: the path, the version, its fields (`None`: deleted).
    pub(crate) secrets: BTreeMap<String, (u64, Option<Value>)>,
    /// Answered instead of anything else.
    pub(super) instead: Option<(u16, Value)>,
    /// Where everything is redirected to.
    pub(super) moved: Option<String>,
    /// Nothing is answered.
    pub(super) silent: bool,
    /// The token may not list.
    pub(super) no_list: bool,
    /// The one token that is let in.
    pub(super) token: String,
    /// Each question: method, path with query, namespace.
    pub(super) asked: Vec<String>,
}

/// A server that ends with this value.
pub(super) struct Vault {
    pub(super) address: SocketAddr,
    pub(super) inside: Arc<Mutex<Inside>>,
    _task: AbortOnDropHandle<()>,
}

impl Vault {
    pub(super) async fn start() -> Self {
        let (router, inside) = router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = TaskTracker::new().spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { address, inside, _task: AbortOnDropHandle::new(task) }
    }

    /// Puts a new version of a secret.
    pub(super) fn put(&self, path: &str, fields: Value) {
        self.change(|inside| {
            let version = inside.secrets.get(path).map_or(1, |(version, _)| version + 1);
            inside.secrets.insert(path.to_owned(), (version, Some(fields)));
        });
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.inside.lock().expect("not poisoned"));
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.inside.lock().expect("not poisoned").asked.clone()
    }

    pub(super) fn settings(&self) -> VaultSettings {
        VaultSettings {
            address: format!("http://{}", self.address),
            token: TokenSource::Value(TOKEN.into()),
            mount: "secret".to_owned(),
            path: "appferry/keys".to_owned(),
            namespace: None,
            authorities: Vec::new(),
        }
    }

    pub(super) fn source(&self) -> VaultSource {
        self.source_that_believes(Duration::from_hours(1))
    }

    pub(super) fn source_that_believes(&self, believed: Duration) -> VaultSource {
        VaultSource::new(&self.settings(), VaultTimes { believed, ..VaultTimes::default() }).expect("a source")
    }
}

/// What is asked, and what is inside.
pub(crate) fn router() -> (Router, Arc<Mutex<Inside>>) {
    let inside = Arc::new(Mutex::new(Inside { token: TOKEN.to_owned(), ..Inside::default() }));
    (Router::new().fallback(handle).with_state(Arc::clone(&inside)), inside)
}

async fn handle(State(inside): State<Arc<Mutex<Inside>>>, request: Request) -> Response {
    let whole = request.uri().path_and_query().expect("a path").to_string();
    let namespace = text(request.headers(), "x-vault-namespace");
    let answer = {
        let mut inside = inside.lock().expect("not poisoned");
        inside.asked.push(format!("{} {whole} {namespace}", request.method()).trim_end().to_owned());
        if inside.silent { None } else { Some(answer(&inside, request.headers(), &whole)) }
    };
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

fn answer(inside: &Inside, headers: &HeaderMap, whole: &str) -> Response {
    if let Some(target) = &inside.moved {
        return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("{target}{whole}"))]).into_response();
    }
    if let Some((status, body)) = &inside.instead {
        return reply(*status, body);
    }
    if text(headers, "x-vault-token") != inside.token || text(headers, "x-vault-request") != "true" {
        return reply(403, &json!({"errors": ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}));
    }
    if let Some(folder) = whole.strip_prefix("/v1/secret/metadata/").and_then(|rest| rest.strip_suffix("?list=true")) {
        return list(inside, folder);
    }
    match whole.strip_prefix("/v1/secret/data/") {
        Some(path) => read(inside, path),
        None => reply(
            404,
            &json!({"errors": [format!("no handler for route \"{}\". route entry not found.", whole.trim_start_matches("/v1/"))]}),
        ),
    }
}

fn read(inside: &Inside, path: &str) -> Response {
    let Some((version, fields)) = inside.secrets.get(path) else { return reply(404, &json!({"errors": []})) };
    let deletion_time = if fields.is_some() { "" } else { "2026-11-24T10:00:00.0Z" };
    let data = json!({"data": fields, "metadata": {
        "created_time": "2018-03-22T02:24:06.945319214Z", "custom_metadata": null, "deletion_time": deletion_time,
        "destroyed": false, "version": version,
    }});
    // A deleted version is a 404 with the metadata.
    reply(if fields.is_some() { 200 } else { 404 }, &whole_answer(&data))
}

fn list(inside: &Inside, folder: &str) -> Response {
    if inside.no_list {
        return reply(403, &json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]}));
    }
    let below = inside.secrets.keys().filter_map(|path| path.strip_prefix(&format!("{folder}/")));
    let mut keys: Vec<String> = below
        .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(folder, _)| format!("{folder}/")))
        .collect();
    keys.dedup();
    if keys.is_empty() { reply(404, &json!({"errors": []})) } else { reply(200, &whole_answer(&json!({"keys": keys}))) }
}

fn whole_answer(data: &Value) -> Value {
    json!({"request_id": "bf7bb5df-33ae", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data,
        "wrap_info": null, "warnings": null, "auth": null, "mount_type": "kv"})
}

fn reply(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
