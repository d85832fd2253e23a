//! The arguments of `appferry sync`.

use std::path::PathBuf;

use clap::Subcommand;

use super::incoming::IncomingWord;
use crate::domain::{AppName, AppNameError, Author, TagName};

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
    /// List the apps: state, last commit, author, time.
    Apps {
        /// Print the answer of the API as it is.
        #[arg(long)]
        json: bool,
    },
    /// Show what differs between an app here and in Git, or what a commit changed in it.
    Diff {
        /// The app.
        #[arg(value_name = "APP", value_parser = app_name)]
        app: AppName,
        /// A commit, by its first digits.
        #[arg(long, value_name = "COMMIT")]
        commit: Option<String>,
        /// Print the answer of the API as it is.
        #[arg(long)]
        json: bool,
    },
    /// List the commits that changed an app, newest first.
    History {
        /// The app.
        #[arg(value_name = "APP", value_parser = app_name)]
        app: AppName,
        /// How many, at most.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those before this commit of the app.
        #[arg(long, value_name = "COMMIT")]
        before: Option<String>,
        /// Print the answer of the API as it is.
        #[arg(long)]
        json: bool,
    },
    /// Let held deletions happen.
    Confirm {
        /// The apps whose deletion is right.
        #[arg(value_name = "APP", value_parser = app_name, required_unless_present = "all", conflicts_with = "all")]
        apps: Vec<AppName>,
        /// All deletions that are held.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        doing: Doing,
    },
    /// End a conflict by taking one side or a merged version; what is here stays on its branch or under its ref.
    Resolve {
        /// The app in conflict.
        #[arg(value_name = "APP", value_parser = app_name)]
        app: AppName,
        /// What is on this disk (ours), what is in Git (theirs), a folder with all files of the merged app, or one merged file.
        #[arg(long, value_name = "ours|theirs|DIR|FILE")]
        take: PathBuf,
        /// The path inside the app that FILE is for; everything else is merged as usual.
        #[arg(long = "as", value_name = "PATH")]
        as_path: Option<String>,
        #[command(flatten)]
        doing: Doing,
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
        /// The message of the commits, in the place of the words that say what changed.
        #[arg(long, short = 'm', value_name = "TEXT")]
        message: Option<String>,
        /// The author of the commits: 'Ada Lovelace <ada@example.org>'.
        #[arg(long, value_name = "NAME <ADDRESS>")]
        author: Option<Author>,
        /// A tag for what is pushed.
        #[arg(long, value_name = "NAME")]
        tag: Option<TagName>,
        /// What the tag says; its name when this is left out.
        #[arg(long, value_name = "TEXT", requires = "tag")]
        tag_message: Option<String>,
        #[command(flatten)]
        doing: Doing,
    },
    /// Add apps to Git.
    Add {
        /// The apps to add.
        #[arg(value_name = "APP", value_parser = app_name, required = true)]
        apps: Vec<AppName>,
        #[command(flatten)]
        doing: Doing,
    },
    /// Take apps out of Git; their folders here stay, and are not added again by themselves.
    Remove {
        /// The apps to remove.
        #[arg(value_name = "APP", value_parser = app_name, required = true)]
        apps: Vec<AppName>,
        #[command(flatten)]
        doing: Doing,
    },
    /// Put apps back to their state in Git at once; what is here is kept aside first.
    Revert {
        /// The apps to put back.
        #[arg(value_name = "APP", value_parser = app_name, required = true)]
        apps: Vec<AppName>,
        #[command(flatten)]
        doing: Doing,
    },
    /// Make the state that an app had in a commit its newest one, as a new commit.
    Restore {
        /// The app.
        #[arg(value_name = "APP", value_parser = app_name)]
        app: AppName,
        /// The commit, by its first digits; `appferry sync history` lists them.
        #[arg(long, value_name = "COMMIT")]
        to: String,
        #[command(flatten)]
        doing: Doing,
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

/// How an action is done and told.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(in crate::cli) struct Doing {
    /// Only say what would be done.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Print the answer of the API as it is.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BackupsAction {
    /// Put back what was kept aside.
    Restore {
        /// A ref as `appferry sync backups` lists it.
        #[arg(value_name = "REF")]
        reference: String,
        #[command(flatten)]
        doing: Doing,
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
    fn a_push_takes_words_an_author_and_a_tag_that_git_can_hold() {
        let ok = |args: &[&str]| Args::try_parse_from([&["appferry", "sync", "push"], args].concat()).is_ok();
        assert!(ok(&["-m", "Ready", "--author", "Ada <ada@example.org>", "--tag", "v1.2", "--tag-message", "First"]));
        assert!(!ok(&["--author", "Ada"]) && !ok(&["--tag", "v 1"]) && !ok(&["--tag-message", "First"]));
    }

    #[test]
    fn confirm_takes_apps_or_all_but_not_neither_nor_both() {
        let ok = |args: &[&str]| Args::try_parse_from([&["appferry", "sync", "confirm"], args].concat()).is_ok();
        assert!(ok(&["PO App"]) && ok(&["--all"]));
        assert!(!ok(&[]) && !ok(&["PO App", "--all"]) && !ok(&["../x"]));
    }
}
