//! Answers, for people.

use std::fmt::Write as _;

use crate::cli::output::plain;
use crate::domain::status::AppState;
use crate::http::{ActionReport, AppDiff, AppFate, AppRow, Backup, FileFate, HistoryPage, RefFate};

/// Digits of a commit's name.
const DIGITS: usize = 10;

pub(super) fn outcome(report: &ActionReport) -> String {
    if report.apps.is_empty() && report.refs.is_empty() {
        return "nothing to do\n".to_owned();
    }
    let mut text = String::new();
    for app in &report.apps {
        let mark = match (app.done, report.dry_run) {
            (true, false) => "ok  ",
            (true, true) => "plan",
            (false, _) => "FAIL",
        };
        line(&mut text, format_args!("{mark}  {}: {}", plain(&app.app), plain(&app.message)));
    }
    for told in &report.refs {
        let fate = match told.outcome {
            RefFate::Accepted => "accepted",
            RefFate::Unchanged => "unchanged",
            RefFate::Moved => "moved by somebody else; tried again",
            RefFate::Exists => "not touched",
            RefFate::Refused => "refused",
            RefFate::NotSent => "not sent",
        };
        let to = told.new.as_deref().map(|new| format!(" -> {}", short(new))).unwrap_or_default();
        let from = told.old.as_deref().map(|old| format!(" {}", short(old))).unwrap_or_default();
        let words = told.words.as_deref().map(|words| format!(": {}", plain(words))).unwrap_or_default();
        line(&mut text, format_args!("      {}{from}{to}  {fate}{words}", plain(&told.name)));
    }
    text
}

pub(super) fn apps(apps: &[AppRow]) -> String {
    if apps.is_empty() {
        return "no apps\n".to_owned();
    }
    let width = apps.iter().map(|row| row.app.name.chars().count()).max().unwrap_or_default().min(40);
    apps.iter().fold(String::new(), |mut text, AppRow { app, commit, commit_unread }| {
        let name = plain(&app.name);
        let last = match commit {
            Some(commit) => {
                let (author, subject) = (plain(&commit.author), plain(&commit.subject));
                format!("{}  {}  {author}  {subject}", short(&commit.id), commit.time)
            }
            None if *commit_unread => "its last commit was not reached yet; ask again".to_owned(),
            None => "-".to_owned(),
        };
        line(&mut text, format_args!("{name:width$}  {:9}  {last}", state(app.state)));
        if let Some(reason) = &app.reason {
            line(&mut text, format_args!("    {}", plain(reason)));
        }
        text
    })
}

const fn state(state: AppState) -> &'static str {
    match state {
        AppState::InSync => "in sync",
        AppState::Modified => "modified",
        AppState::Untracked => "untracked",
        AppState::Behind => "behind",
        AppState::Held => "held",
        AppState::Conflict => "conflict",
        AppState::Diverged => "diverged",
        AppState::Drift => "drift",
    }
}

pub(super) fn history(page: &HistoryPage) -> String {
    if page.commits.is_empty() && page.unread_before.is_none() {
        return "no commits\n".to_owned();
    }
    let mut text = String::new();
    for entry in &page.commits {
        let what = match (entry.change, &entry.renamed_from) {
            (AppFate::Renamed, Some(from)) => format!("  [was {:?}]", plain(from)),
            _ => String::new(),
        };
        let published = if entry.published { "  [published]" } else { "" };
        let pushed = if entry.pushed { "" } else { "  [not pushed yet]" };
        let commit = &entry.commit;
        let (id, author, subject) = (short(&commit.id), plain(&commit.author), plain(&commit.subject));
        line(&mut text, format_args!("{id}  {}  {author}  {subject}{what}{published}{pushed}", commit.time));
    }
    if let Some(next) = &page.next {
        line(&mut text, format_args!("more with --before {}", short(next)));
    }
    if let Some(commit) = &page.unread_before {
        let commit = short(commit);
        line(
            &mut text,
            format_args!(
                "commits before {commit} were not looked at: the branch is long, and the time was up; --before {commit} goes on"
            ),
        );
    }
    text
}

pub(super) fn diff(diff: &AppDiff) -> String {
    if diff.files.is_empty() {
        return "no difference\n".to_owned();
    }
    let mut text = String::new();
    for words in &diff.words {
        line(&mut text, format_args!("{}", plain(words)));
    }
    for file in &diff.files {
        let path = plain(&file.path);
        let change = match file.change {
            FileFate::Added => "added",
            FileFate::Removed => "removed",
            FileFate::Modified => "modified",
        };
        line(&mut text, format_args!("\n{change} {path}"));
        if let Some(note) = &file.note {
            line(&mut text, format_args!("  ({})", plain(note)));
        }
        if let Some(shown) = &file.text {
            line(&mut text, format_args!("--- {}\n+++ {}", plain(&diff.from), plain(&diff.to)));
            shown.lines().for_each(|shown| line(&mut text, format_args!("{}", plain(shown))));
        }
    }
    if diff.more_files > 0 {
        line(&mut text, format_args!("\nand {} more files", diff.more_files));
    }
    text
}

pub(super) fn backups(backups: &[Backup]) -> String {
    if backups.is_empty() {
        return "nothing was kept aside\n".to_owned();
    }
    backups.iter().fold(String::new(), |mut text, backup| {
        let Backup { reference, app, time, reason } = backup;
        line(&mut text, format_args!("{time}  {}  {}\n    {}", plain(app), plain(reason), plain(reference)));
        text
    })
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    let _infallible = writeln!(text, "{words}");
}

fn short(id: &str) -> &str {
    id.get(..DIGITS).unwrap_or(id)
}
