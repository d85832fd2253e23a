//! Hosts and saved commands.

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::audit::{append, now_ms};
use super::db::{Conn, execute, rows};
use super::users::{hold_claims, replace};
use super::{Store, is_refusal, is_taken};
use crate::domain::Failure;
use crate::domain::shell::{SavedCommand, ShellHost, ShellName};
use crate::ports::{AuditEntry, ShellChanged, ShellRecords};

#[async_trait]
impl ShellRecords for Store {
    async fn add_host(&self, host: &ShellHost) -> Result<ShellChanged, Failure> {
        let doing = "adding the host";
        let mut tx = self.begin(doing).await?;
        let added = put_host(&mut tx.conn(), &self.actor, host, false).await;
        if added.as_ref().is_err_and(is_taken) {
            return Ok(ShellChanged::NameTaken);
        }
        self.finish(doing, tx, added).await
    }

    async fn change_host(&self, host: &ShellHost) -> Result<ShellChanged, Failure> {
        let doing = "changing the host";
        let mut tx = self.begin(doing).await?;
        let changed = put_host(&mut tx.conn(), &self.actor, host, true).await;
        self.finish(doing, tx, changed).await
    }

    async fn remove_host(&self, name: &ShellName) -> Result<ShellChanged, Failure> {
        let doing = "removing the host";
        let mut tx = self.begin(doing).await?;
        let removed = remove_host(&mut tx.conn(), &self.actor, name).await;
        if removed.as_ref().is_err_and(is_refusal) {
            drop(tx);
            let commands = self.commands().await?.into_iter().filter(|command| command.host == *name);
            return Ok(ShellChanged::InUse(commands.map(|command| command.name.to_string()).collect()));
        }
        self.finish(doing, tx, removed).await
    }

    async fn hosts(&self) -> Result<Vec<ShellHost>, Failure> {
        let doing = "reading the hosts";
        let mut reading = self.reading(doing).await?;
        let found = rows!(&mut reading.conn(), (String,), "SELECT definition FROM shell_hosts ORDER BY name");
        read_all(&found.map_err(|e| self.failure(doing, &e))?)
    }

    async fn save_command(&self, command: &SavedCommand, replace: bool) -> Result<ShellChanged, Failure> {
        let doing = "saving the command";
        let mut tx = self.begin(doing).await?;
        let saved = put_command(&mut tx.conn(), &self.actor, command, replace).await;
        if saved.as_ref().is_err_and(is_taken) {
            return Ok(ShellChanged::NameTaken);
        }
        if saved.as_ref().is_err_and(is_refusal) {
            return Ok(ShellChanged::NoHost);
        }
        self.finish(doing, tx, saved).await
    }

    async fn remove_command(&self, name: &ShellName) -> Result<ShellChanged, Failure> {
        let doing = "removing the command";
        let mut tx = self.begin(doing).await?;
        let removed = remove_command(&mut tx.conn(), &self.actor, name).await;
        self.finish(doing, tx, removed).await
    }

    async fn commands(&self) -> Result<Vec<SavedCommand>, Failure> {
        let doing = "reading the saved commands";
        let mut reading = self.reading(doing).await?;
        let found = rows!(&mut reading.conn(), (String,), "SELECT definition FROM shell_commands ORDER BY name");
        read_all(&found.map_err(|e| self.failure(doing, &e))?)
    }

    async fn command_with_hosts(
        &self,
        name: &ShellName,
        all_hosts: bool,
    ) -> Result<(Option<SavedCommand>, Vec<ShellHost>), Failure> {
        let doing = "reading the saved command";
        let mut reading = self.reading(doing).await?;
        let found = rows!(
            &mut reading.conn(),
            (bool, String, String),
            "SELECT TRUE, definition, name FROM shell_commands WHERE name = $1
             UNION ALL SELECT FALSE, definition, name FROM shell_hosts
                 WHERE $2 OR name = (SELECT host FROM shell_commands WHERE name = $1)
             ORDER BY name",
            name.as_str(),
            all_hosts,
        );
        let (mut command, mut hosts) = (None, Vec::new());
        for (is_command, text, _) in found.map_err(|e| self.failure(doing, &e))? {
            if is_command {
                command = Some(read(&text)?);
            } else {
                hosts.push(read(&text)?);
            }
        }
        Ok((command, hosts))
    }
}

