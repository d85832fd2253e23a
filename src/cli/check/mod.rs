//! `appferry check`: each step from the environment to the repository, one line a step.

mod apps_folder;
mod network;
mod probe;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;

pub use report::{Outcome, Report, Step};

use super::output::say;
use super::parts::RealParts;
use crate::config::{Config, ConfigErrors, Credential, RepositoryConfig, SyncConfig, TokenSource};
use crate::domain::{Failure, FailureClass, RepoUrl};
use crate::logs;
use crate::ports::{Keyring, Remote, ResolvedKey};

/// How long one question to the remote may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many repositories are looked at together.
const AT_ONCE: usize = 8;

/// The adapters that the check looks through. The daemon's factory and the tests implement it.
#[async_trait]
pub trait CheckParts: Send + Sync {
    /// Opens the key store.
    ///
    /// # Errors
    /// Class key or disk.
    async fn keyring(&self) -> Result<Arc<dyn Keyring>, Failure>;

    /// Makes the remote, without connecting to it. The key store is always there for a repository that needs a key.
    ///
    /// # Errors
    /// A [`Failure`] with its class.
    async fn remote(&self, sync: &SyncConfig, keyring: Option<Arc<dyn Keyring>>) -> Result<Arc<dyn Remote>, Failure>;

    /// Ends what was opened.
    async fn close(&self);
}

