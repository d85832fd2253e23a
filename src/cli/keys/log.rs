//! The audit log at the command line.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::args::AuditArgs;
use crate::cli::output::{self, complain, plain};
use crate::domain::{Failure, FailureClass, KeyName};
use crate::keys::{KeyService, shown_time};
use crate::ports::{AuditFilter, AuditLog, AuditRow};

/// How soon a new row is shown.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The rows; with `--follow`, they are written as they come, and the answer is empty.
pub(super) async fn show(service: &KeyService, args: &AuditArgs) -> anyhow::Result<String> {
    let mut filter = AuditFilter {
        after: None,
        since_ms: args.since.map(since),
        event: args.event.clone(),
        key: args.key.as_ref().map(KeyName::to_string),
        last: Some(args.last),
    };
    let log = service.audit_log();
    let rows = log.audit(&filter).await?;
    if !args.follow {
        return written(&rows, args.json);
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let seen = match args.last {
        0 => log.audit(&AuditFilter { last: Some(1), ..filter.clone() }).await?.last().map(|row| row.id),
        _ => rows.last().map(|row| row.id),
    };
    filter.after = seen.or(Some(0));
    filter.last = Some(u32::MAX);
    let gone = nobody_reads();
    tokio::pin!(gone);
    let mut shown = say(&rows, args.json)?;
    let mut away = false;
    while shown {
        // A database that is away is waited for, for seconds: a signal ends that, too.
        let looked = tokio::select! {
            looked = look(log.as_ref(), &filter) => looked,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            () = &mut gone => break,
        };
        let rows = match looked {
            Err(failure) if may_pass(&failure) => {
                if !away {
                    complain(&format!("{}; following goes on", plain(&failure.to_string())));
                }
                away = true;
                continue;
            }
            looked => looked?,
        };
        away = false;
        filter.after = rows.last().map(|row| row.id).or(filter.after);
        shown = say(&rows, args.json)?;
    }
    Ok(String::new())
}

async fn look(log: &dyn AuditLog, filter: &AuditFilter) -> Result<Vec<AuditRow>, Failure> {
    tokio::time::sleep(LOOK_EVERY).await;
    log.audit(filter).await
}

/// Whether the next look may find the log again.
fn may_pass(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::Disk | FailureClass::Connect)
}

/// Ends when the reader of standard output has closed it; never where that cannot be known, as with a file.
async fn nobody_reads() {
    let pipe = io::stdout().as_fd().try_clone_to_owned().and_then(pipe::Sender::from_owned_fd_unchecked);
    if let Ok(pipe) = pipe
        && pipe.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Whether somebody still reads.
fn say(rows: &[AuditRow], json: bool) -> anyhow::Result<bool> {
    match output::say(&written(rows, json)?) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        said => said.map(|()| true).context("the log cannot be written"),
    }
}

fn since(age: Duration) -> i64 {
    let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::now().as_millisecond().saturating_sub(age_ms)
}

fn written(rows: &[AuditRow], json: bool) -> anyhow::Result<String> {
    rows.iter().map(|row| if json { json_line(row) } else { Ok(line(row)) }).collect()
}

/// As a line of JSON, with the time as RFC 3339.
fn json_line(row: &AuditRow) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(row)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("at".to_owned(), jiff::Timestamp::from_millisecond(row.at_ms)?.to_string().into());
    }
    Ok(format!("{value}\n"))
}

fn line(row: &AuditRow) -> String {
    let shown = |label: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!("  {label}{}", plain(value))).unwrap_or_default()
    };
    format!(
        "{}  {:<18}  {:<14}  {}{}{}{}{}\n",
        shown_time(row.at_ms),
        row.event,
        row.outcome,
        plain(&row.actor),
        shown("key ", &row.key),
        shown("", &row.purpose),
        shown("host key ", &row.host_key),
        shown("", &row.detail),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_and_control_characters_stay_out() {
        let row = AuditRow {
            id: 7,
            at_ms: 0,
            actor: "jo@host".into(),
            event: "ssh_key_used".into(),
            key: Some("deploy".into()),
            purpose: Some("git git@host:22".into()),
            host_key: None,
            outcome: "ok".into(),
            detail: Some("a\u{1b}[2Jb\n".into()),
        };
        insta::assert_snapshot!(line(&row).trim_end(), @"1970-01-01T00:00:00Z  ssh_key_used        ok              jo@host  key deploy  git git@host:22  a�[2Jb�");
        assert!(json_line(&row).unwrap().contains(r#""at":"1970-01-01T00:00:00Z""#));
    }
}
