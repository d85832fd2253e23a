//! Running: one answer at the end, or a line for each thing that happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body as Stream, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;

use super::Shell;
use super::saved::name;
use super::shapes::{ExecBody, RunBody, RunsAnswer, ShellEvent};
use crate::domain::shell::{FailRule, RowsAs, RunReport, Shell as Reader, ShellHost};
use crate::http::answer::ApiError;
use crate::http::routes::{Body, read};
use crate::shell::{Told, Who};

/// A connection that says nothing for longer is cut off. What is sent in between is white space, which JSON allows.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

type Named = Result<Path<String>, PathRejection>;

pub(super) async fn run(
    State(shell): State<Shell>,
    Extension(who): Extension<Who>,
    named: Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let name = name(named)?;
    let is_empty = body.as_ref().is_ok_and(|bytes| bytes.trim_ascii().is_empty());
    let asked: RunBody = if is_empty { RunBody::default() } else { read(body)? };
    let told = shell.service.run(&name, asked.request()?, who).await?;
    Ok(answer(told, &headers))
}

pub(super) async fn exec(State(shell): State<Shell>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let asked: ExecBody = read(body)?;
    let told = shell.service.exec(asked.ad_hoc()?).await?;
    Ok(answer(told, &headers))
}

/// Runs nothing, as a command would.
pub(super) async fn test(State(shell): State<Shell>, named: Named, headers: HeaderMap) -> Result<Response, ApiError> {
    let host = shell.service.host(&name(named)?).await?;
    let told = shell.service.exec(nothing(&host).ad_hoc()?).await?;
    Ok(answer(told, &headers))
}

fn nothing(host: &ShellHost) -> ExecBody {
    let is_posix = !host.shell.is_powershell() && host.shell != Reader::Cmd;
    let script = if is_posix { ":" } else { "exit 0" }.to_owned();
    let hosts = vec![host.name.clone()];
    ExecBody { hosts, script, timeout_s: Some(30), rows: RowsAs::default(), fail: FailRule::default(), limit: None }
}

fn answer(told: mpsc::UnboundedReceiver<Told>, headers: &HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let as_lines = accept.contains("ndjson");
    let kind = if as_lines { "application/x-ndjson" } else { "application/json" };
    let teller = Teller { told, as_lines, runs: Vec::new(), done: false };
    let stream = futures::stream::unfold(teller, |mut teller| async move {
        let piece = teller.next().await?;
        Some((Ok::<_, Infallible>(piece), teller))
    });
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")];
    (headers, [("x-accel-buffering", "no")], Stream::from_stream(stream)).into_response()
}

struct Teller {
    told: mpsc::UnboundedReceiver<Told>,
    as_lines: bool,
    runs: Vec<RunReport>,
    done: bool,
}

impl Teller {
    /// The next piece of the answer; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        while !self.done {
            let told = tokio::select! {
                told = self.told.recv() => told,
                () = tokio::time::sleep(SIGN_OF_LIFE) => return Some(Bytes::from_static(b"\n")),
            };
            match told {
                Some(told) if self.as_lines => return line(&ShellEvent::from(told)),
                Some(Told::Ended(report)) => self.runs.push(*report),
                Some(_) => {}
                None => self.done = true,
            }
        }
        if self.as_lines || self.runs.is_empty() {
            return None;
        }
        let runs = std::mem::take(&mut self.runs);
        line(&RunsAnswer { ok: runs.iter().all(RunReport::is_ok), runs })
    }
}

fn line(value: &impl serde::Serialize) -> Option<Bytes> {
    let mut text = serde_json::to_vec(value).ok()?;
    text.push(b'\n');
    Some(text.into())
}
