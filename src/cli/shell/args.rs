//! The arguments of `appferry shell …`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use crate::domain::KeyName;
use crate::domain::shell::{RowsAs, Shell, ShellName, Variable};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ShellArgs {
    #[command(subcommand)]
    pub(in crate::cli) action: ShellAction,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ShellAction {
    /// The hosts that commands run on.
    Hosts {
        #[command(subcommand)]
        action: HostsAction,
    },
    /// Saved commands.
    Commands {
        #[command(subcommand)]
        action: CommandsAction,
    },
    /// Run a saved command through the running worker; exits 1 if it failed on any host.
    Run(RunArgs),
    /// Run a script that is not saved, through the running worker.
    ///
    /// The words are joined with spaces and read by the host's shell, as `ssh` does it.
    Exec(ExecArgs),
    /// List past runs, or show one with its output.
    Runs(RunsArgs),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum HostsAction {
    /// Add a host. Its key then counts as used; trust its host key with `appferry hosts trust`.
    Add {
        /// What it is called here.
        name: ShellName,
        /// Where it is.
        #[arg(long, value_name = "HOST[:PORT]")]
        address: String,
        /// The account there.
        #[arg(long)]
        user: String,
        /// The key to log in with.
        #[arg(long)]
        key: KeyName,
        /// What reads scripts there: sh, bash, dash, zsh, ksh, busybox, powershell, pwsh, cmd.
        #[arg(long, default_value = "sh")]
        shell: Shell,
        /// Change the host of this name.
        #[arg(long)]
        replace: bool,
    },
    /// List the hosts.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a host that no saved command is on.
    Remove {
        /// The host.
        name: ShellName,
    },
    /// Log in to a host through the running worker, and run nothing.
    Test {
        /// The host.
        name: ShellName,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CommandsAction {
    /// Save a command.
    Add {
        /// Its name.
        name: ShellName,
        /// The host it runs on.
        #[arg(long)]
        host: ShellName,
        #[command(flatten)]
        command: CommandArgs,
    },
    /// Change a saved command; what is not given stays.
    Edit {
        /// Its name.
        name: ShellName,
        /// The host it runs on.
        #[arg(long)]
        host: Option<ShellName>,
        #[command(flatten)]
        command: CommandArgs,
    },
    /// List the saved commands.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a saved command with its script.
    Show {
        /// Its name.
        name: ShellName,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a saved command; its past runs stay.
    Remove {
        /// Its name.
        name: ShellName,
    },
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CommandArgs {
    /// The script, with `{{name}}` for values; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) script_file: Option<PathBuf>,
    /// A variable: `name`, `name:int`, `name:number`, `name:bool`, `name:one-of=a|b` or `name:pattern=REGEX`; may be given
    /// more than once.
    #[arg(long = "var", value_name = "NAME[:TYPE]", value_parser = variable)]
    pub(in crate::cli) variables: Vec<Variable>,
    /// No variables any more.
    #[arg(long, conflicts_with = "variables")]
    pub(in crate::cli) no_vars: bool,
    /// After so long it is ended (60s).
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(in crate::cli) timeout: Option<Duration>,
    /// How output becomes rows: text, lines, csv, json, jsonl, or `regex:` and a pattern with named groups.
    #[arg(long, value_name = "FORM")]
    pub(in crate::cli) rows: Option<RowsAs>,
    /// What counts as failure: `exit-not:0,1`, `stderr:REGEX`, `rows-under:N`, `rows-over:N`; may be given more than once.
    #[arg(long, value_name = "RULE")]
    pub(in crate::cli) fail: Vec<String>,
    /// Nothing counts as failure any more but an exit code other than 0.
    #[arg(long, conflicts_with = "fail")]
    pub(in crate::cli) no_fails: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RunArgs {
    /// The saved command.
    pub(in crate::cli) name: ShellName,
    /// A value; other programs of this machine can see it, so give secrets with --var-file.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(in crate::cli) vars: Vec<String>,
    /// A value from a file, byte for byte (`-` for standard input).
    #[arg(long = "var-file", value_name = "NAME=FILE")]
    pub(in crate::cli) var_files: Vec<String>,
    /// Another host than the command's own; may be given more than once.
    #[arg(long = "host", value_name = "HOST")]
    pub(in crate::cli) hosts: Vec<ShellName>,
    /// So many hosts at once (5).
    #[arg(long)]
    pub(in crate::cli) limit: Option<usize>,
    /// The reports as JSON, when all have ended.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ExecArgs {
    /// The host, or several, separated by `,`.
    #[arg(value_name = "HOST[,HOST]")]
    pub(in crate::cli) hosts: String,
    /// After so long it is ended.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "60s")]
    pub(in crate::cli) timeout: Duration,
    /// So many hosts at once (5).
    #[arg(long)]
    pub(in crate::cli) limit: Option<usize>,
    /// The reports as JSON, when all have ended.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// The script.
    #[arg(last = true, required = true, value_name = "WORD")]
    pub(in crate::cli) words: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RunsArgs {
    /// The run to show with its output.
    pub(in crate::cli) id: Option<i64>,
    /// Only those of this command.
    #[arg(long)]
    pub(in crate::cli) command: Option<String>,
    /// Only those on this host.
    #[arg(long)]
    pub(in crate::cli) host: Option<String>,
    /// The last so many.
    #[arg(long, default_value_t = 100)]
    pub(in crate::cli) last: u32,
    /// As JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

fn variable(text: &str) -> Result<Variable, String> {
    Variable::parse(text).map_err(|error| error.to_string())
}
