//! `appferry sync incoming`, `install`, `update`, `delete`, `pull` and `create-branch`: what arrives from Git.

use std::fmt::Write as _;

use clap::Subcommand;

use super::super::output::plain;
use super::args::{Doing, app_name};
use crate::client::{Client, ClientError};
use crate::domain::{AppName, BranchName, BranchNameError};
use crate::http::{ActionReport, BranchRequest, Incoming, IncomingAction, IncomingApp, PullRequest, TakeInRequest};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum IncomingWord {
    /// List what was added, updated and deleted elsewhere and is not so here.
    Incoming {
        /// Print the answer of the API as it is.
        #[arg(long)]
        json: bool,
    },
    /// Install apps that were added elsewhere.
    Install(TakeInArgs),
    /// Update apps that were changed elsewhere.
    Update(TakeInArgs),
    /// Delete apps that were deleted elsewhere; what is here is kept aside first.
    Delete {
        /// The apps.
        #[arg(value_name = "APP", value_parser = app_name, required = true)]
        apps: Vec<AppName>,
        #[command(flatten)]
        doing: Doing,
    },
    /// Ask the remote now and install all that waits, or the state of another branch, tag or commit.
    Pull {
        /// The apps; all of them when none is named.
        #[arg(value_name = "APP", value_parser = app_name)]
        apps: Vec<AppName>,
        /// Pull from there. Where editing is allowed, that is an edit; on a locked instance the apps stay there until a plain pull.
        #[arg(long, value_name = "BRANCH|TAG|COMMIT")]
        from: Option<String>,
        /// Also push what that changes here, although it does not happen by itself.
        #[arg(long, requires = "from")]
        push: bool,
        #[command(flatten)]
        doing: Doing,
    },
    /// Make a branch at the remote.
    CreateBranch {
        /// Its name.
        #[arg(value_name = "NAME", value_parser = branch_name)]
        name: BranchName,
        /// Where it begins.
        #[arg(long, value_name = "BRANCH|TAG|COMMIT")]
        from: String,
        #[command(flatten)]
        doing: Doing,
    },
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TakeInArgs {
    /// The apps.
    #[arg(value_name = "APP", value_parser = app_name, required = true)]
    apps: Vec<AppName>,
    /// Also install what was published there; without it the app's release stays as it is here.
    #[arg(long)]
    release: bool,
    #[command(flatten)]
    doing: Doing,
}

/// What is to be said.
pub(super) enum Answer {
    Report(ActionReport, Doing),
    Text(String),
}

pub(super) async fn run(word: IncomingWord, client: &Client) -> Result<Answer, ClientError> {
    let take_in = async |action, TakeInArgs { apps, release, doing }| {
        let request = TakeInRequest { apps, release, dry_run: doing.dry_run };
        client.take_in(action, &request).await.map(|report| Answer::Report(report, doing))
    };
    match word {
        IncomingWord::Incoming { json } => {
            let incoming = client.incoming().await?;
            Ok(Answer::Text(if json { as_json(&incoming)? } else { list(&incoming) }))
        }
        IncomingWord::Install(args) => take_in(IncomingAction::Install, args).await,
        IncomingWord::Update(args) => take_in(IncomingAction::Update, args).await,
        IncomingWord::Delete { apps, doing } => {
            take_in(IncomingAction::Delete, TakeInArgs { apps, release: false, doing }).await
        }
        IncomingWord::Pull { apps, from, push, doing } => {
            let request = PullRequest { apps, from, push, dry_run: doing.dry_run };
            client.pull(&request).await.map(|report| Answer::Report(report, doing))
        }
        IncomingWord::CreateBranch { name, from, doing } => {
            let request = BranchRequest { name: name.to_string(), from, dry_run: doing.dry_run };
            let report = client.create_branch(&request).await?;
            let told = if doing.json { as_json(&report)? } else { format!("{}\n", plain(&report.message)) };
            Ok(Answer::Text(told))
        }
    }
}

fn as_json(answer: &impl serde::Serialize) -> Result<String, ClientError> {
    let text = serde_json::to_string_pretty(answer).map_err(|error| ClientError::Answer(error.to_string()))?;
    Ok(text + "\n")
}

fn list(incoming: &Incoming) -> String {
    let mut text = String::new();
    let parts = [("added", &incoming.added), ("updated", &incoming.updated), ("deleted", &incoming.deleted)];
    for (word, apps) in parts {
        if !apps.is_empty() {
            let _infallible = writeln!(text, "{word} elsewhere");
            for app in apps {
                entry(&mut text, app);
            }
        }
    }
    if text.is_empty() { "nothing waits\n".to_owned() } else { text }
}

fn entry(text: &mut String, app: &IncomingApp) {
    let published = if app.published { ", published there" } else { "" };
    let actions: Vec<String> = app.actions.iter().map(|action| action.replace('_', " ")).collect();
    let actions = if actions.is_empty() { "nothing to do now".to_owned() } else { actions.join(", ") };
    let _infallible = writeln!(text, "  {}{published}: {actions}", plain(&app.app));
    let shown = |part: &Option<String>| plain(part.as_deref().unwrap_or_default());
    if app.commit.is_some() {
        let short: String = app.commit.iter().flat_map(|id| id.chars()).take(10).collect();
        let (time, author, subject) = (shown(&app.time), shown(&app.author), shown(&app.subject));
        let _infallible = writeln!(text, "      {short}  {time}  {author}  {subject}");
    } else if app.commit_unread {
        let _infallible = writeln!(text, "      its last commit was not reached yet; ask again");
    }
    if let Some(reason) = &app.reason {
        let _infallible = writeln!(text, "      {}", plain(reason));
    }
}

fn branch_name(text: &str) -> Result<BranchName, BranchNameError> {
    BranchName::new(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::args::Args;

    #[test]
    fn a_push_belongs_to_a_pull_from_somewhere_and_a_branch_to_where_it_begins() {
        let ok = |args: &[&str]| Args::try_parse_from([&["appferry", "sync"], args].concat()).is_ok();
        assert!(ok(&["pull"]) && ok(&["pull", "PO App", "--from", "v1", "--push"]) && !ok(&["pull", "--push"]));
        assert!(ok(&["create-branch", "dev", "--from", "main"]) && !ok(&["create-branch", "dev"]));
        assert!(
            ok(&["install", "A", "--json", "--dry-run"]) && ok(&["create-branch", "dev", "--from", "main", "--json"])
        );
        assert!(!ok(&["create-branch", "a..b", "--from", "main"]) && !ok(&["install"]) && !ok(&["delete"]));
    }
}
