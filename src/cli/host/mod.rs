//! `appferry host …`: setting up a server, and checking a login. Needs no worker and no `GIT_SYNC_…` variable.

mod args;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::FAILED;
use super::output::{complain, plain, say};
use crate::config::{BaseConfig, account_name};
use crate::daemon::with_host_setup;
use crate::keys::KeyService;
use crate::setup::{CheckRequest, HostSetup, Order, Outcome, SetupAnswer, Step};
use crate::ssh::HostKeys;

pub(super) use args::{HostAction, HostArgs};

/// Runs one subcommand.
pub(super) async fn run(action: HostAction, base: &BaseConfig) -> anyhow::Result<ExitCode> {
    let wish = Wish::of(&action)?; // before the store is opened
    let (keys, notices) = KeyService::open(&base.keys, &account_name()).await?;
    for notice in notices {
        complain(&format!("note: {notice}"));
    }
    let host_keys = HostKeys::new(base.known_hosts.clone()).with_store(keys.host_trust(), None);
    let answered =
        with_host_setup(Arc::new(keys.clone()), host_keys, |setup| async move { wish.fulfil(&setup).await }).await;
    keys.close().await;
    let (text, ok) = answered?;
    say(&text)?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

enum Wish {
    Setup(Box<Order>, bool),
    Check(CheckRequest, bool),
}

impl Wish {
    fn of(action: &HostAction) -> anyhow::Result<Self> {
        Ok(match action {
            HostAction::Setup(args) => Self::Setup(Box::new(Order::of(&args.request())?), args.json),
            HostAction::Check(args) => Self::Check(CheckRequest::of(&args.request())?, args.json),
        })
    }

    /// What to print, and whether all is well.
    async fn fulfil(self, setup: &HostSetup) -> anyhow::Result<(String, bool)> {
        match self {
            Self::Setup(order, as_json) => {
                let answer = setup.setup(&order).await?;
                let ok = answer.run.as_ref().is_none_or(|run| run.ok);
                Ok((if as_json { json(&answer)? } else { told(&answer) }, ok))
            }
            Self::Check(request, as_json) => {
                let report = setup.check(&request).await;
                Ok((if as_json { json(&report)? } else { steps(&report.steps) }, report.ok))
            }
        }
    }
}

fn json(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}

fn told(answer: &SetupAnswer) -> String {
    answer.run.as_ref().map_or_else(|| answer.script.clone(), |run| steps(&run.steps))
}

/// A line for each step, and one for what to do about it.
fn steps(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let mark = match step.outcome {
            Outcome::Ok => "ok",
            Outcome::Changed => "changed",
            Outcome::Warning => "warning",
            Outcome::Failed => "FAIL",
            Outcome::Skipped => "skip",
        };
        let _infallible = writeln!(text, "{mark:<8} {:<12} {}", plain(&step.step), plain(&step.words));
        if !step.remedy.is_empty() {
            let _infallible = writeln!(text, "         fix: {}", plain(&step.remedy));
        }
    }
    text
}
