//! An app is saved or deleted as a whole.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::{CONTENT_LENGTH, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;

use super::conditions::{self, tag};
use super::read::{SharedApps, in_blocking};
use super::refusals::Refusal;
use super::uploads::unkept;
use super::words::{self, SaveQuery, Wait};
use super::{Named, app_name, forms};
use crate::archive::{self, Form};
use crate::domain::status::{AppState, RepositoryState};
use crate::domain::{AppName, Failure, ObjectId};
use crate::http::answer::ApiError;
use crate::http::routes::Chosen;
use crate::sync::engine::{Arrival, Condition, Save, Saved};
use crate::sync::files::tree_of;

/// How long a save waits for its push before it says that this goes on.
const PUSH_LIMIT: Duration = Duration::from_secs(30);
/// Base64, quotes and headers make a body larger than the app.
const BODY_FACTOR: u64 = 2;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What became of a save.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaveAnswer {
    /// The app.
    pub app: String,
    /// Its tree now; `None`: its folder is deleted.
    pub tree: Option<String>,
    /// The commit that holds it, if there is one.
    pub commit: Option<String>,
    /// How it stands.
    pub state: AppState,
    /// Why.
    pub reason: Option<String>,
    /// What the remote accepted, if that was waited for and came.
    pub pushed: Option<PushedRef>,
    /// Files that came with it and are no app content on this instance (`APPFERRY_IGNORE`): they were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// All that in a sentence.
    pub message: String,
}

/// A ref of the remote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedRef {
    /// Its name.
    #[serde(rename = "ref")]
    pub name: String,
    /// Where it is.
    pub commit: String,
}

pub(super) async fn put(
    Chosen(control): Chosen,
    name: Named,
    query: Result<Query<SaveQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (app, form) = (app_name(name)?, forms::given(&headers)?);
    let Query(query) = query.map_err(|rejection| ApiError::request(rejection.body_text()))?;
    let condition = conditions::of_save(&headers)?;
    let (author, message) = words::of(&query, &headers)?;
    let apps = control.whole_apps()?;
    let file = received(&apps, &headers, body).await?;
    let reader = SharedApps::clone(&apps);
    let tree = in_blocking(move || stored(&reader, form, file)).await?;
    let commit = query.wait.is_some() || message.is_some();
    let save = Save { app: app.clone(), tree: Some(tree), condition, author, message, commit };
    let saved = apps.save(save).await?;
    tracing::info!(%app, tree = %tree.short(), state = ?saved.state, "saved through the API");
    answer(&apps, &app, saved, query.wait).await
}

pub(super) async fn delete(Chosen(control): Chosen, name: Named, headers: HeaderMap) -> Result<Response, Refusal> {
    let app = app_name(name)?;
    let condition = conditions::of_save(&headers)?;
    if condition == Condition::Absent {
        return Err(ApiError::request("`If-None-Match: *` makes no sense for a deletion").into());
    }
    let apps = control.whole_apps()?;
    let save = Save { app: app.clone(), tree: None, condition, author: None, message: None, commit: false };
    let saved = apps.save(save).await?;
    answer(&apps, &app, saved, None).await
}

/// The body in a temporary file. Its length is counted, whatever was announced.
pub(super) async fn received(apps: &SharedApps, headers: &HeaderMap, body: Body) -> Result<File, Refusal> {
    let most = apps.limits().whole.saturating_mul(BODY_FACTOR);
    let too_large = || {
        let message = format!("the body is larger than {most} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "request", message, "make the app smaller; nothing was saved")
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large().into());
    }
    let mut file = tokio::fs::File::from_std(apps.temporary_file()?);
    let (mut chunks, mut length) = (body.into_data_stream(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| ApiError::request(format!("the body did not come whole: {error}")))?;
        length += chunk.len() as u64;
        if length > most {
            return Err(too_large().into());
        }
        file.write_all(&chunk).await.map_err(|error| unkept(&error))?;
    }
    file.flush().await.map_err(|error| unkept(&error))?;
    Ok(file.into_std().await)
}

/// Checks the whole app and stores it in the local repository, where it is nobody's yet.
fn stored(apps: &SharedApps, form: Form, mut file: File) -> Result<ObjectId, Refusal> {
    let repo = apps.shelf().repo.ok_or_else(|| Failure::internal("the engine has not begun"))?;
    let mut start = [0; 2];
    let from_start = |file: &mut File| file.seek(SeekFrom::Start(0)).map(|_| ());
    from_start(&mut file).map_err(|error| unkept(&error))?;
    let is_compressed = file.read_exact(&mut start).is_ok() && start == GZIP;
    from_start(&mut file).map_err(|error| unkept(&error))?;
    let form = if form == Form::Tar && is_compressed { Form::TarGz } else { form };
    let files = archive::read(form, file, apps.limits(), &mut |bytes| repo.write_blob(bytes))?;
    Ok(tree_of(&*repo, &files)?)
}

