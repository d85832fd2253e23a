//! The status of a repository, put together from what the engine, the link and the watcher know.

use super::Face;
use super::link::Link;
use crate::domain::status::{AppState, ErrorStatus, GLOBAL, RepositoryState, RepositoryStatus};
use crate::domain::{Failure, FailureClass, RefusalKind};
use crate::sync::engine::Report;

/// More branches than this are not listed.
const MOST_BRANCHES: usize = 20;

/// Before the first pass has ended.
#[must_use]
pub fn first(face: &Face) -> RepositoryStatus {
    repository(face, Report::default(), [&Link::default(), &Link::default()], None, None, false)
}

/// Where there is no worker, because of `failure`; `next_try` is when that is tried again (RFC 3339).
#[must_use]
pub fn unopened(face: &Face, failure: &Failure, next_try: Option<String>) -> RepositoryStatus {
    let none = Link::default();
    let mut status = repository(face, Report::default(), [&none, &none], Some(failure), None, false);
    if let Some(error) = &mut status.last_error {
        error.next_try = next_try;
    }
    status
}

/// The whole status.
pub(super) fn repository(
    face: &Face,
    report: Report,
    links: [&Link; 2],
    trouble: Option<&Failure>,
    notice: Option<String>,
    started: bool,
) -> RepositoryStatus {
    let standing = standing_error(face, &report, links, trouble);
    let state = state(&report, standing.as_ref(), started);
    let summary = summary(state, &report, standing.as_ref());
    let mut notices = report.notices;
    notices.extend(notice);
    RepositoryStatus {
        name: face.name.clone(),
        url: face.url.clone(),
        branch: face.branch.clone(),
        apps_dir: face.apps_dir.clone(),
        prefix: face.prefix.clone(),
        locked: face.locked,
        key: face.key.clone(),
        state,
        summary,
        local_tip: report.local_tip,
        remote_tip: report.remote_tip,
        unpushed: report.unpushed,
        last_sync: links.iter().filter_map(|link| link.last_success()).max().map(|time| time.to_string()),
        last_error: standing,
        notices,
        apps: report.apps,
    }
}

/// What is wrong now; of several things the one nearest to the root of it.
fn standing_error(face: &Face, report: &Report, links: [&Link; 2], trouble: Option<&Failure>) -> Option<ErrorStatus> {
    if let Some(reason) = &report.not_mounted {
        let failure =
            Failure::new(FailureClass::Disk, reason.clone(), "mount it; until then nothing counts as deleted");
        return Some(now(failure));
    }
    if let Some(trouble) = trouble {
        return Some(now(trouble.clone()));
    }
    if let Some(failure) = links.into_iter().find_map(Link::failure) {
        return Some(failure.clone());
    }
    if let Some(others) = &report.branch_absent {
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        return Some(now(branch_absent(&face.name, &face.branch, &others)));
    }
    if let Some((words, retry_in)) = &report.refused {
        let message = format!("the remote refuses our push: {words}");
        let remedy = RefusalKind::of(words).remedy();
        let next_try = jiff::Timestamp::now().checked_add(*retry_in).ok().map(|time| time.to_string());
        return Some(ErrorStatus { next_try, ..now(Failure::new(FailureClass::Refused, message, remedy)) });
    }
    let (app, failure) = report.install_failure.as_ref()?;
    let message = format!("the app {:?} could not be installed: {}", app.as_str(), failure.message);
    Some(now(Failure::new(failure.class, message, failure.remedy.clone())))
}

