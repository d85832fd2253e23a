//! Running: one answer at the end, or a line for each thing that happens.

use std::convert::Infallible;

use axum::body::{Body as Stream, Bytes};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;

use super::Shell;
use super::saved::name;
use super::shapes::{ExecBody, RunBody, ShellEvent};
use crate::domain::shell::{FailRule, RowsAs, Shell as Reader, ShellHost};
use crate::http::answer::ApiError;
use crate::http::long::SIGN_OF_LIFE;
use crate::http::routes::{Body, Named, read};
use crate::shell::{Told, Who};

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
    let hosts = asked.hosts.len().max(1);
    let told = shell.service.run(&name, asked.request()?, who).await?;
    Ok(answer(told, hosts, &headers))
}

pub(super) async fn exec(State(shell): State<Shell>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let asked: ExecBody = read(body)?;
    let hosts = asked.hosts.len();
    let told = shell.service.exec(asked.ad_hoc()?).await?;
    Ok(answer(told, hosts, &headers))
}

/// Runs nothing, as a command would.
pub(super) async fn test(State(shell): State<Shell>, named: Named, headers: HeaderMap) -> Result<Response, ApiError> {
    let host = shell.service.host(&name(named)?).await?;
    let told = shell.service.exec(nothing(&host).ad_hoc()?).await?;
    Ok(answer(told, 1, &headers))
}

fn nothing(host: &ShellHost) -> ExecBody {
    let is_posix = !host.shell.is_powershell() && host.shell != Reader::Cmd;
    let script = if is_posix { ":" } else { "exit 0" }.to_owned();
    let hosts = vec![host.name.clone()];
    ExecBody { hosts, script, timeout_s: Some(30), rows: RowsAs::default(), fail: FailRule::default(), limit: None }
}

fn answer(told: mpsc::Receiver<Told>, hosts: usize, headers: &HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let as_lines = accept.contains("ndjson");
    let kind = if as_lines { "application/x-ndjson" } else { "application/json" };
    let teller = Teller { told, as_lines, before: BEGINS, ok: true, missing: hosts, done: false };
    let stream = futures::stream::unfold(teller, |mut teller| async move {
        let piece = teller.next().await?;
        Some((Ok::<_, Infallible>(piece), teller))
    });
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")];
    (headers, [("x-accel-buffering", "no")], Stream::from_stream(stream)).into_response()
}

/// What stands before the first report of a whole answer, and before the others.
const BEGINS: &str = "{\"runs\":[";
const GOES_ON: &str = ",";

/// Writes the answer while the hosts tell, so that the reports of many hosts are never in memory at once.
struct Teller {
    told: mpsc::Receiver<Told>,
    as_lines: bool,
    before: &'static str,
    ok: bool,
    /// So many hosts have not told how it ended.
    missing: usize,
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
                Some(Told::Ended(report)) => {
                    self.ok &= report.is_ok();
                    self.missing = self.missing.saturating_sub(1);
                    let mut text = std::mem::replace(&mut self.before, GOES_ON).as_bytes().to_vec();
                    serde_json::to_writer(&mut text, &report).ok()?;
                    return Some(text.into());
                }
                Some(_) => {}
                None => self.done = true,
            }
        }
        // An answer in which hosts are missing stays a broken one.
        if self.as_lines || self.missing > 0 || std::mem::take(&mut self.before).is_empty() {
            return None;
        }
        Some(format!("],\"ok\":{}}}\n", self.ok).into())
    }
}

fn line(value: &impl serde::Serialize) -> Option<Bytes> {
    let mut text = serde_json::to_vec(value).ok()?;
    text.push(b'\n');
    Some(text.into())
}
