//! The arguments.

use clap::{Parser, Subcommand};

use super::host::HostArgs;
use super::hosts::{Address, AddressError};
use super::keys::KeysArgs;
use super::shell::args::ShellArgs;
use super::sync::SyncArgs;
use super::tunnel::TunnelArgs;
use crate::demo::DemoArgs;
use crate::ssh::{Fingerprint, FingerprintError};

const ENVIRONMENT: &str = "\
Environment (all of it: docs/configuration.md):
  GIT_SYNC_IS_GLOBAL, GIT_SYNC                     Git Sync on or off (false)
  GIT_SYNC_SSH_REPO_URL, GIT_SYNC_REPOSITORY_URL   the repository: git@host:path, ssh://…, https://…
  GIT_SYNC_BRANCH_NAME                             the branch this instance follows
  GIT_SYNC_AUTH_SSH_KEY_FRIENDLY_NAME              the stored key, for an SSH URL
  GIT_SYNC_PERSONAL_ACCESS_TOKEN(_FILE)            the access token, for an HTTPS URL
  GIT_SYNC_IS_AUTO_SAVE, GIT_SYNC_AUTO_SAVE        push local changes by itself (false)
  GIT_SYNC_IS_LOCK_APP_EDIT, GIT_SYNC_ALLOW_EDIT   lock the apps that are in Git (unlocked)
  GIT_SYNC_CREATE_REPO_ON_APP_ADD, GIT_SYNC_AUTO_ADD_NEW_RESOURCES
                                                   add new apps by itself (false)
  APPFERRY_APPS_DIR                                the folder of the apps, shared with the builder
  APPFERRY_DATA_DIR                                key store and local repository
                                                   (/var/lib/appferry; not root: ~/.local/share/appferry)
  APPFERRY_KNOWN_HOSTS, APPFERRY_HOST_KEYS         hosts to trust: a file; strict or accept-new (strict)
  RUST_LOG                                         the log filter (info)

Exit codes: 0 done, 1 failed, 2 wrong usage or environment.";

/// Ferries app definitions between a self-hosted low-code app builder and Git.
///
/// First make a key (`appferry keys generate …`) and give its public half to the repository; then `appferry check` proves each step, and
/// `appferry run` keeps the apps folder and the branch alike.
#[derive(Debug, Parser)]
#[command(name = "appferry", version, after_help = ENVIRONMENT)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prove that each step from the environment to the repository works, and name the one that does not.
    ///
    /// Writes nothing to the repository, needs no worker, and may run beside one.
    Check,
    /// Run the worker until a signal ends it.
    Run,
    /// Show what the running worker is doing; exits 0 whenever it answers.
    Status(StatusArgs),
    /// Make the named SSH keys, list them, and print their public halves.
    Keys(KeysArgs),
    /// Look at host keys, trust them by their fingerprints, forget them.
    ///
    /// Needs no worker; a running one counts with what is changed within a second.
    Hosts(HostsArgs),
    /// Set up a server that a stored key shall log in to, and check such a login.
    Host(HostArgs),
    /// Show what happened in the last seven days: commits, pushes, installs, releases, conflicts, failures.
    Events(EventsArgs),
    /// Ask the running worker for something that it does not do by itself.
    Sync(SyncArgs),
    /// Run commands on hosts over SSH, saved ones by their names.
    Shell(ShellArgs),
    /// Open SSH tunnels to places that only a server elsewhere sees.
    Tunnel(TunnelArgs),
    /// Show a round trip with a repository and two instances in temporary folders.
    Demo(DemoArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// Print the answer of the API as it is.
    #[arg(long)]
    pub(super) json: bool,
    /// List every app, also where there are many in sync.
    #[arg(long)]
    pub(super) all: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct EventsArgs {
    /// Only those with a greater id.
    #[arg(long, value_name = "ID")]
    pub(super) after: Option<u64>,
    /// Go on with what happens from now on.
    #[arg(short, long)]
    pub(super) follow: bool,
    /// One JSON object a line, as webhooks get it.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct HostsArgs {
    #[command(subcommand)]
    pub(super) action: HostsAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum HostsAction {
    /// List the host keys that are trusted: built in, in the file of `APPFERRY_KNOWN_HOSTS`, and trusted by people.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the keys that a server has, and whether they are trusted.
    Scan {
        /// The server, or the URL of a repository on it.
        #[arg(value_name = "HOST[:PORT]", value_parser = address)]
        host: Address,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Trust keys of a server that have exactly these fingerprints, as its owner publishes them.
    Trust {
        /// The server, or the URL of a repository on it.
        #[arg(value_name = "HOST[:PORT]", value_parser = address)]
        host: Address,
        /// The fingerprint, `SHA256:…`; may be given more than once.
        #[arg(long = "fingerprint", value_name = "SHA256:…", value_parser = fingerprint, required = true)]
        fingerprints: Vec<Fingerprint>,
        /// The key takes the place of another one of its type: the owner announced the change.
        #[arg(long)]
        replace: bool,
    },
    /// Forget keys that people have trusted.
    Forget {
        /// The server, or the URL of a repository on it.
        #[arg(value_name = "HOST[:PORT]", value_parser = address)]
        host: Address,
        /// Only the key with this fingerprint; may be given more than once.
        #[arg(long = "fingerprint", value_name = "SHA256:…", value_parser = fingerprint)]
        fingerprints: Vec<Fingerprint>,
    },
}

fn address(text: &str) -> Result<Address, AddressError> {
    text.parse()
}

fn fingerprint(text: &str) -> Result<Fingerprint, FingerprintError> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_key_is_trusted_only_by_its_fingerprint() {
        let ok = |args: &[&str]| Args::try_parse_from([&["appferry", "hosts"], args].concat()).is_ok();
        let print = "SHA256:uNiVztksCsDhcc0u9e8BrWwAYBAQ0KY0MeyTe7Vy9ZM";
        assert!(ok(&["trust", "host:2222", "--fingerprint", print]) && ok(&["forget", "git@host:a/b.git"]));
        assert!(!ok(&["trust", "host"]) && !ok(&["trust", "ho st", "--fingerprint", print]));
        assert!(!ok(&["trust", "host", "--fingerprint", "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"]));
    }
}
