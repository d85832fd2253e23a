//! What is saved, and who may have it run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::book::Book;
use super::error::ShellError;
use crate::domain::shell::{RunReport, RunsKept, SavedCommand, ShellHost, ShellName};
use crate::ports::{RunFilter, RunRecords, RunRow, ShellChanged, ShellRecords, ShellSessions};

/// Runs at once on one host: fewer than an OpenSSH server allows (`MaxSessions 10`), so that people get in beside them.
const AT_ONCE: usize = 8;

/// A saved command, and whether it would run. It may have been saved by a version that saw less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JudgedCommand {
    /// As it is saved.
    #[serde(flatten)]
    pub command: SavedCommand,
    /// Why it is refused when it is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl JudgedCommand {
    fn of(command: SavedCommand, hosts: &[ShellHost]) -> Self {
        let shell = hosts.iter().find(|host| host.name == command.host).map(|host| host.shell);
        let refused = shell.and_then(|shell| command.check(shell).err()).map(|error| error.to_string());
        Self { command, refused }
    }
}

/// Saved hosts and commands, and their runs. Cheap to clone.
#[derive(Clone)]
pub struct ShellService {
    pub(super) records: Arc<dyn ShellRecords>,
    /// Where nothing is run, there is none.
    pub(super) running: Option<(Arc<dyn ShellSessions>, Book)>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    kept: RunsKept,
    turns: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl ShellService {
    /// For looking at what is saved and changing it; nothing is run.
    #[must_use]
    pub fn saved(records: Arc<dyn ShellRecords>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Self { records, running: None, tasks, stop, kept: RunsKept::default(), turns: Arc::default() }
    }

    /// The same, running commands for `owner` over `sessions` in tasks of `tasks` until `stop` fires. What an earlier service
    /// of that owner had under way counts as ended from here on: there must be none that runs.
    #[must_use]
    pub async fn running(
        self,
        owner: &str,
        sessions: Arc<dyn ShellSessions>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let records: Arc<dyn RunRecords> = Arc::<dyn ShellRecords>::clone(&self.records);
        let book = Book::new(records, owner.into(), tasks.clone(), stop.clone());
        book.settle().await;
        Self { running: Some((sessions, book)), tasks, stop, ..self }
    }

    /// The same, with another time and number for which past runs are kept.
    #[must_use]
    pub fn keeping(self, kept: RunsKept) -> Self {
        Self { kept, ..self }
    }

    /// Forgets past runs that are not to be kept any more, and ends those that nobody ends. What does not work is tried
    /// again at the next time.
    pub async fn tidy_runs(&self) {
        if let Some((_, book)) = &self.running {
            book.settle().await;
        }
        if let Err(failure) = self.records.forget_runs(self.kept).await {
            tracing::warn!(%failure, "old runs of shell commands could not be forgotten; it is tried again");
        }
    }

    /// All hosts.
    ///
    /// # Errors
    /// The store.
    pub async fn hosts(&self) -> Result<Vec<ShellHost>, ShellError> {
        Ok(self.records.hosts().await?)
    }

    /// The host of this name.
    ///
    /// # Errors
    /// [`ShellError::NoHost`].
    pub async fn host(&self, name: &ShellName) -> Result<ShellHost, ShellError> {
        Self::among(&self.records.hosts().await?, name)
    }

    pub(super) fn among(hosts: &[ShellHost], name: &ShellName) -> Result<ShellHost, ShellError> {
        let found = hosts.iter().find(|host| host.name == *name).cloned();
        let known = || hosts.iter().map(|host| host.name.to_string()).collect();
        found.ok_or_else(|| ShellError::NoHost { asked: name.to_string(), known: known() })
    }

    /// Adds a host, or changes it with `replace`. Commands that are saved on it must still be possible.
    ///
    /// # Errors
    /// [`ShellError`].
    pub async fn put_host(&self, host: &ShellHost, replace: bool) -> Result<(), ShellError> {
        host.check()?;
        if !replace {
            return self.became(self.records.add_host(host).await?, "host", &host.name).await;
        }
        for command in self.records.commands().await?.iter().filter(|command| command.host == host.name) {
            let on_host = |error| ShellError::OnHost { command: command.name.clone(), error };
            command.check(host.shell).map_err(on_host)?;
        }
        self.became(self.records.change_host(host).await?, "host", &host.name).await
    }

    /// Removes a host.
    ///
    /// # Errors
    /// [`ShellError`].
    pub async fn remove_host(&self, name: &ShellName) -> Result<(), ShellError> {
        self.became(self.records.remove_host(name).await?, "host", name).await
    }

    /// All saved commands.
    ///
    /// # Errors
    /// The store.
    pub async fn commands(&self) -> Result<Vec<SavedCommand>, ShellError> {
        Ok(self.records.commands().await?)
    }

    /// All saved commands, and whether they would run.
    ///
    /// # Errors
    /// The store.
    pub async fn judged_commands(&self) -> Result<Vec<JudgedCommand>, ShellError> {
        let hosts = self.hosts().await?;
        Ok(self.commands().await?.into_iter().map(|command| JudgedCommand::of(command, &hosts)).collect())
    }

    /// The saved command of this name, and whether it would run.
    ///
    /// # Errors
    /// [`ShellError::NoCommand`].
    pub async fn judged_command(&self, name: &ShellName) -> Result<JudgedCommand, ShellError> {
        Ok(JudgedCommand::of(self.command(name).await?, &self.hosts().await?))
    }

    /// The saved command of this name.
    ///
    /// # Errors
    /// [`ShellError::NoCommand`].
    pub async fn command(&self, name: &ShellName) -> Result<SavedCommand, ShellError> {
        Ok(self.command_with_hosts(name, false).await?.0)
    }

    /// The same with the host that it is saved on, or with all hosts.
    pub(super) async fn command_with_hosts(
        &self,
        name: &ShellName,
        all_hosts: bool,
    ) -> Result<(SavedCommand, Vec<ShellHost>), ShellError> {
        if let (Some(command), hosts) = self.records.command_with_hosts(name, all_hosts).await? {
            return Ok((command, hosts));
        }
        let known = self.records.commands().await?.iter().map(|command| command.name.to_string()).collect();
        Err(ShellError::NoCommand { asked: name.to_string(), known })
    }

    /// Saves a command, or changes it with `replace`.
    ///
    /// # Errors
    /// [`ShellError`], with everything that is wrong with its script.
    pub async fn save(&self, command: &SavedCommand, replace: bool) -> Result<(), ShellError> {
        let host = self.host(&command.host).await?;
        command.check(host.shell)?;
        self.became(self.records.save_command(command, replace).await?, "command", &command.name).await
    }

    /// Removes a saved command.
    ///
    /// # Errors
    /// [`ShellError`].
    pub async fn remove(&self, name: &ShellName) -> Result<(), ShellError> {
        self.became(self.records.remove_command(name).await?, "command", name).await
    }

    /// Past runs, newest first.
    ///
    /// # Errors
    /// The store.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>, ShellError> {
        Ok(self.records.runs(filter).await?)
    }

