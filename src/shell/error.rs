//! What can be wrong with a question about shell commands.

use crate::domain::Failure;
use crate::domain::shell::{CommandError, HostError, ShellName};

/// What is wrong with a question about shell commands, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The store.
    #[error(transparent)]
    Store(#[from] Failure),
    /// The command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A command that is saved on the host.
    #[error("`{command}`, which is saved on that host, could not run there: {error}")]
    OnHost {
        /// Its name.
        command: ShellName,
        /// Why.
        error: CommandError,
    },
    /// The host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No such host.
    #[error("there is no host `{asked}`; {}", listed(.known, "add it with `appferry shell hosts add`"))]
    NoHost {
        /// The name.
        asked: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// No such command.
    #[error("there is no saved command `{asked}`; {}", listed(.known, "add it with `appferry shell commands add`"))]
    NoCommand {
        /// The name.
        asked: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// No such run.
    #[error(
        "there is no past run {0}; `appferry shell runs` lists them (old ones are forgotten: APPFERRY_SHELL_RUNS_DAYS)"
    )]
    NoRun(i64),
    /// The name is taken.
    #[error("there is a {what} `{name}` already, and it stays as it is; choose another name, or change that one")]
    Taken {
        /// Host or command.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Commands use the host.
    #[error("the host `{name}` stays: these commands are saved on it: {}; remove them first", commands.join(", "))]
    InUse {
        /// The host.
        name: String,
        /// The commands.
        commands: Vec<String>,
    },
    /// A question that makes no sense.
    #[error("{0}")]
    Request(String),
    /// The service ends.
    #[error("appferry is stopping; try again when it runs")]
    Stopping,
}

fn listed(names: &[String], none: &str) -> String {
    match names {
        [] => none.to_owned(),
        names => format!("there are: {}", names.iter().take(50).map(String::as_str).collect::<Vec<_>>().join(", ")),
    }
}
