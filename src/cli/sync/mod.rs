//! `appferry sync …`: what a person asks the worker for.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

mod args;
mod conflict;
mod incoming;
mod merged;
mod shown;

use args::{BackupsAction, Doing, SyncAction};
use incoming::IncomingWord;

pub(super) use args::SyncArgs;

use super::output::say;
use crate::client::{Client, ClientError};
use crate::http::{ActionReport, AppRow, PushRequest, Resolution, Selection, TagRequest, Take};

/// How long `apps` waits until the commits of all apps are read.
const READING: Duration = Duration::from_secs(30);

pub(super) async fn run(action: SyncAction, client: Client) -> anyhow::Result<ExitCode> {
    match action {
        SyncAction::Apps { json } => print(&apps(&client).await?, json, |apps| shown::apps(apps)),
        SyncAction::Diff { app, commit, json } => {
            print(&client.diff(&app, commit.as_deref()).await?, json, shown::diff)
        }
        SyncAction::History { app, limit, before, json } => {
            print(&client.history(&app, limit.into(), before.as_deref()).await?, json, shown::history)
        }
        SyncAction::Conflict { app, json } => print(&client.conflict(&app).await?, json, conflict::text),
        SyncAction::Backups { action: None, json } => {
            print(&client.backups().await?, json, |backups| shown::backups(backups))
        }
        SyncAction::Incoming(word) => take_in(word, &client).await,
        action => change(action, client).await,
    }
}

/// An answer reads history for a second at most; a person waits a while for the rest.
async fn apps(client: &Client) -> Result<Vec<AppRow>, ClientError> {
    let deadline = Instant::now() + READING;
    loop {
        let apps = client.apps().await?;
        if !apps.iter().any(|row| row.commit_unread) || Instant::now() > deadline {
            return Ok(apps);
        }
    }
}

async fn change(action: SyncAction, client: Client) -> anyhow::Result<ExitCode> {
    let doing = doing(&action);
    let client = client.dry_run(doing.dry_run);
    let report = match action {
        SyncAction::Confirm { apps, all, .. } => {
            client.confirm(&if all { Selection::All } else { Selection::Apps(apps) }).await?
        }
        SyncAction::Resolve { app, take, as_path, .. } => {
            let resolution = match take.to_str() {
                Some("ours") => Resolution::Side(Take::Ours),
                Some("theirs") => Resolution::Side(Take::Theirs),
                _ => Resolution::Merged(merged::read(&take, as_path)?),
            };
            client.resolve_with(app, resolution).await?
        }
        SyncAction::Push { apps, message, author, tag, tag_message, .. } => {
            let tag = tag.map(|name| TagRequest { name, message: tag_message });
            let apps = if apps.is_empty() { Selection::All } else { Selection::Apps(apps) };
            client.push_with(&PushRequest { message, author, tag, ..apps.into() }).await?
        }
        SyncAction::Add { apps, .. } => client.add(apps).await?,
        SyncAction::Remove { apps, .. } => client.remove(apps).await?,
        SyncAction::Revert { apps, .. } => client.revert(apps).await?,
        SyncAction::Restore { app, to, .. } => client.restore_app(app, to).await?,
        SyncAction::Backups { action: Some(BackupsAction::Restore { reference, .. }), .. } => {
            client.restore(reference).await?
        }
        SyncAction::Apps { .. }
        | SyncAction::Diff { .. }
        | SyncAction::History { .. }
        | SyncAction::Backups { .. }
        | SyncAction::Conflict { .. }
        | SyncAction::Incoming(_) => {
            ActionReport::default() // answered before
        }
    };
    tell(&report, doing.json)
}

async fn take_in(word: IncomingWord, client: &Client) -> anyhow::Result<ExitCode> {
    match incoming::run(word, client).await? {
        incoming::Answer::Report(report, doing) => tell(&report, doing.json),
        incoming::Answer::Text(text) => {
            say(&text)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn tell(report: &ActionReport, json: bool) -> anyhow::Result<ExitCode> {
    print(report, json, shown::outcome)?;
    Ok(if report.is_done() { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

fn doing(action: &SyncAction) -> Doing {
    match action {
        SyncAction::Confirm { doing, .. }
        | SyncAction::Resolve { doing, .. }
        | SyncAction::Push { doing, .. }
        | SyncAction::Add { doing, .. }
        | SyncAction::Remove { doing, .. }
        | SyncAction::Revert { doing, .. }
        | SyncAction::Restore { doing, .. }
        | SyncAction::Backups { action: Some(BackupsAction::Restore { doing, .. }), .. } => *doing,
        _ => Doing::default(),
    }
}

fn print<T: Serialize>(answer: &T, json: bool, words: impl FnOnce(&T) -> String) -> anyhow::Result<ExitCode> {
    say(&if json { serde_json::to_string_pretty(answer)? + "\n" } else { words(answer) })?;
    Ok(ExitCode::SUCCESS)
}