/// The branch of the repository called `name` is not there; `others` are.
#[must_use]
pub fn branch_absent(name: &str, branch: &str, others: &[&str]) -> Failure {
    let ours = |name: &&&str| !name.starts_with("conflict/") && !name.starts_with("appferry/");
    let others: Vec<&str> = others.iter().filter(ours).copied().collect();
    let message = match others.get(..MOST_BRANCHES) {
        _ if others.is_empty() => {
            format!("the branch {branch:?} was deleted at the remote, and there is no other to follow")
        }
        Some(first) if others.len() > first.len() => {
            let more = others.len() - first.len();
            format!("the branch {branch:?} is not at the remote; there are: {}, and {more} more", first.join(", "))
        }
        _ => format!("the branch {branch:?} is not at the remote; there are: {}", others.join(", ")),
    };
    let from = others.first().map_or("BRANCH".to_owned(), |other| format!("{other:?}"));
    let (setting, which) = if name == GLOBAL {
        ("GIT_SYNC_BRANCH_NAME", String::new())
    } else {
        ("its `branch` in the file of APPFERRY_CONFIG", format!(" --repository {name}"))
    };
    let remedy = format!(
        "correct {setting}, or create it with `appferry sync{which} create-branch {branch:?} --from {from}`; nothing is pushed until then"
    );
    Failure::new(FailureClass::BranchAbsent, message, remedy)
}

fn now(failure: Failure) -> ErrorStatus {
    ErrorStatus { failure, since: jiff::Timestamp::now().to_string(), next_try: None }
}

/// An error that stood before stands since then.
pub(super) fn keep_since(status: &mut RepositoryStatus, before: &RepositoryStatus) {
    if let (Some(error), Some(known)) = (&mut status.last_error, &before.last_error)
        && error.failure.class == known.failure.class
    {
        error.since.clone_from(&known.since);
    }
}

/// Whether the log is to tell of it. What to do about an error may be said in other words each time: that is no news.
pub(super) fn is_news(old: &RepositoryStatus, new: &RepositoryStatus) -> bool {
    let error = |status: &RepositoryStatus| {
        status.last_error.as_ref().map(|error| (error.failure.class, error.failure.message.clone()))
    };
    let same_error = new.last_error.is_some() && error(old) == error(new);
    let goes_on = new.state == RepositoryState::Starting; // its summary counts
    old.state != new.state || !same_error && !goes_on && old.summary != new.summary
}

fn state(report: &Report, standing: Option<&ErrorStatus>, started: bool) -> RepositoryState {
    match standing.map(|error| error.failure.class) {
        Some(FailureClass::Disk | FailureClass::Damaged) => RepositoryState::DiskTrouble,
        Some(FailureClass::BranchAbsent) => RepositoryState::BranchAbsent,
        Some(FailureClass::Refused) => RepositoryState::Refused,
        Some(class) if class.is_permanent() => RepositoryState::Blocked,
        Some(_) => RepositoryState::Offline,
        None if !started => RepositoryState::Starting,
        None if report.held_removals => RepositoryState::HeldDeletions,
        None if report.unpushed > 0 => RepositoryState::Syncing,
        None if waiting(report) > 0 => RepositoryState::AppsWaiting,
        None => RepositoryState::InSync,
    }
}

fn summary(state: RepositoryState, report: &Report, standing: Option<&ErrorStatus>) -> String {
    if let Some(error) = standing {
        return error.failure.to_string();
    }
    let count = |number: usize| if number == 1 { "1 app".to_owned() } else { format!("{number} apps") };
    match state {
        RepositoryState::Starting if report.apps.is_empty() => "the first pass is under way".to_owned(),
        RepositoryState::Starting => {
            let done = report.apps.len() - waiting(report);
            format!("the first pass is under way: {done} of {} in sync", count(report.apps.len()))
        }
        RepositoryState::HeldDeletions => "removals wait for a person; see the apps".to_owned(),
        RepositoryState::Syncing => format!("to be pushed: {}", count(report.unpushed)),
        RepositoryState::AppsWaiting => format!("{}, not in sync: {}", count(report.apps.len()), waiting(report)),
        _ => format!("{}, all in sync", count(report.apps.len())),
    }
}

/// Apps that are not in sync.
fn waiting(report: &Report) -> usize {
    report.apps.iter().filter(|app| app.state != AppState::InSync).count()
}
