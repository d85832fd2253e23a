//! The arguments of `appferry host …`.

use clap::Subcommand;

use crate::setup::{CheckWords, Platform, RunRequest, SetupRequest};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct HostArgs {
    #[command(subcommand)]
    pub(in crate::cli) action: HostAction,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum HostAction {
    /// Print a script that lets a stored key log in to a server; with `--run`, run it there.
    ///
    /// The script is safe to run twice: it makes the account without a password if it is not there, and touches no line of `authorized_keys`
    /// but its own.
    Setup(Box<SetupArgs>),
    /// Prove each step of a login to a server, and name the one that fails.
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SetupArgs {
    /// What the server runs: ubuntu, debian, rhel or windows.
    #[arg(long = "for", value_name = "SYSTEM")]
    platform: Platform,
    /// The stored key to let in.
    #[arg(long, value_name = "NAME")]
    key: String,
    /// The account on the server.
    #[arg(long, value_name = "NAME", default_value = "dronahq")]
    user: String,
    /// A target that tunnels may reach; may be given more than once. Without one, there are no tunnels.
    #[arg(long, value_name = "HOST:PORT")]
    permit_open: Vec<String>,
    /// Tunnels may go anywhere.
    #[arg(long)]
    port_forwarding: bool,
    /// Where the key may come from: an address, a range, a name with `*`; may be given more than once.
    #[arg(long, value_name = "PATTERN")]
    from: Vec<String>,
    /// What runs in place of whatever is asked for.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Until when the key counts: `2027-01-31` (0:00 on that day), `2027-01-31T12:00`; with `Z` for UTC (OpenSSH 9.1), else in the
    /// server's time.
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Tells this line from that of another appferry whose key has the same name.
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    /// Run it now over this login: root, or an account with sudo that asks no password.
    #[arg(long, value_name = "USER@HOST[:PORT]", requires = "admin_key")]
    run: Option<String>,
    /// The stored key of that login.
    #[arg(long, value_name = "NAME", requires = "run")]
    admin_key: Option<String>,
    /// As JSON: the script, its lines, and the steps.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CheckArgs {
    /// The login.
    #[arg(value_name = "USER@HOST[:PORT]")]
    login: String,
    /// The stored key.
    #[arg(long, value_name = "NAME")]
    key: String,
    /// A target that a tunnel shall reach; may be given more than once.
    #[arg(long, value_name = "HOST:PORT")]
    permit_open: Vec<String>,
    /// Where the login is refused, look for the cause over this one: root, or an account with sudo that asks no password.
    #[arg(long, value_name = "USER@HOST[:PORT]")]
    admin: Option<String>,
    /// The stored key of that login; the same one, when none is named.
    #[arg(long, value_name = "NAME", requires = "admin")]
    admin_key: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl SetupArgs {
    pub(super) fn request(&self) -> SetupRequest {
        let run = self.run.clone().zip(self.admin_key.clone());
        SetupRequest {
            platform: self.platform,
            user: Some(self.user.clone()),
            key: self.key.clone(),
            label: self.label.clone(),
            permit_open: self.permit_open.clone(),
            port_forwarding: self.port_forwarding,
            from: self.from.clone(),
            command: self.command.clone(),
            expires: self.expires.clone(),
            run: run.map(|(admin, admin_key)| RunRequest { admin, admin_key }),
        }
    }
}

impl CheckArgs {
    pub(super) fn request(&self) -> CheckWords {
        CheckWords {
            login: self.login.clone(),
            key: self.key.clone(),
            permit_open: self.permit_open.clone(),
            admin: self.admin.clone(),
            admin_key: self.admin_key.clone(),
        }
    }
}
