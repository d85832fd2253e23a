//! Questions about shell commands.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::ACCEPT;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::{ANSWER_LIMIT, Client, ClientError};
use crate::http::{ErrorAnswer, ExecBody, RunBody, ShellEvent};

/// Longer than the longest time-out of a command, with its wait for a turn.
const LONGEST: Duration = Duration::from_hours(48);

impl Client {
    /// Runs a saved command, and hands over each thing that happens as it comes.
    ///
    /// # Errors
    /// A [`ClientError`]; or what `each` answered.
    pub async fn shell_run(
        &self,
        name: &str,
        body: &RunBody,
        each: impl FnMut(ShellEvent) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        self.follow(&format!("/api/v1/shell/commands/{name}/run"), Some(body), each).await
    }

    /// Runs a script that is not saved.
    ///
    /// # Errors
    /// As [`shell_run`](Self::shell_run).
    pub async fn shell_exec(
        &self,
        body: &ExecBody,
        each: impl FnMut(ShellEvent) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        self.follow("/api/v1/shell/exec", Some(body), each).await
    }

    /// Logs in to a host and runs nothing.
    ///
    /// # Errors
    /// As [`shell_run`](Self::shell_run).
    pub async fn shell_test(
        &self,
        host: &str,
        each: impl FnMut(ShellEvent) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        self.follow(&format!("/api/v1/shell/hosts/{host}/test"), None::<&()>, each).await
    }

    async fn follow(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
        mut each: impl FnMut(ShellEvent) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let mut request = self.http.request(Method::POST, format!("{}{path}", self.base)).timeout(LONGEST);
        request = request.bearer_auth(self.token.expose_secret()).header(ACCEPT, "application/x-ndjson");
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        let mut waiting = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unanswered(&error))? {
            if waiting.len() + chunk.len() > ANSWER_LIMIT {
                return Err(ClientError::Answer("the answer is larger than 64 MiB".into()));
            }
            waiting.extend_from_slice(&chunk);
            while status.is_success()
                && let Some(end) = waiting.iter().position(|byte| *byte == b'\n')
            {
                let line: Vec<u8> = waiting.drain(..=end).collect();
                if !line.trim_ascii().is_empty() {
                    each(serde_json::from_slice(&line).map_err(|error| ClientError::Answer(error.to_string()))?)?;
                }
            }
        }
        if status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice::<ErrorAnswer>(&waiting) {
            Ok(answer) => Err(ClientError::Refused(answer.error)),
            Err(_) => Err(ClientError::Answer(format!("HTTP status {status}"))),
        }
    }
}
