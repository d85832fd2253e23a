//! The arguments of `appferry sync`.

use clap::Subcommand;

use super::incoming::IncomingWord;
use crate::domain::{AppName, AppNameError};
use crate::http::Take;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct SyncArgs {
    /// The repository that it is about, where there are several; `appferry status` shows their names.
    #[arg(long, short = 'r', global = true, value_name = "NAME")]
    pub(in crate::cli) repository: Option<String>,
    #[command(subcommand)]
    pub(in crate::cli) action: SyncAction,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SyncAction {
    /// Let held deletions happen.
    Confirm {
        /// The apps whose deletion is right.
        #[arg(value_name = "APP", value_parser = app_name, required_unless_present = "all", conflicts_with = "all")]
        apps: Vec<AppName>,
        /// All deletions that are held.
        #[arg(long)]
        all: bool,
    },
    /// End a conflict by taking one side; the other one stays on its branch or under its ref.
    Resolve {
        /// The app in conflict.
        #[arg(value_name = "APP", value_parser = app_name)]
        app: AppName,
        /// The side to take: what is on this disk (ours) or what is in Git (theirs).
        #[arg(long, value_name = "SIDE")]
        take: Side,
    },
    /// Show what clashes in an app: each place with what both sides had, ours and theirs.
    Conflict {
        /// The app in conflict.
        #[arg(value_name = "APP", value_parser = app_name)]
        app: AppName,
        /// Print the answer of the API as it is, with the merged candidate of each file.
        #[arg(long)]
        json: bool,
    },
    /// Commit and push local changes.
    Push {
        /// The apps to push; all of them when none is named.
        #[arg(value_name = "APP", value_parser = app_name)]
        apps: Vec<AppName>,
    },
    /// Add apps to Git.
    Add {
        /// The apps to add.
        #[arg(value_name = "APP", value_parser = app_name, required = true)]
        apps: Vec<AppName>,
    },
    /// List what was kept aside before it was overwritten or deleted, or put it back.
    #[command(args_conflicts_with_subcommands = true)]
    Backups {
        /// Print the answer of the API as it is.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        action: Option<BackupsAction>,
    },
    #[command(flatten)]
    Incoming(IncomingWord),
}

/// [`Take`], as an argument.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::cli) enum Side {
    Ours,
    Theirs,
}

impl From<Side> for Take {
    fn from(side: Side) -> Self {
        match side {
            Side::Ours => Self::Ours,
            Side::Theirs => Self::Theirs,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BackupsAction {
    /// Put back what was kept aside.
    Restore {
        /// A ref as `appferry sync backups` lists it.
        #[arg(value_name = "REF")]
        reference: String,
    },
}

pub(super) fn app_name(text: &str) -> Result<AppName, AppNameError> {
    AppName::new(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::args::Args;

    #[test]
    fn confirm_takes_apps_or_all_but_not_neither_nor_both() {
        let ok = |args: &[&str]| Args::try_parse_from([&["appferry", "sync", "confirm"], args].concat()).is_ok();
        assert!(ok(&["PO App"]) && ok(&["--all"]));
        assert!(!ok(&[]) && !ok(&["PO App", "--all"]) && !ok(&["../x"]));
    }
}
