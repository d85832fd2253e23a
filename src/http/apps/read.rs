//! An app as a whole, as it is here or as it was in a commit.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::conditions::{is_known, tag};
use super::refusals::{Refusal, absent};
use super::uploads::unkept;
use super::{Apps, Named, app_name, forms};
use crate::archive::{self, Form};
use crate::domain::{AppName, Failure, ObjectId};
use crate::http::answer::ApiError;
use crate::http::routes::Chosen;
use crate::ports::LocalRepository;
use crate::sync::engine::Shelf;
use crate::sync::files::files_of;
use crate::sync::trees::find_tree;

#[derive(Deserialize)]
pub(super) struct ReadQuery {
    /// A commit that the local repository has.
    at: Option<String>,
}

pub(super) async fn read(
    Chosen(control): Chosen,
    name: Named,
    query: Result<Query<ReadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (app, form) = (app_name(name)?, forms::wanted(&headers)?);
    let Query(query) = query.map_err(|rejection| ApiError::request(rejection.body_text()))?;
    let apps = control.whole_apps()?;
    let shelf = apps.shelf();
    let repo = shelf.repo.clone().ok_or_else(|| Failure::internal("the engine has not begun"))?;
    let tree = if let Some(at) = query.at {
        in_blocking(move || tree_at(&*repo, &shelf, &app, &at)).await?
    } else {
        let shown = shelf.apps.get(&app).and_then(|shelved| shelved.tree);
        shown.ok_or_else(|| absent(format!("the app {:?} is not on this instance", app.as_str())))?
    };
    let tag = tag(tree);
    let head = [(ETAG, tag.clone()), (VARY, "accept".to_owned())];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let file = in_blocking(move || written(&*apps, tree, form)).await?;
    let length = file.metadata().map_err(|error| unkept(&error))?.len();
    let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    let more = [(CONTENT_TYPE, form.media_type().to_owned()), (CONTENT_LENGTH, length.to_string())];
    Ok((head, more, body).into_response())
}

/// The app in a commit.
fn tree_at(repo: &dyn LocalRepository, shelf: &Shelf, app: &AppName, at: &str) -> Result<ObjectId, Refusal> {
    let id = ObjectId::from_hex(at)
        .ok_or_else(|| ApiError::request(format!("{at:?} is no commit; give all 40 digits of its name")))?;
    let here = repo.contains(id)?;
    let commit = here.then(|| repo.commit(id).ok()).flatten();
    let commit = commit.ok_or_else(|| absent(format!("there is no commit {at} in the local repository")))?;
    let folder = find_tree(repo, Some(commit.tree), &shelf.prefix)?;
    let found = find_tree(repo, folder, app.as_str())?;
    Ok(found.ok_or_else(|| absent(format!("the app {:?} is not in the commit {at}", app.as_str())))?)
}

/// The app in a temporary file: what goes out slowly must hold neither memory nor the engine.
fn written(apps: &dyn Apps, tree: ObjectId, form: Form) -> Result<File, Refusal> {
    let repo = apps.shelf().repo.ok_or_else(|| Failure::internal("the engine has not begun"))?;
    let mut file = apps.temporary_file()?;
    let target = file.try_clone().map_err(|error| unkept(&error))?;
    archive::write(form, &files_of(&*repo, tree)?, &|id| repo.blob(id), target)?;
    file.seek(SeekFrom::Start(0)).map_err(|error| unkept(&error))?;
    Ok(file)
}

/// Runs `work` where it may block.
pub(super) async fn in_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::internal("reading or writing an app failed by a defect"))?
}

/// Shared by the handlers.
pub(super) type SharedApps = Arc<dyn Apps>;
