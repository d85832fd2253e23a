//! `POST /api/v1/sync/resolve`: a merged version may be as large as an app that is saved.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};

use super::read::in_blocking;
use super::refusals::Refusal;
use super::uploads::unkept;
use super::write::received;
use crate::archive::Limits;
use crate::domain::AppName;
use crate::domain::input::size::FileSize;
use crate::http::answer::ApiError;
use crate::http::requests::ResolveRequest;
use crate::http::routes::{BODY_LIMIT, Chosen};
use crate::http::sync_routes::{DryRun, act};
use crate::sync::action::{Action, ActionReport, Content, MergedFiles, Resolution};

pub(super) async fn resolve(
    Chosen(control): Chosen,
    dry_run: DryRun,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ActionReport>, Refusal> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let (app, resolution) = if announced.is_some_and(|length| length <= BODY_LIMIT) {
        let bytes = to_bytes(body, BODY_LIMIT).await;
        let bytes = bytes.map_err(|error| ApiError::request(format!("the body did not come whole: {error}")))?;
        parsed(bytes.as_ref())?
    } else {
        let apps = control.whole_apps()?;
        let file = received(&apps, &headers, body).await?;
        let limits = apps.limits();
        in_blocking(move || read(file, limits)).await?
    };
    Ok(act(&*control, Action::Resolve(app, resolution), dry_run).await?)
}

fn read(mut file: File, limits: Limits) -> Result<(AppName, Resolution), Refusal> {
    file.seek(SeekFrom::Start(0)).map_err(|error| unkept(&error))?;
    let (app, resolution) = parsed(BufReader::new(file))?;
    if let Resolution::Merged(merged) = &resolution {
        within(merged, limits)?;
    }
    Ok((app, resolution))
}

fn parsed(body: impl Read) -> Result<(AppName, Resolution), ApiError> {
    let request: ResolveRequest = serde_json::from_reader(body)
        .map_err(|error| ApiError::request(format!("the body is not what this call takes: {error}")))?;
    request.resolution().map_err(ApiError::request)
}

/// The limits of an app that is saved.
fn within(merged: &MergedFiles, limits: Limits) -> Result<(), ApiError> {
    let size = |content: &Option<Content>| match content {
        Some(Content::Text(text)) => text.len() as u64,
        Some(Content::Base64 { base64 }) => base64.len() as u64 / 4 * 3,
        None => 0,
    };
    let large = merged.files.iter().find(|(_, content)| size(content) > limits.file);
    let problem = if let Some((path, _)) = large {
        format!("{path:?} is larger than {}", FileSize(limits.file))
    } else if merged.files.values().map(size).sum::<u64>() > limits.whole {
        format!("the app is larger than {}", FileSize(limits.whole))
    } else if merged.files.len() > limits.entries {
        format!("the app has more than {} files", limits.entries)
    } else {
        return Ok(());
    };
    let remedy = "make it smaller, or raise APPFERRY_MAX_FILE_SIZE (a file) or APPFERRY_UPLOAD_LIMIT (an app)";
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "content", problem, remedy))
}