/// Checks with the real environment and the real adapters, and prints the report.
pub(super) async fn run() -> anyhow::Result<ExitCode> {
    let base = Config::for_keys();
    logs::init(base.as_ref().map(|base| base.log_format).unwrap_or_default());
    let config = Config::from_env();
    let parts = base.ok().map(|base| RealParts::new(&base, config.as_ref().ok()));
    let report = check(config.as_ref(), parts.as_ref().map(|parts| parts as &dyn CheckParts)).await;
    if let Some(parts) = parts {
        parts.close().await;
    }
    say(&report.to_string())?;
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

/// Every step. Without `parts` the data folder is not known, and everything behind it is skipped.
pub async fn check(config: Result<&Config, &ConfigErrors>, parts: Option<&dyn CheckParts>) -> Report {
    let mut report = Report::default();
    report.steps.push(environment(config));
    let keyring = match parts {
        Some(parts) => parts.keyring().await.map_err(Some),
        None => Err(None),
    };
    report.steps.push(match keyring.as_ref() {
        Ok(_) => Step::ok("store", "opened"),
        Err(Some(failure)) => Step::fail("store", failure),
        Err(None) => Step::skip("store", "the data folder is not known"),
    });
    let keyring = keyring.ok();
    match (config.map(Config::all_repositories), parts) {
        (Ok(all), _) if all.is_empty() => report.skip_all(&OF_A_REPOSITORY, "Git Sync is off"),
        (Ok(all), parts) => report.steps.extend(of_all(&all, keyring.as_ref(), parts).await),
        (Err(_), _) => report.skip_all(&OF_A_REPOSITORY, "it needs the environment"),
    }
    report
}

/// The steps of each repository, in their order; a few are looked at together.
async fn of_all(
    all: &[RepositoryConfig],
    keyring: Option<&Arc<dyn Keyring>>,
    parts: Option<&dyn CheckParts>,
) -> Vec<Step> {
    let several = all.len() > 1;
    let looks = all.iter().map(|repository| async move {
        let steps = of_one(repository, keyring, parts).await;
        let of = |step: Step| if several { step.of(&repository.name) } else { step };
        steps.into_iter().map(of).collect::<Vec<Step>>()
    });
    let looks: Vec<_> = looks.collect();
    futures::stream::iter(looks).buffered(AT_ONCE).concat().await
}

async fn of_one(
    repository: &RepositoryConfig,
    keyring: Option<&Arc<dyn Keyring>>,
    parts: Option<&dyn CheckParts>,
) -> Vec<Step> {
    let mut report = Report::default();
    match parts {
        Some(parts) => way_to_the_branch(&mut report, repository, keyring.cloned(), parts).await,
        None => report.skip_all(&BEFORE_THE_FOLDER, "it needs the store"),
    }
    report.steps.push(apps_folder::check(&repository.sync.apps_dir).await);
    report.steps
}

const BEFORE_THE_FOLDER: [&str; 8] = ["key", "name lookup", "connect", "host key", "login", "read", "write", "branch"];
const OF_A_REPOSITORY: [&str; 9] =
    ["key", "name lookup", "connect", "host key", "login", "read", "write", "branch", "apps folder"];

fn environment(config: Result<&Config, &ConfigErrors>) -> Step {
    match config {
        Ok(config) => {
            let detail = match config.all_repositories().as_slice() {
                [] => "Git Sync is off".to_owned(),
                [only] => format!("{}, branch {}", only.sync.url, only.sync.branch),
                several => format!("{} repositories", several.len()),
            };
            Step::ok("environment", detail).with_notes(config.warnings.clone())
        }
        Err(errors) => Step {
            repository: None,
            name: "environment",
            outcome: Outcome::Fail {
                problem: errors.to_string(),
                fix: "correct them; docs/configuration.md lists the variables and the keys".into(),
            },
            notes: Vec::new(),
        },
    }
}

/// From the key to the branch. Without a key, the way to the host is still looked at.
async fn way_to_the_branch(
    report: &mut Report,
    repository: &RepositoryConfig,
    keyring: Option<Arc<dyn Keyring>>,
    parts: &dyn CheckParts,
) {
    let sync = &repository.sync;
    let key = credential(sync, keyring.as_deref()).await;
    let needs_key = matches!(sync.credential, Credential::Key { .. });
    let usable = !needs_key || matches!(key.outcome, Outcome::Ok(_));
    report.steps.push(key);
    if !usable {
        report.steps.extend(probe::steps(&sync.url).await);
        return;
    }
    match parts.remote(sync, keyring).await {
        Ok(remote) => {
            let tip = in_time(remote.poll()).await;
            let write = match &tip {
                Ok(_) => Some(in_time(remote.check_write()).await),
                Err(_) => None,
            };
            if let Err(failure) = &tip
                && failure.class == FailureClass::Key
                && let Some(key) = report.steps.last_mut()
            {
                *key = Step::fail("key", failure); // found by its name, but it does not open
            }
            report.steps.extend(network::steps(repository, tip.as_ref(), write.as_ref()));
        }
        Err(failure) => report.steps.extend(network::steps(repository, Err(&failure), None)),
    }
}

async fn credential(sync: &SyncConfig, keyring: Option<&dyn Keyring>) -> Step {
    match (&sync.credential, keyring) {
        (Credential::Key { name, .. }, Some(keyring)) => match keyring.resolve(name).await {
            Ok(ResolvedKey { name, fingerprint, .. }) => Step::ok("key", format!("{name}  {fingerprint}")),
            Err(failure) => Step::fail("key", &failure),
        },
        (Credential::Key { .. }, None) => Step::skip("key", "it needs the store"),
        (Credential::Token(TokenSource::Value(_)), _) => Step::ok("key", "an access token, from its variable"),
        (Credential::Token(TokenSource::File(path)), _) => {
            Step::ok("key", format!("an access token, from {}", path.display()))
        }
        (Credential::None, _) => Step::skip("key", network::PATH_NEEDS_NONE),
    }
}

async fn in_time<T>(question: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, question).await.unwrap_or_else(|_| {
        let message = format!("the remote did not answer within {} s", PATIENCE.as_secs());
        Err(Failure::new(FailureClass::TimeOut, message, "check the network on the way there, and try again"))
    })
}

/// Where the repository is, as the network sees it.
fn endpoint(url: &RepoUrl) -> (String, String) {
    match url {
        RepoUrl::Ssh { host, port, .. } => (host.clone(), format!("{host} port {port}")),
        RepoUrl::Https { url } => {
            let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(url);
            (authority.to_owned(), authority.to_owned())
        }
        RepoUrl::Path(_) => (String::new(), String::new()),
    }
}

#[cfg(test)]
mod tests;
