//! Hosts and saved commands.

use anyhow::{Context as _, bail};

use super::args::{CommandArgs, CommandsAction, HostsAction};
use super::{shown, values};
use crate::domain::shell::{FailRule, RowsAs, SavedCommand, ShellHost, ShellName};
use crate::shell::ShellService;

pub(super) async fn hosts(action: HostsAction, shell: &ShellService) -> anyhow::Result<String> {
    Ok(match action {
        HostsAction::Add { name, address, user, key, shell: reader, replace } => {
            let (address, port) = ShellHost::split_address(&address)?;
            let host = ShellHost { name, address, port, user, key, shell: reader };
            shell.put_host(&host, replace).await?;
            format!("{} is {}; `appferry shell hosts test {}` logs in.\n", host.name, host.place(), host.name)
        }
        HostsAction::List { json } => {
            let hosts = shell.hosts().await?;
            if json { shown::json(&hosts)? } else { shown::hosts(&hosts) }
        }
        HostsAction::Remove { name } => {
            shell.remove_host(&name).await?;
            format!("{name} was removed.\n")
        }
        HostsAction::Test { .. } => bail!("this was meant for another place; please report this"),
    })
}

pub(super) async fn commands(action: CommandsAction, shell: &ShellService) -> anyhow::Result<String> {
    Ok(match action {
        CommandsAction::Add { name, host, command } => {
            if command.script_file.is_none() {
                bail!("there is no script; give it with --script-file FILE (`-` for standard input)");
            }
            let new = changed(blank(name, host), command)?;
            shell.save(&new, false).await?;
            format!("{} was saved.\n", new.name)
        }
        CommandsAction::Edit { name, host, command } => {
            let mut old = shell.command(&name).await?;
            old.host = host.unwrap_or(old.host);
            shell.save(&changed(old, command)?, true).await?;
            format!("{name} was changed.\n")
        }
        CommandsAction::List { json } => {
            let commands = shell.judged_commands().await?;
            if json { shown::json(&commands)? } else { shown::commands(&commands) }
        }
        CommandsAction::Show { name, json } => {
            let command = shell.judged_command(&name).await?;
            if json { shown::json(&command)? } else { shown::command(&command) }
        }
        CommandsAction::Remove { name } => {
            shell.remove(&name).await?;
            format!("{name} was removed; its past runs stay.\n")
        }
    })
}

fn blank(name: ShellName, host: ShellName) -> SavedCommand {
    let (rows, fail) = (RowsAs::default(), FailRule::default());
    SavedCommand { name, host, script: String::new(), variables: Vec::new(), timeout_s: 60, rows, fail }
}

fn changed(mut command: SavedCommand, args: CommandArgs) -> anyhow::Result<SavedCommand> {
    if let Some(file) = args.script_file {
        let script = values::content(&file)?;
        command.script = String::from_utf8(script.to_vec())
            .with_context(|| format!("the script {} is not UTF-8 text; convert it", file.display()))?;
    }
    if !args.variables.is_empty() || args.no_vars {
        command.variables = args.variables;
    }
    if let Some(timeout) = args.timeout {
        command.timeout_s = timeout.as_secs().max(1);
    }
    command.rows = args.rows.unwrap_or(command.rows);
    if !args.fail.is_empty() || args.no_fails {
        command.fail = args.fail.iter().try_fold(FailRule::default(), |rule, text| rule.with(text))?;
    }
    Ok(command)
}
