//! `appferry tunnel …`: tunnels of the running worker.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::output::{plain, say, table};
use crate::client::Client;
use crate::domain::tunnel::{Given, Source, TunnelName, TunnelNameError, TunnelState, TunnelStatus};

#[derive(Debug, Args)]
pub(super) struct TunnelArgs {
    #[command(subcommand)]
    pub(super) action: TunnelAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum TunnelAction {
    /// Add a tunnel; it listens from now on, also after a restart.
    Add(AddArgs),
    /// Show all tunnels: where they listen, what they do, what went wrong.
    List {
        /// The answer of the API as it is.
        #[arg(long)]
        json: bool,
    },
    /// Let a tunnel listen, and connect it now.
    Open(Named),
    /// End a tunnel and its clients, until it is opened again.
    Close(Named),
    /// End a tunnel and forget it.
    Remove(Named),
    /// Go the whole way to the target once, and say where it ends.
    Test(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// The tunnel.
    #[arg(value_parser = name)]
    name: TunnelName,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What the tunnel shall be called.
    name: String,
    /// Where clients connect to: `127.0.0.1:PORT` (0: any free one), `[::1]:PORT`, or the path of a Unix socket.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// The SSH server that connects to the target.
    #[arg(long, value_name = "USER@HOST[:PORT]")]
    bastion: String,
    /// An SSH server on the way to the bastion; may be given more than once, in the order of the way. `?key=NAME` behind it
    /// names another key.
    #[arg(long, value_name = "USER@HOST[:PORT]")]
    jump: Vec<String>,
    /// The stored key that logs in.
    #[arg(long, value_name = "NAME")]
    key: String,
    /// Where clients come out, as the bastion knows it: a host and port, or the path of a Unix socket.
    #[arg(long, value_name = "HOST:PORT")]
    target: String,
    /// Keep the connection to the bastion open, also while no client needs it.
    #[arg(long)]
    eager: bool,
    /// Close it after so long without a client, such as `10m`.
    #[arg(long, value_name = "TIME", conflicts_with = "eager")]
    idle_close: Option<String>,
    /// The most clients at once (1000).
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
}

fn name(text: &str) -> Result<TunnelName, TunnelNameError> {
    TunnelName::new(text)
}

/// Runs one subcommand.
pub(super) async fn run(action: TunnelAction, client: &Client) -> anyhow::Result<()> {
    let text = match action {
        TunnelAction::Add(args) => {
            let status = client.add_tunnel(&args.into()).await?;
            if let (TunnelState::CannotListen, Some(error)) = (status.state, &status.last_error) {
                anyhow::bail!("{} is added, but {}", status.tunnel.name, plain(&error.failure.to_string()));
            }
            added(&status)
        }
        TunnelAction::List { json } => {
            let list = client.tunnels().await?;
            if json { format!("{}\n", serde_json::to_string_pretty(&list)?) } else { listed(&list.tunnels) }
        }
        TunnelAction::Open(Named { name }) => added(&client.open_tunnel(name.as_str()).await?),
        TunnelAction::Close(Named { name }) => {
            client.close_tunnel(name.as_str()).await?;
            format!("{name} is closed\n")
        }
        TunnelAction::Remove(Named { name }) => {
            client.remove_tunnel(name.as_str()).await?;
            format!("{name} is removed\n")
        }
        TunnelAction::Test(Named { name }) => {
            let report = client.test_tunnel(name.as_str()).await?;
            format!("{name} works: bastion {} ms, target {} ms\n", report.bastion_ms, report.target_ms)
        }
    };
    Ok(say(&text)?)
}

impl From<AddArgs> for Given {
    fn from(args: AddArgs) -> Self {
        let AddArgs { name, listen, bastion, jump, key, target, eager, idle_close, limit } = args;
        Self { name, listen, bastion, jump, key, target, eager, idle_close, limit }
    }
}

fn added(status: &TunnelStatus) -> String {
    let Given { name, target, listen, .. } = &status.tunnel;
    let place = status.listening.as_ref().unwrap_or(listen);
    format!("{name} is {}: {} leads to {}\n", status.state.words(), plain(place), plain(target))
}

fn listed(tunnels: &[TunnelStatus]) -> String {
    let header = ["NAME", "LISTENS", "TARGET", "STATE", "SINCE", "CLIENTS", "UP", "DOWN", "FROM"].map(str::to_owned);
    let row = |status: &TunnelStatus| {
        let given = &status.tunnel;
        let from = match status.source {
            Source::Store => "store",
            Source::File => "file",
            Source::Environment => "environment",
        };
        let since = status.since.split('.').next().unwrap_or_default();
        [
            given.name.clone(),
            plain(status.listening.as_ref().unwrap_or(&given.listen)),
            plain(&given.target),
            status.state.words().to_owned(),
            format!("{}Z", since.trim_end_matches('Z')),
            status.connections.to_string(),
            status.bytes_up.to_string(),
            status.bytes_down.to_string(),
            from.to_owned(),
        ]
    };
    let mut text = table(&std::iter::once(header).chain(tunnels.iter().map(row)).collect::<Vec<_>>());
    for status in tunnels {
        if let Some(error) = &status.last_error {
            let class = error.failure.class.words();
            let (name, failure) = (&status.tunnel.name, plain(&error.failure.to_string()));
            let _infallible = writeln!(text, "{name} at {} ({class}): {failure}", error.time);
        }
    }
    text
}
