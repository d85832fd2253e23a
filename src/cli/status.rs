//! `appferry status`: the status for people, or as JSON.

use std::fmt::Write as _;

use super::args::StatusArgs;
use super::output::{plain, say};
use crate::domain::status::{AppState, AppStatus, ConfigFileStatus, ErrorStatus, KeyStatus, RepositoryStatus, Status};

/// With more apps than this only those are listed that are not in sync.
const LISTED_WHOLE: usize = 50;

pub(super) fn print(status: &Status, args: &StatusArgs) -> anyhow::Result<()> {
    let text = if args.json { serde_json::to_string_pretty(status)? + "\n" } else { render(status, args.all) };
    Ok(say(&text)?)
}

/// The status for people. `all` lists every app, however many there are.
fn render(status: &Status, all: bool) -> String {
    let mut text = format!("appferry {} on {}\n", plain(&status.version), plain(&status.instance));
    if !status.sync_enabled {
        text.push_str("Git Sync is off (GIT_SYNC_IS_GLOBAL)\n");
    }
    if let Some(file) = &status.config {
        render_file(&mut text, file);
    }
    let several = status.config.is_some() || status.repositories.len() > 1;
    for repository in &status.repositories {
        text.push('\n');
        if several {
            let _infallible = writeln!(text, "{:<12}{}", "name", plain(&repository.name));
        }
        render_repository(&mut text, repository);
        render_apps(&mut text, &repository.apps, all);
    }
    text
}

fn render_file(text: &mut String, file: &ConfigFileStatus) {
    let _infallible = writeln!(text, "{:<12}{}, read {}", "config", plain(&file.path), plain(&file.read));
    if !file.errors.is_empty() {
        text.push_str("  the file is wrong now; what was read before stays:\n");
    }
    for error in &file.errors {
        let _infallible = writeln!(text, "  {}", plain(error));
    }
}

/// Name, fingerprint, where it is if not in the store, and a rotation under way.
fn shown_key(key: &KeyStatus) -> String {
    let fingerprint = key.fingerprint.as_deref().unwrap_or("not found");
    let source = match key.source.as_deref() {
        None | Some("store") => String::new(),
        Some(source) => format!("  ({source})"),
    };
    let rotation = key.previous.as_ref().map(|previous| format!("  rotated; {previous} stays valid"));
    format!("{}  {fingerprint}{source}{}", key.name, rotation.unwrap_or_default())
}

fn render_repository(text: &mut String, repository: &RepositoryStatus) {
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            let _infallible = writeln!(text, "{label:<12}{}", plain(value));
        }
    };
    line("repository", &repository.url);
    line(
        "branch",
        &format!("{}{}", repository.branch, if repository.locked { " (locked: apps are read-only here)" } else { "" }),
    );
    if let Some(key) = &repository.key {
        line("key", &shown_key(key));
    }
    line("apps folder", &repository.apps_dir);
    line("state", &state(repository));
    line("here", &tip(repository.local_tip.as_ref(), repository.unpushed));
    line("remote", &tip(repository.remote_tip.as_ref(), 0));
    line("last sync", repository.last_sync.as_deref().unwrap_or("never"));
    if let Some(ErrorStatus { failure, since, next_try }) = &repository.last_error {
        line("last error", &format!("{}: {}", failure.class.words(), failure.message));
        line("  do", &failure.remedy);
        line("  since", since);
        line("  next try", next_try.as_deref().unwrap_or("when something changes"));
    }
    for notice in &repository.notices {
        line("notice", notice);
    }
}

fn state(repository: &RepositoryStatus) -> String {
    let state = words_of(&repository.state);
    if repository.summary.is_empty() { state } else { format!("{state}: {}", repository.summary) }
}

fn tip(tip: Option<&String>, unpushed: usize) -> String {
    let short = tip.map_or("no commit yet".to_owned(), |tip| tip.chars().take(10).collect());
    if unpushed == 0 { short } else { format!("{short}, {unpushed} not pushed") }
}

fn render_apps(text: &mut String, apps: &[AppStatus], all: bool) {
    let in_sync = apps.iter().filter(|app| app.state == AppState::InSync).count();
    let _infallible = writeln!(text, "{:<12}{}, {in_sync} in sync", "apps", apps.len());
    let whole = all || apps.len() <= LISTED_WHOLE;
    let shown: Vec<&AppStatus> = apps.iter().filter(|app| whole || app.state != AppState::InSync).collect();
    let width = shown.iter().map(|app| app.name.chars().count()).max().unwrap_or_default().min(40);
    for app in shown {
        let reason = app.reason.as_deref().map(|reason| format!("  {}", plain(reason))).unwrap_or_default();
        let _infallible = writeln!(text, "  {:<width$}  {}{reason}", plain(&app.name), words_of(&app.state));
    }
    if !whole && in_sync > 0 {
        text.push_str("  (those in sync are listed with --all)\n");
    }
}

