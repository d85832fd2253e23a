//! `appferry sync …`: what a person asks the worker for.

use std::fmt::Write as _;
use std::process::ExitCode;

mod args;
mod conflict;
mod incoming;

use args::{BackupsAction, SyncAction};

pub(super) use args::SyncArgs;

use super::output::{plain, say};
use crate::client::Client;
use crate::http::{ActionReport, Backup, Selection};

pub(super) async fn run(action: SyncAction, client: &Client) -> anyhow::Result<ExitCode> {
    let report = match action {
        SyncAction::Confirm { apps, all } => {
            client.confirm(&if all { Selection::All } else { Selection::Apps(apps) }).await?
        }
        SyncAction::Resolve { app, take } => client.resolve(app, take.into()).await?,
        SyncAction::Conflict { app, json } => {
            let view = client.conflict(&app).await?;
            say(&if json { serde_json::to_string_pretty(&view)? + "\n" } else { conflict::text(&view) })?;
            return Ok(ExitCode::SUCCESS);
        }
        SyncAction::Push { apps } => {
            client.push(&if apps.is_empty() { Selection::All } else { Selection::Apps(apps) }).await?
        }
        SyncAction::Add { apps } => client.add(apps).await?,
        SyncAction::Backups { action: Some(BackupsAction::Restore { reference }), .. } => {
            client.restore(reference).await?
        }
        SyncAction::Backups { action: None, json } => {
            let backups = client.backups().await?;
            say(&if json { serde_json::to_string_pretty(&backups)? + "\n" } else { list(&backups) })?;
            return Ok(ExitCode::SUCCESS);
        }
        SyncAction::Incoming(word) => match incoming::run(word, client).await? {
            incoming::Answer::Report(report) => report,
            incoming::Answer::Text(text) => {
                say(&text)?;
                return Ok(ExitCode::SUCCESS);
            }
        },
    };
    say(&outcome(&report))?;
    Ok(if report.apps.iter().all(|app| app.done) { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

fn outcome(report: &ActionReport) -> String {
    if report.apps.is_empty() {
        return "nothing to do\n".to_owned();
    }
    report.apps.iter().fold(String::new(), |mut text, app| {
        let mark = if app.done { "ok  " } else { "FAIL" };
        let _infallible = writeln!(text, "{mark}  {}: {}", plain(&app.app), plain(&app.message));
        text
    })
}

fn list(backups: &[Backup]) -> String {
    if backups.is_empty() {
        return "nothing was kept aside\n".to_owned();
    }
    backups.iter().fold(String::new(), |mut text, backup| {
        let Backup { reference, app, time, reason } = backup;
        let _infallible = writeln!(text, "{time}  {}  {}\n    {}", plain(app), plain(reason), plain(reference));
        text
    })
}
