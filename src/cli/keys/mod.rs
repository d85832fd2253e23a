//! `appferry keys …`: the key store at the command line. Needs no worker and no `GIT_SYNC_…` variable.

mod args;
mod backup;
mod log;
mod secrets;
mod shown;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use secrecy::SecretString;

use super::output;
use crate::config::{KeyStoreConfig, account_name};
use crate::domain::KeyName;
use crate::keys::{Given, KeyKind, KeyService, NewProtection, Protection, Replacement, Rewrapped};
use crate::ports::Keep;

use args::{KeysCommand, PassphraseArgs};

pub(super) use args::KeysArgs;

/// Runs one subcommand on the store that `config` names.
///
/// # Errors
/// What is wrong, then what to do, in one line.
pub(super) async fn run(args: KeysArgs, config: &KeyStoreConfig) -> anyhow::Result<ExitCode> {
    let task = prepare(args.command)?; // before a store is made
    let (service, notices) = KeyService::open(config, &account_name()).await?;
    for notice in notices {
        output::complain(&format!("note: {notice}"));
    }
    let answered = carry_out(&service, task).await;
    service.close().await;
    let (text, code) = answered?;
    output::say(&text)?;
    Ok(code)
}

/// A command with everything that it reads from elsewhere.
enum Task {
    Generate(KeyName, KeyKind, Protection),
    Import(KeyName, Given),
    Passphrase(KeyName, Option<SecretString>, Protection),
    Rotate(KeyName, Replacement),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Other(KeysCommand),
}

/// Reads what a command needs. Blocks: standard input may come late.
fn prepare(command: KeysCommand) -> anyhow::Result<Task> {
    Ok(match command {
        KeysCommand::Generate { name, kind, passphrase } => {
            Task::Generate(name, kind.chosen()?.unwrap_or_default(), new_protection(&passphrase)?.unwrap_or_default())
        }
        KeysCommand::Import { name, file, passphrase } => Task::Import(name, given(&file, &passphrase)?),
        KeysCommand::Passphrase { name, old_passphrase_file, passphrase, remove } => {
            one_from_stdin(&[old_passphrase_file.as_deref(), passphrase.place()])?;
            let old = secrets::passphrase(old_passphrase_file.as_deref(), false)?;
            let protection = match new_protection(&passphrase)? {
                Some(protection) => protection,
                None if remove => Protection::None,
                None => bail!("give the new passphrase with --passphrase-file or --passphrase-stdin, or --remove it"),
            };
            Task::Passphrase(name, old, protection)
        }
        KeysCommand::Rotate { name, file: Some(file), passphrase, confirm: false, undo: false, .. } => {
            Task::Rotate(name, Replacement::Import(given(&file, &passphrase)?))
        }
        KeysCommand::Rotate { name, kind, passphrase, no_passphrase, confirm: false, undo: false, .. } => {
            let protection = match new_protection(&passphrase)? {
                Some(protection) => NewProtection::Like(protection),
                None if no_passphrase => NewProtection::Like(Protection::None),
                None => NewProtection::AsBefore,
            };
            Task::Rotate(name, Replacement::Generate(kind.chosen()?, protection))
        }
        KeysCommand::Backup { to, recipients, passphrase } => {
            Task::Backup(backup::Backup::prepare(to, recipients, &passphrase)?)
        }
        KeysCommand::Restore { from, identity_file, passphrase } => {
            Task::Restore(backup::Restore::prepare(&from, identity_file.as_deref(), &passphrase)?)
        }
        other => Task::Other(other),
    })
}

fn new_protection(args: &PassphraseArgs) -> anyhow::Result<Option<Protection>> {
    let passphrase = secrets::passphrase(args.passphrase_file.as_deref(), args.passphrase_stdin)?;
    must_be_about_a_passphrase(args, passphrase.as_ref())?;
    Ok(passphrase.map(|passphrase| Protection::new(passphrase, !args.no_remember)).transpose()?)
}

fn must_be_about_a_passphrase(args: &PassphraseArgs, passphrase: Option<&SecretString>) -> anyhow::Result<()> {
    if passphrase.is_none() && args.no_remember {
        bail!("--no-remember is about a passphrase; give one with --passphrase-file or --passphrase-stdin");
    }
    Ok(())
}