/// The name of a state as the JSON has it, with spaces.
fn words_of(state: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    value.as_str().unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_repositories_are_told_apart_by_name_and_a_refused_file_is_shown() {
        let named = |name: &str| RepositoryStatus { name: name.into(), ..RepositoryStatus::default() };
        let config = ConfigFileStatus {
            path: "/etc/appferry.toml".into(),
            read: "2026-01-01T00:00:00Z".into(),
            errors: vec!["/etc/appferry.toml, line 3: it is not TOML".into()],
        };
        let both = vec![named("sales"), named("reports")];
        let text = render(&Status { config: Some(config), repositories: both, ..Status::default() }, false);
        assert!(text.contains("\nname        sales\n") && text.contains("\nname        reports\n"), "{text}");
        assert!(text.contains("stays:\n  /etc/appferry.toml, line 3: it is not TOML\n"), "{text}");
    }
    use crate::domain::status::RepositoryState;
    use crate::domain::{Failure, FailureClass};

    fn app(name: &str, state: AppState, reason: Option<&str>) -> AppStatus {
        AppStatus { name: name.into(), state, reason: reason.map(str::to_owned) }
    }

    fn example() -> Status {
        let repository = RepositoryStatus {
            url: "git@github.com:team/apps.git".into(),
            branch: "main".into(),
            apps_dir: "/apps".into(),
            key: Some(KeyStatus {
                name: "MyKey".into(),
                fingerprint: Some("SHA256:abc".into()),
                source: Some("store".into()),
                previous: None,
            }),
            state: RepositoryState::Blocked,
            summary: "the server does not accept the key".into(),
            local_tip: Some("0123456789abcdef0123456789abcdef01234567".into()),
            unpushed: 2,
            last_error: Some(ErrorStatus {
                failure: Failure::new(
                    FailureClass::Authentication,
                    "the key was refused",
                    "add the public key to the account",
                ),
                since: "2026-01-01T00:00:00Z".into(),
                next_try: None,
            }),
            notices: vec!["inotify watches ran out".into()],
            apps: vec![
                app("PO App", AppState::InSync, None),
                app("Git_Sync", AppState::Held, Some("x.json does not\x1b[1m parse")),
            ],
            ..RepositoryStatus::default()
        };
        Status {
            version: "0.1.0".into(),
            instance: "dev".into(),
            sync_enabled: true,
            repositories: vec![repository],
            ..Status::default()
        }
    }

    #[test]
    fn a_person_sees_what_is_wrong_and_what_to_do() {
        let expected = "\
appferry 0.1.0 on dev

repository  git@github.com:team/apps.git
branch      main
key         MyKey  SHA256:abc
apps folder /apps
state       blocked: the server does not accept the key
here        0123456789, 2 not pushed
remote      no commit yet
last sync   never
last error  authentication: the key was refused
  do        add the public key to the account
  since     2026-01-01T00:00:00Z
  next try  when something changes
notice      inotify watches ran out
apps        2, 1 in sync
  PO App    in sync
  Git_Sync  held  x.json does not\u{fffd}[1m parse
";
        assert_eq!(render(&example(), false), expected);
    }

    #[test]
    fn a_rotated_key_shows_that_the_one_before_stays_valid() {
        let mut key = KeyStatus { name: "k".into(), fingerprint: Some("SHA256:new".into()), ..KeyStatus::default() };
        key.source = Some("folder".into());
        assert_eq!(shown_key(&key), "k  SHA256:new  (folder)");
        (key.source, key.previous) = (Some("store".into()), Some("SHA256:old".into()));
        assert_eq!(shown_key(&key), "k  SHA256:new  rotated; SHA256:old stays valid");
    }

    #[test]
    fn of_many_apps_only_those_that_are_not_in_sync_are_listed() {
        let mut status = example();
        let repository = &mut status.repositories[0];
        repository.apps.extend((0..10_000).map(|n| app(&format!("App_{n}"), AppState::InSync, None)));
        let text = render(&status, false);
        assert!(text.contains("apps        10002, 10001 in sync") && text.contains("Git_Sync  held"), "{text}");
        assert!(text.lines().count() < 25);
        assert!(render(&status, true).contains("App_9999"));
    }
}
