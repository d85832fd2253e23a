//! Hosts, saved commands, past runs.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::Shell;
use super::shapes::CheckAnswer;
use crate::domain::shell::{CommandError, RunReport, SavedCommand, ShellHost, ShellName};
use crate::http::answer::ApiError;
use crate::http::routes::{Body, Named, read};
use crate::ports::{RunFilter, RunRow};
use crate::shell::{JudgedCommand, ShellError};

const MOST_RUNS: u32 = 1_000;

type Answer<T> = Result<Json<T>, ApiError>;

pub(super) fn name(Named(name): Named) -> Result<ShellName, ApiError> {
    ShellName::new(name).map_err(|error| ApiError::request(error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// `false`: it must be new.
    #[serde(default)]
    replace: bool,
}

pub(super) type Changing = Result<Query<Change>, QueryRejection>;

fn replaces(changing: Changing) -> Result<bool, ApiError> {
    let Query(change) = changing.map_err(|rejection| ApiError::request(rejection.body_text()))?;
    Ok(change.replace)
}

pub(super) async fn hosts(State(shell): State<Shell>) -> Answer<Vec<ShellHost>> {
    Ok(Json(shell.service.hosts().await?))
}

/// The name in the path is the name; one in the body must be the same.
pub(super) async fn put_host(
    State(shell): State<Shell>,
    named: Named,
    changing: Changing,
    body: Body,
) -> Answer<ShellHost> {
    let (name, replace) = (name(named)?, replaces(changing)?);
    let host: ShellHost = read_named(&name, body)?;
    shell.service.put_host(&host, replace).await?;
    Ok(Json(host))
}

pub(super) async fn remove_host(State(shell): State<Shell>, named: Named) -> Result<StatusCode, ApiError> {
    shell.service.remove_host(&name(named)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn commands(State(shell): State<Shell>) -> Answer<Vec<JudgedCommand>> {
    Ok(Json(shell.service.judged_commands().await?))
}

pub(super) async fn command(State(shell): State<Shell>, named: Named) -> Answer<JudgedCommand> {
    Ok(Json(shell.service.judged_command(&name(named)?).await?))
}

pub(super) async fn put_command(
    State(shell): State<Shell>,
    named: Named,
    changing: Changing,
    body: Body,
) -> Answer<SavedCommand> {
    let (name, replace) = (name(named)?, replaces(changing)?);
    let command: SavedCommand = read_named(&name, body)?;
    shell.service.save(&command, replace).await?;
    Ok(Json(command))
}

pub(super) async fn remove_command(State(shell): State<Shell>, named: Named) -> Result<StatusCode, ApiError> {
    shell.service.remove(&name(named)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is wrong with a command, without saving it.
pub(super) async fn check(State(shell): State<Shell>, body: Body) -> Answer<CheckAnswer> {
    let command: SavedCommand = read(body)?;
    let host = shell.service.host(&command.host).await?;
    Ok(Json(match command.check(host.shell) {
        Ok(()) => CheckAnswer { ok: true, misplaced: Vec::new(), message: None },
        Err(CommandError::Misplaced(misplaced)) => CheckAnswer { ok: false, misplaced, message: None },
        Err(error) => CheckAnswer { ok: false, misplaced: Vec::new(), message: Some(error.to_string()) },
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunsQuery {
    command: Option<String>,
    host: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

pub(super) async fn runs(
    State(shell): State<Shell>,
    question: Result<Query<RunsQuery>, QueryRejection>,
) -> Answer<Vec<RunRow>> {
    let Query(RunsQuery { command, host, before, limit }) =
        question.map_err(|rejection| ApiError::request(rejection.body_text()))?;
    let limit = limit.map(|limit| limit.min(MOST_RUNS));
    Ok(Json(shell.service.runs(&RunFilter { command, host, before, limit }).await?))
}

pub(super) async fn past_run(State(shell): State<Shell>, id: Result<Path<i64>, PathRejection>) -> Answer<RunReport> {
    let Path(id) = id.map_err(|rejection| ApiError::request(rejection.body_text()))?;
    Ok(Json(shell.service.past_run(id).await?))
}

fn read_named<T: serde::de::DeserializeOwned>(name: &ShellName, body: Body) -> Result<T, ApiError> {
    let mut value: serde_json::Map<String, serde_json::Value> = read(body)?;
    value.remove("refused"); // an answer may be changed and given back
    let given = value.insert("name".to_owned(), name.as_str().into());
    if given.is_some_and(|given| given != name.as_str()) {
        let other = "the body has another name than the path; leave it out";
        return Err(ShellError::Request(other.to_owned()).into());
    }
    serde_json::from_value(value.into())
        .map_err(|error| ApiError::request(format!("the body is not what this call takes: {error}")))
}
