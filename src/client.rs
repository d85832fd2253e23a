//! A typed client of the API, for the command line and the tests.

mod conflict;
mod incoming;
mod shell;
mod sync;
mod tunnels;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::event::Event;
use crate::domain::status::Status;
use crate::http::{ACTION_LIMIT, ErrorAnswer, ErrorBody, announced_address, read_token};

/// The status of 10,000 apps is about 2 MB.
const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// The worker of one data folder.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: SecretString,
    data_dir: PathBuf,
    repository: Option<String>,
    dry_run: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no worker is running for data folder {}; start it with `appferry run`, or set APPFERRY_DATA_DIR to the data folder of the one that runs", .0.display())]
    NoWorker(PathBuf),
    /// The files that lead to the worker cannot be read.
    #[error("cannot read {}: {error}; run this as the user that the worker runs as", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The worker said no.
    #[error("{}{}{}", .0.message, if .0.remedy.is_empty() { "" } else { "; " }, .0.remedy)]
    Refused(ErrorBody),
    /// The worker began to answer, or might have, and did not go on.
    #[error(
        "the worker went away before it had answered ({0}); what was asked for may have been done all the same: \
         `appferry status` shows it, and `appferry shell runs` for commands"
    )]
    Lost(String),
    /// What came cannot be passed on.
    #[error(
        "the command goes on (`appferry shell runs` shows what comes of it), but what it writes cannot be passed on"
    )]
    Unwritten(#[source] io::Error),
    /// The worker took too long.
    #[error(
        "the worker has not answered in time; what was asked for may go on: `appferry status` shows it, and `appferry shell runs` for commands"
    )]
    Late,
    /// The worker answered something else than expected.
    #[error("the worker did not answer as expected: {0}; is it of the same version as this program?")]
    Answer(String),
}

impl Client {
    /// Finds the worker of `data_dir` by what it wrote there. Blocks briefly.
    ///
    /// # Errors
    /// [`ClientError::NoWorker`] or [`ClientError::Unreadable`].
    pub fn open(data_dir: &Path) -> Result<Self, ClientError> {
        let unread = |file: &str, error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => ClientError::NoWorker(data_dir.to_owned()),
            _ => ClientError::Unreadable { path: data_dir.join(file), error },
        };
        let address = announced_address(data_dir).map_err(|error| unread("api.addr", error))?;
        let token = read_token(data_dir).map_err(|error| unread("api.token", error))?;
        // No proxy, no redirects, no TLS: the token goes to this machine only.
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ACTION_LIMIT + Duration::from_secs(5))
            .build()
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        let base = format!("http://{address}");
        Ok(Self { http, base, token, data_dir: data_dir.to_owned(), repository: None, dry_run: false })
    }

    /// The same, with questions that are about the repository of this name.
    #[must_use]
    pub fn about(self, repository: Option<String>) -> Self {
        Self { repository, ..self }
    }

    /// The same, with actions that only say what they would do.
    #[must_use]
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// How everything stands.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.ask(Method::GET, "/api/v1/status", None::<&()>).await
    }

    /// What happened after an event, oldest first.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, ClientError> {
        self.ask(Method::GET, &format!("/api/v1/events?after={after}&limit={limit}"), None::<&()>).await
    }

    /// Whether the worker is ready; if not, the reason.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn ready(&self) -> Result<Result<(), String>, ClientError> {
        let (status, body) = self.send(Method::GET, "/readyz", &[], None::<&()>).await?;
        let text = String::from_utf8_lossy(&body).trim().to_owned();
        Ok(if status.is_success() { Ok(()) } else { Err(text) })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        self.ask_with(method, path, &[], body).await
    }

    /// As [`ask`](Self::ask), where the answer is empty.
    async fn tell(&self, method: Method, path: &str) -> Result<(), ClientError> {
        let (status, bytes) = self.send(method, path, &[], None::<&()>).await?;
        match serde_json::from_slice::<ErrorAnswer>(&bytes) {
            _ if status.is_success() => Ok(()),
            Ok(answer) => Err(ClientError::Refused(answer.error)),
            Err(_) => Err(ClientError::Answer(format!("HTTP status {status}"))),
        }
    }

    async fn ask_with<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let (status, bytes) = self.send(method, path, query, body).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| ClientError::Answer(error.to_string()));
        }
        match serde_json::from_slice::<ErrorAnswer>(&bytes) {
            Ok(answer) => Err(ClientError::Refused(answer.error)),
            Err(_) => Err(ClientError::Answer(format!("HTTP status {status}"))),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
    ) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let asked = format!("{}{path}", self.base);
        let mut url = Url::parse(&asked).map_err(|error| ClientError::Answer(format!("{asked}: {error}")))?;
        for (name, value) in query {
            url.query_pairs_mut().append_pair(name, value);
        }
        if let Some(name) = &self.repository {
            url.query_pairs_mut().append_pair("repository", name);
        }
        let mut request = self.http.request(method, url);
        request = request.bearer_auth(self.token.expose_secret());
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(&error))? {
            if bytes.len() + chunk.len() > ANSWER_LIMIT {
                return Err(ClientError::Answer("the answer is larger than 64 MiB".into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((response.status(), bytes))
    }

    fn unanswered(&self, error: &reqwest::Error) -> ClientError {
        if error.is_connect() {
            return ClientError::NoWorker(self.data_dir.clone());
        }
        if error.is_timeout() {
            return ClientError::Late;
        }
        // Outside in, each cause says less of what happened and more of how; the innermost is the one to read.
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ClientError::Lost(cause.to_string())
    }
}
