//! What arrives from Git, as the API asks for it.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::control::Control;
use crate::domain::{AppName, BranchName, Failure, FailureClass};
use crate::http::{
    ActionReport, AppOutcome, BranchReport, BranchRequest, Incoming, IncomingAction, IncomingApp, IncomingControl,
    PullRequest, Selection, TakeInRequest,
};
use crate::sync::engine::incoming::{Arrived, Deed, Intake};

#[async_trait]
impl IncomingControl for Control {
    async fn incoming(&self) -> Result<Incoming, Failure> {
        let found = self.worker.incoming().await?;
        let list = |apps: Vec<Arrived>, actions: [&str; 2]| apps.into_iter().map(|app| shown(app, actions)).collect();
        Ok(Incoming {
            added: list(found.added, ["install", "install_and_release"]),
            updated: list(found.updated, ["update", "update_and_release"]),
            deleted: list(found.deleted, ["delete", ""]),
        })
    }

    async fn take_in(&self, action: IncomingAction, request: TakeInRequest) -> Result<ActionReport, Failure> {
        let TakeInRequest { apps, release, dry_run } = request;
        let what = match action {
            IncomingAction::Install => Intake::Install { release },
            IncomingAction::Update => Intake::Update { release },
            IncomingAction::Delete => Intake::Delete,
        };
        Ok(told(self.worker.take_in(what, apps.into_iter().collect(), dry_run).await?, dry_run))
    }

    async fn pull(&self, request: PullRequest) -> Result<ActionReport, Failure> {
        let apps = selected(request.selection());
        let deeds = match request.from {
            None => self.worker.pull(apps, request.dry_run).await?,
            Some(from) => self.worker.pull_from(from, apps, request.push, request.dry_run).await?,
        };
        Ok(told(deeds, request.dry_run))
    }

    async fn create_branch(&self, request: BranchRequest) -> Result<BranchReport, Failure> {
        let BranchRequest { name, from, dry_run } = request;
        let name = BranchName::new(name)
            .map_err(|error| Failure::new(FailureClass::Refused, error.to_string(), "choose another name"))?;
        let branch = self.worker.create_branch(name.clone(), from.clone(), dry_run).await?;
        let commit = branch.commit.to_string();
        let message = match (branch.made, dry_run) {
            (true, true) => format!("the branch {name} would be made from {from}, at {}", branch.commit.short()),
            (true, false) => format!("the branch {name} was made from {from}, at {}", branch.commit.short()),
            (false, _) => format!("the branch {name} is there already, at {}", branch.commit.short()),
        };
        Ok(BranchReport { branch: name.to_string(), commit, made: branch.made && !dry_run, message })
    }
}

fn selected(selection: Selection) -> Option<BTreeSet<AppName>> {
    match selection {
        Selection::All => None,
        Selection::Apps(apps) => Some(apps.into_iter().collect()),
    }
}

fn told(deeds: Vec<Deed>, dry_run: bool) -> ActionReport {
    let outcome = |Deed { app, done, message }: Deed| AppOutcome { app: app.into(), done, message };
    ActionReport { apps: deeds.into_iter().map(outcome).collect(), dry_run, ..ActionReport::default() }
}

fn shown(arrived: Arrived, actions: [&str; 2]) -> IncomingApp {
    let possible = actions.into_iter().zip(arrived.possible).filter(|(word, possible)| *possible && !word.is_empty());
    let mut app = IncomingApp {
        app: arrived.app.into(),
        published: arrived.published,
        actions: possible.map(|(word, _)| word.to_owned()).collect(),
        reason: arrived.reason,
        commit_unread: arrived.change_unread,
        ..IncomingApp::default()
    };
    if let Some(change) = arrived.change {
        (app.commit, app.time, app.subject) = (Some(change.id), Some(change.time), Some(change.subject));
        (app.author, app.email) = (Some(change.author), Some(change.email));
    }
    app
}