async fn answer(apps: &SharedApps, app: &AppName, saved: Saved, wait: Option<Wait>) -> Result<Response, Refusal> {
    let (mut status, mut pushed, mut message) = (StatusCode::OK, None, String::new());
    let reason = saved.reason.clone().map(|reason| format!(": {reason}")).unwrap_or_default();
    match (wait, saved.commit) {
        (None, None) if saved.tree.is_none() => message.push_str("deleted here; it counts as removed if it stays away"),
        (None, None) => message = format!("saved on this instance, not committed{reason}"),
        (None | Some(Wait::Committed), Some(_)) => message.push_str("saved and committed; it is pushed by itself"),
        (Some(Wait::Committed), None) => {
            status = StatusCode::ACCEPTED;
            message = format!("saved on this instance, not committed yet{reason}");
        }
        (Some(Wait::Pushed), _) => match arrived(apps, app, &saved).await? {
            Ok(commit) => {
                message.push_str("saved, committed and pushed");
                pushed = Some(PushedRef { name: apps.shelf().branch, commit: commit.to_string() });
            }
            Err(waits) => {
                status = StatusCode::ACCEPTED;
                message = format!("saved on this instance, not pushed yet; that goes on by itself{waits}");
            }
        },
    }
    message.push_str(&left_out(&saved.ignored));
    let shelved = apps.shelf().apps.get(app).filter(|shelved| pushed.is_some() && shelved.tree == saved.tree).cloned();
    let (state, reason) = shelved.map_or((saved.state, saved.reason), |shelved| (shelved.state, shelved.reason));
    let body = SaveAnswer {
        app: app.to_string(),
        tree: saved.tree.map(|tree| tree.to_string()),
        commit: saved.commit.map(|commit| commit.to_string()),
        state,
        reason,
        pushed,
        ignored: saved.ignored,
        message,
    };
    let tag: Vec<_> = saved.tree.map(|tree| (ETAG, tag(tree))).into_iter().collect();
    Ok((status, axum::response::AppendHeaders(tag), Json(body)).into_response())
}

/// The end of the sentence that says what was left out.
fn left_out(ignored: &[String]) -> String {
    match ignored {
        [] => String::new(),
        [only] => format!("; {only:?} was left out: files like that are ignored here"),
        [first, rest @ ..] => {
            format!("; {first:?} and {} more were left out: files like these are ignored here", rest.len())
        }
    }
}

/// Waits until the remote has what was saved: where its branch is then, or why it has not come that far.
async fn arrived(apps: &SharedApps, app: &AppName, saved: &Saved) -> Result<Result<ObjectId, String>, Refusal> {
    let mut status = apps.status();
    let until = tokio::time::Instant::now() + PUSH_LIMIT;
    loop {
        status.borrow_and_update();
        let asked = tokio::time::timeout_at(until, apps.arrival(app.clone(), saved.clone())).await;
        let reason = match asked {
            Ok(Ok(Arrival::Pushed(commit))) => return Ok(Ok(commit)),
            Ok(Ok(Arrival::Refused(words))) => return Err(not_pushed("refused", &words)),
            Ok(Ok(Arrival::Held(AppState::Conflict, reason))) => return Err(not_pushed("conflict", &reason)),
            Ok(Ok(Arrival::Held(_, reason))) => return Err(not_pushed("held", &reason)),
            Ok(Ok(Arrival::Waiting(reason))) => reason.map(|reason| format!(": {reason}")).unwrap_or_default(),
            Ok(Err(failure)) => return Ok(Err(format!(": {failure}"))),
            Err(_) => String::new(),
        };
        let hopeless = {
            let status = status.borrow();
            is_cut_off(status.state).then(|| format!(": {}", status.summary))
        };
        if let Some(why) = hopeless {
            return Ok(Err(why));
        }
        if tokio::time::timeout_at(until, status.changed()).await.is_err() {
            return Ok(Err(reason));
        }
    }
}

/// Waiting for a push has no point now.
fn is_cut_off(state: RepositoryState) -> bool {
    use RepositoryState::{Blocked, BranchAbsent, DiskTrouble, Offline};
    matches!(state, Offline | Blocked | BranchAbsent | DiskTrouble)
}

fn not_pushed(class: &str, words: &str) -> Refusal {
    let message = format!("it is saved on this instance, but not in Git: {words}");
    ApiError::new(StatusCode::CONFLICT, class, message, "`appferry status` shows how it goes on").into()
}
