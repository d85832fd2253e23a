//! What one poll of the remote says about each step on the way there.

use super::endpoint;
use super::report::Step;
use crate::config::{Credential, RepositoryConfig, SyncConfig};
use crate::domain::{Failure, FailureClass, RepoUrl};
use crate::ports::RemoteTip;
use crate::sync::worker::branch_absent;

pub(super) const PATH_NEEDS_NONE: &str = "not needed: the repository is a path";

/// How far the way was gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Key,
    NameLookup,
    Connect,
    HostKey,
    Login,
    Read,
    Done,
}

/// Name lookup to branch, from the answer of one poll and of one question for write access.
pub(super) fn steps(
    repository: &RepositoryConfig,
    tip: Result<&RemoteTip, &Failure>,
    write: Option<&Result<(), Failure>>,
) -> Vec<Step> {
    let sync = &repository.sync;
    let failed = tip.err();
    let reached = failed.map_or(Stage::Done, |failure| stage_of(failure.class));
    let (host, address) = endpoint(&sync.url);
    let login = match (&sync.url, &sync.credential) {
        (RepoUrl::Ssh { user, .. }, Credential::Key { name, .. }) => format!("as {user} with key {name}"),
        _ => "with the access token".to_owned(),
    };
    let at = |name, stage, detail| on_the_way(sync, name, (stage, reached), failed, detail);
    let mut steps = vec![
        at("name lookup", Stage::NameLookup, host),
        at("connect", Stage::Connect, address),
        at("host key", Stage::HostKey, "trusted".to_owned()),
        at("login", Stage::Login, login),
    ];
    steps.push(match (tip, reached) {
        (Ok(tip), _) => Step::ok("read", described(tip)),
        (Err(failure), Stage::Read) => Step::fail("read", failure),
        (Err(_), _) => Step::skip("read", "it needs the steps before it"),
    });
    steps.push(match write {
        Some(Ok(())) => Step::ok("write", "may push (nothing was pushed)"),
        Some(Err(failure)) if sync.locked => {
            Step::skip("write", format!("not needed: this instance is locked ({})", failure.message))
        }
        Some(Err(failure)) => Step::fail("write", failure),
        None => Step::skip("write", "it needs read"),
    });
    steps.push(branch(repository, tip));
    steps
}

fn on_the_way(
    sync: &SyncConfig,
    name: &'static str,
    (stage, reached): (Stage, Stage),
    failed: Option<&Failure>,
    detail: String,
) -> Step {
    match failed {
        Some(failure) if stage == reached => Step::fail(name, failure),
        _ if matches!(sync.url, RepoUrl::Path(_)) => Step::skip(name, PATH_NEEDS_NONE),
        _ if stage == Stage::HostKey && stage < reached && matches!(sync.url, RepoUrl::Https { .. }) => {
            Step::skip(name, "not needed: HTTPS proves the host by its certificate")
        }
        Some(_) if reached < stage => Step::skip(name, "it needs the steps before it"),
        Some(failure) if says_nothing_about_before(failure.class) => Step::skip(name, "not known, see below"),
        _ => Step::ok(name, detail),
    }
}

fn stage_of(class: FailureClass) -> Stage {
    match class {
        FailureClass::Key => Stage::Key,
        FailureClass::NameLookup => Stage::NameLookup,
        FailureClass::Connect | FailureClass::TimeOut => Stage::Connect,
        FailureClass::HostKey => Stage::HostKey,
        FailureClass::Authentication => Stage::Login,
        FailureClass::ChannelRefused
        | FailureClass::RemoteCommand
        | FailureClass::RepositoryAbsent
        | FailureClass::BranchAbsent
        | FailureClass::Refused
        | FailureClass::ConnectionLost
        | FailureClass::Protocol
        | FailureClass::Disk
        | FailureClass::Damaged
        | FailureClass::Listen
        | FailureClass::Limit
        | FailureClass::Internal => Stage::Read,
    }
}

/// These happen at any point of the way.
const fn says_nothing_about_before(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::TimeOut
            | FailureClass::ConnectionLost
            | FailureClass::Protocol
            | FailureClass::Disk
            | FailureClass::Damaged
            | FailureClass::Internal
    )
}

fn described(tip: &RemoteTip) -> String {
    match tip {
        RemoteTip::At(_) => "the repository answers".to_owned(),
        RemoteTip::Unborn => "the repository answers, and is empty".to_owned(),
        RemoteTip::Absent(branches) => format!("the repository answers, with {} branches", branches.len()),
    }
}

fn branch(repository: &RepositoryConfig, tip: Result<&RemoteTip, &Failure>) -> Step {
    let sync = &repository.sync;
    match tip {
        Ok(RemoteTip::At(commit)) => Step::ok("branch", format!("{} is at {}", sync.branch, commit.short())),
        Ok(RemoteTip::Unborn) => Step::ok("branch", format!("{} is made by the first push", sync.branch)),
        Ok(RemoteTip::Absent(branches)) => Step::fail("branch", &absent(repository, branches)),
        Err(_) => Step::skip("branch", "it needs read"),
    }
}

/// The same words as in the status. Creating it is the running worker's: this command writes nothing.
fn absent(repository: &RepositoryConfig, branches: &[String]) -> Failure {
    let branches: Vec<&str> = branches.iter().map(String::as_str).collect();
    let failure = branch_absent(&repository.name, repository.sync.branch.as_str(), &branches);
    let remedy = failure.remedy.replace("or create it with", "or, while `appferry run` runs, create it with");
    Failure::new(failure.class, failure.message, remedy)
}