/// How a host is called among the users of its key.
fn user(host: &ShellName) -> String {
    format!("shell host {host}")
}

async fn put_host(
    c: &mut Conn<'_>,
    actor: &str,
    host: &ShellHost,
    is_there: bool,
) -> Result<ShellChanged, sqlx::Error> {
    hold_claims(c).await?;
    let (name, definition) = (host.name.as_str(), written(host)?);
    let changed = if is_there {
        let sql = "UPDATE shell_hosts SET definition = $2, changed_ms = $3 WHERE name = $1";
        execute!(c, sql, name, definition.as_str(), now_ms())?
    } else {
        let sql = "INSERT INTO shell_hosts (name, definition, changed_ms) VALUES ($1, $2, $3)";
        execute!(c, sql, name, definition.as_str(), now_ms())?
    };
    if changed == 0 {
        return Ok(ShellChanged::Absent);
    }
    replace(c, &user(&host.name), std::slice::from_ref(&host.key)).await?;
    let event = if is_there { "shell_host_changed" } else { "shell_host_added" };
    let purpose = format!("{name}: {}", host.place());
    let entry = AuditEntry { key_name: Some(host.key.to_string()), purpose: Some(purpose), ..done(event) };
    append(c, actor, &entry).await?;
    Ok(ShellChanged::Done)
}

async fn remove_host(c: &mut Conn<'_>, actor: &str, name: &ShellName) -> Result<ShellChanged, sqlx::Error> {
    hold_claims(c).await?;
    if execute!(c, "DELETE FROM shell_hosts WHERE name = $1", name.as_str())? == 0 {
        return Ok(ShellChanged::Absent);
    }
    replace(c, &user(name), &[]).await?;
    append(c, actor, &AuditEntry { purpose: Some(name.to_string()), ..done("shell_host_removed") }).await?;
    Ok(ShellChanged::Done)
}

async fn put_command(
    c: &mut Conn<'_>,
    actor: &str,
    command: &SavedCommand,
    is_there: bool,
) -> Result<ShellChanged, sqlx::Error> {
    let (name, host, definition) = (command.name.as_str(), command.host.as_str(), written(command)?);
    let changed = if is_there {
        let sql = "UPDATE shell_commands SET host = $2, definition = $3, changed_ms = $4 WHERE name = $1";
        execute!(c, sql, name, host, definition.as_str(), now_ms())?
    } else {
        let sql = "INSERT INTO shell_commands (name, host, definition, changed_ms) VALUES ($1, $2, $3, $4)";
        execute!(c, sql, name, host, definition.as_str(), now_ms())?
    };
    if changed == 0 {
        return Ok(ShellChanged::Absent);
    }
    let purpose = Some(format!("{name} on {host}"));
    append(c, actor, &AuditEntry { purpose, ..done("shell_command_saved") }).await?;
    Ok(ShellChanged::Done)
}

async fn remove_command(c: &mut Conn<'_>, actor: &str, name: &ShellName) -> Result<ShellChanged, sqlx::Error> {
    if execute!(c, "DELETE FROM shell_commands WHERE name = $1", name.as_str())? == 0 {
        return Ok(ShellChanged::Absent);
    }
    append(c, actor, &AuditEntry { purpose: Some(name.to_string()), ..done("shell_command_removed") }).await?;
    Ok(ShellChanged::Done)
}

fn done(event: &'static str) -> AuditEntry {
    AuditEntry { event, outcome: "ok".to_owned(), ..AuditEntry::default() }
}

pub(super) fn written(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(damaged)
}

pub(super) fn damaged(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}

fn read_all<T: DeserializeOwned>(found: &[(String,)]) -> Result<Vec<T>, Failure> {
    found.iter().map(|(text,)| read(text)).collect()
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::internal(format!("a record of the shell commands is not understood: {error}")))
}
