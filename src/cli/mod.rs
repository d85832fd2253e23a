//! The command line: a file a subcommand.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or environment.

mod args;
pub mod check;
mod events;
mod host;
mod hosts;
mod keys;
mod output;
mod parts;
mod shell;
mod status;
mod sync;
mod tunnel;

use std::process::ExitCode;

use clap::Parser as _;

use crate::client::Client;
use crate::config::{BaseConfig, Config, ConfigErrors};
use crate::{daemon, demo, hardening, logs};
use args::{Args, Command};

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    for warning in hardening::keep_memory_private() {
        output::complain(&format!("warning: {warning}"));
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
            // Whoever closed the pipe has read enough.
            let _closed = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(args.command)),
        Err(error) => Err(anyhow::Error::new(error).context("cannot start threads; raise the limit of processes")),
    };
    outcome.unwrap_or_else(|error| complain(&error))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run => {
            let config = Config::from_env()?;
            logs::init(config.log_format);
            warn(&config.warnings);
            daemon::run(config).await?;
        }
        Command::Check => return check::run().await,
        Command::Status(args) => {
            let base = base()?;
            let status = Client::open(&base.data_dir)?.status().await?;
            status::print(&status, &args)?;
        }
        Command::Keys(args) => {
            let base = base()?;
            return keys::run(args, &base.keys).await;
        }
        Command::Hosts(args) => {
            let base = base()?;
            hosts::run(args.action, &base).await?;
        }
        Command::Host(args) => {
            let base = base()?;
            return host::run(args.action, &base).await;
        }
        Command::Events(args) => {
            let base = base()?;
            events::run(&args, &Client::open(&base.data_dir)?).await?;
        }
        Command::Sync(args) => {
            let base = base()?;
            return sync::run(args.action, Client::open(&base.data_dir)?.about(args.repository)).await;
        }
        Command::Shell(args) => {
            let base = base()?;
            return shell::run(args.action, &base).await;
        }
        Command::Tunnel(args) => {
            let base = base()?;
            tunnel::run(args.action, &Client::open(&base.data_dir)?).await?;
        }
        Command::Demo(args) => {
            logs::init_beside_a_view();
            demo::run(args).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn base() -> Result<BaseConfig, ConfigErrors> {
    let base = Config::for_keys()?;
    logs::init(base.log_format);
    warn(&base.warnings);
    Ok(base)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        tracing::warn!("{warning}");
    }
}

fn complain(error: &anyhow::Error) -> ExitCode {
    if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
        output::complain(&format!("appferry: {errors}\n`appferry help` lists the variables"));
        return ExitCode::from(USAGE);
    }
    if output::is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    output::complain(&format!("appferry: {error:#}"));
    ExitCode::from(FAILED)
}
