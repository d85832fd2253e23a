//! Hosts and saved commands in either database.

use appferry::domain::shell::{SavedCommand, ShellHost, ShellName};
use appferry::ports::{AuditFilter, AuditLog as _, Changed, KeyRecords as _, ShellChanged, ShellRecords as _};
use appferry::store::Store;
use tempfile::TempDir;

use super::{add, name};
use crate::support::postgres::Postgres;

#[tokio::test]
async fn sqlite_keeps_hosts_and_commands() {
    let folder = TempDir::new().unwrap();
    all(Store::open(folder.path(), "jo@host").await.unwrap()).await;
}

#[tokio::test]
async fn postgres_keeps_hosts_and_commands() {
    let Some(server) = Postgres::start() else { return };
    all(Store::open_postgres(&server.database("shell"), "jo@host").await.unwrap()).await;
}

async fn all(store: Store) {
    hosts_use_their_keys(&store).await;
    commands_hold_their_hosts(&store).await;
}

fn host(text: &str, key: &str) -> ShellHost {
    let json = format!(r#"{{"name":"{text}","address":"10.0.0.1","user":"ops","key":"{key}"}}"#);
    serde_json::from_str(&json).unwrap()
}

fn shell_name(text: &str) -> ShellName {
    ShellName::new(text).unwrap()
}

async fn hosts_use_their_keys(store: &Store) {
    add(store, "one").await;
    add(store, "two").await;
    assert_eq!(store.add_host(&host("web", "one")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.add_host(&host("web", "two")).await.unwrap(), ShellChanged::NameTaken);
    let used = Changed::InUse(vec!["shell host web".into()]);
    assert_eq!(store.delete(&name("one")).await.unwrap(), used);
    assert_eq!(store.rename(&name("one"), &name("x"), false).await.unwrap(), used);
    assert_eq!(store.change_host(&host("none", "two")).await.unwrap(), ShellChanged::Absent);
    assert_eq!(store.change_host(&host("web", "two")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.delete(&name("one")).await.unwrap(), Changed::Done);
    assert_eq!(store.hosts().await.unwrap(), [host("web", "two")]);
    // A key that is made later is in use from its first moment.
    store.add_host(&host("later", "three")).await.unwrap();
    add(store, "three").await;
    assert_eq!(store.delete(&name("three")).await.unwrap(), Changed::InUse(vec!["shell host later".into()]));
    assert_eq!(store.remove_host(&shell_name("later")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.remove_host(&shell_name("later")).await.unwrap(), ShellChanged::Absent);
    assert_eq!(store.delete(&name("three")).await.unwrap(), Changed::Done);
}

async fn commands_hold_their_hosts(store: &Store) {
    let text = r#"{"name":"ls","host":"web","script":"ls {{x}}","variables":[{"name":"x","type":"pattern","pattern":"[a-z]"}],"rows":{"regex":"(?<a>.)"}}"#;
    let command: SavedCommand = serde_json::from_str(text).unwrap();
    assert_eq!(store.save_command(&command, true).await.unwrap(), ShellChanged::Absent);
    assert_eq!(store.save_command(&command, false).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.save_command(&command, false).await.unwrap(), ShellChanged::NameTaken);
    let elsewhere = SavedCommand { name: shell_name("other"), host: shell_name("absent"), ..command.clone() };
    assert_eq!(store.save_command(&elsewhere, false).await.unwrap(), ShellChanged::NoHost);
    assert_eq!(store.remove_host(&shell_name("web")).await.unwrap(), ShellChanged::InUse(vec!["ls".into()]));
    let changed = SavedCommand { script: "ls -l {{x}}".into(), ..command };
    assert_eq!(store.save_command(&changed, true).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.commands().await.unwrap(), [changed]);
    assert_eq!(store.remove_command(&shell_name("ls")).await.unwrap(), ShellChanged::Done);
    assert_eq!(store.remove_command(&shell_name("ls")).await.unwrap(), ShellChanged::Absent);
    let events: Vec<String> =
        store.audit(&AuditFilter::default()).await.unwrap().into_iter().map(|row| row.event).collect();
    let ours: Vec<&str> = events.iter().map(String::as_str).filter(|event| event.starts_with("shell_")).collect();
    assert_eq!(
        ours,
        [
            "shell_host_added",
            "shell_host_changed",
            "shell_host_added",
            "shell_host_removed",
            "shell_command_saved",
            "shell_command_saved",
            "shell_command_removed"
        ]
    );
}