/// Standard input can be read once.
fn one_from_stdin(places: &[Option<&Path>]) -> anyhow::Result<()> {
    if places.iter().filter(|place| **place == Some(Path::new("-"))).count() > 1 {
        bail!("two secrets cannot both come from standard input; give one of them as a file");
    }
    Ok(())
}

fn given(file: &Path, args: &PassphraseArgs) -> anyhow::Result<Given> {
    one_from_stdin(&[Some(file), args.place()])?;
    let passphrase = secrets::passphrase(args.passphrase_file.as_deref(), args.passphrase_stdin)?;
    must_be_about_a_passphrase(args, passphrase.as_ref())?;
    Ok(Given { content: secrets::content(file)?, passphrase, remember: !args.no_remember })
}

async fn carry_out(service: &KeyService, task: Task) -> anyhow::Result<(String, ExitCode)> {
    let text = match task {
        Task::Generate(name, kind, protection) => {
            line(service.generate(&name, kind, protection).await?.pair.public_key)
        }
        Task::Import(name, given) => line(service.import(&name, given).await?.pair.public_key),
        Task::Rotate(name, replacement) => line(service.rotate(&name, replacement).await?.pair.public_key),
        Task::Passphrase(name, old, protection) => {
            let key = service.change_passphrase(&name, old, protection).await?;
            format!("The passphrase of {name}: {}.\n", key.pair.passphrase.words())
        }
        Task::Backup(backup) => backup.write(service).await?,
        Task::Restore(restore) => return restore.put_back(service).await,
        Task::Other(command) => return answer(service, command).await,
    };
    Ok((text, ExitCode::SUCCESS))
}

async fn answer(service: &KeyService, command: KeysCommand) -> anyhow::Result<(String, ExitCode)> {
    let text = match command {
        KeysCommand::List { json: true } => json(&service.list().await?)?,
        KeysCommand::List { json: false } => shown::table(&service.list().await?),
        KeysCommand::Show { name, json: true } => json(&service.show(&name).await?)?,
        KeysCommand::Show { name, json: false } => shown::details(&service.show(&name).await?),
        KeysCommand::Public { name } => line(service.public(&name).await?),
        KeysCommand::Rename { name, new_name, force } => {
            service.rename(&name, &new_name, force).await?;
            format!("{name} is called {new_name} now.\n")
        }
        KeysCommand::Release { name, user } => {
            service.release(&name, &user).await?;
            format!("{user} does not count as using {name} any more.\n")
        }
        KeysCommand::Delete { name } => {
            service.delete(&name).await?;
            format!("{name} was deleted. Take its public key out of the Git hosts, too.\n")
        }
        KeysCommand::Rotate { name, confirm: true, .. } => {
            let key = service.end_rotation(&name, Keep::Current).await?;
            format!("{name} is {} alone now; the key before was dropped.\n", key.pair.fingerprint)
        }
        KeysCommand::Rotate { name, undo: true, .. } => {
            let key = service.end_rotation(&name, Keep::Previous).await?;
            format!("{name} is {} again; the new key was dropped.\n", key.pair.fingerprint)
        }
        KeysCommand::Rewrap => return Ok(rewrapped(&service.rewrap().await?)),
        KeysCommand::Audit(args) => log::show(service, &args).await?,
        _ => bail!("this command was prepared in another place; please report this"),
    };
    Ok((text, ExitCode::SUCCESS))
}

fn rewrapped(done: &Rewrapped) -> (String, ExitCode) {
    let mut text = format!("{} key pairs were moved to the master key {}.\n", done.moved, done.to);
    for (id, count) in &done.left {
        let _infallible = writeln!(
            text,
            "{count} are left: they need the master key {id}, which was not given; add its file to APPFERRY_MASTER_KEY_FILE and run this again."
        );
    }
    for record in &done.damaged {
        let _infallible =
            writeln!(text, "The record {record} does not open: it was altered or damaged; put back a backup.");
    }
    let complete = done.left.is_empty() && done.damaged.is_empty();
    if complete {
        let _infallible = writeln!(
            text,
            "Everything needs the master key {} now, and no other: keep that one; the others can be taken out.",
            done.to
        );
    }
    (text, if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn line(mut text: String) -> String {
    text.push('\n');
    text
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(line(serde_json::to_string_pretty(value)?))
}