    /// What came of a past run.
    ///
    /// # Errors
    /// [`ShellError::NoRun`].
    pub async fn past_run(&self, id: i64) -> Result<RunReport, ShellError> {
        self.records.run(id).await?.ok_or(ShellError::NoRun(id))
    }

    async fn became(&self, changed: ShellChanged, what: &'static str, name: &ShellName) -> Result<(), ShellError> {
        match changed {
            ShellChanged::Done => Ok(()),
            ShellChanged::NameTaken => Err(ShellError::Taken { what, name: name.to_string() }),
            ShellChanged::InUse(commands) => Err(ShellError::InUse { name: name.to_string(), commands }),
            ShellChanged::NoHost => Err(ShellError::Request("the host was removed meanwhile; add it again".to_owned())),
            ShellChanged::Absent if what == "host" => {
                self.host(name).await?;
                Ok(())
            }
            ShellChanged::Absent => {
                self.command(name).await?;
                Ok(())
            }
        }
    }

    /// Who waits for a turn on this host.
    pub(super) fn turns(&self, host: &ShellHost) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(host.place()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
    }

    /// Whether others have a turn on this host beside the one who asks.
    pub(super) fn others_run(&self, host: &ShellHost) -> bool {
        self.turns(host).available_permits() + 1 < AT_ONCE
    }
}
