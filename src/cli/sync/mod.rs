//! `appferry sync …`: what a person asks the worker for.

use std::process::ExitCode;

use serde::Serialize;

mod args;
mod merged;
mod shown;

use args::{BackupsAction, Doing, SyncAction};

pub(super) use args::SyncArgs;

use super::output::say;
use crate::client::Client;
use crate::http::{ActionReport, PushRequest, Resolution, Selection, TagRequest, Take};

pub(super) async fn run(action: SyncAction, client: Client) -> anyhow::Result<ExitCode> {
    match action {
        SyncAction::Apps { json } => print(&client.apps().await?, json, |apps| shown::apps(apps)),
        SyncAction::Diff { app, commit, json } => {
            print(&client.diff(&app, commit.as_deref()).await?, json, shown::diff)
        }
        SyncAction::History { app, limit, before, json } => {
            print(&client.history(&app, limit.into(), before.as_deref()).await?, json, shown::history)
        }
        SyncAction::Backups { action: None, json } => {
            print(&client.backups().await?, json, |backups| shown::backups(backups))
        }
        action => change(action, client).await,
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
        SyncAction::Apps { .. } | SyncAction::Diff { .. } | SyncAction::History { .. } | SyncAction::Backups { .. } => {
            ActionReport::default() // answered before
        }
    };
    print(&report, doing.json, shown::outcome)?;
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
