//! Proving a login step by step, and finding out why one is refused.

mod facts;
mod judge;
mod probe;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::login::Login;
use super::narrow::Destination;
use super::order::{OrderError, Platform};
use super::run;
use super::step::{Outcome, Step};
use crate::domain::{Failure, FailureClass, KeyName};
use crate::ports::{Forwarding, Keyring, ResolvedKey, SshSessions, SshTarget};
use facts::Facts;
use judge::Cause;
use probe::Stage;

/// What is to be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRequest {
    /// Who logs in where.
    pub login: Login,
    /// With which stored key.
    pub key: KeyName,
    /// Targets that a tunnel shall reach.
    pub permit_open: Vec<Destination>,
    /// Whose login may look for the cause when the server refuses.
    pub admin: Option<(Login, KeyName)>,
}

/// The same, as it comes over the API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckWords {
    /// `user@host[:port]`.
    pub login: String,
    /// The stored key.
    pub key: String,
    /// `host:port` each.
    #[serde(default)]
    pub permit_open: Vec<String>,
    /// `user@host[:port]`: root, or who may use `sudo` without a password.
    #[serde(default)]
    pub admin: Option<String>,
    /// The admin's stored key; without one, the key that is checked.
    #[serde(default)]
    pub admin_key: Option<String>,
}

/// Every step, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Whether no step failed.
    pub ok: bool,
    /// The steps: `key`, `name-lookup`, `connect`, `host-key`, `login`, `command`, `forwarding` for each target, `cause` for each cause.
    pub steps: Vec<Step>,
}

impl CheckRequest {
    /// Checks the parts.
    ///
    /// # Errors
    /// An [`OrderError`] that says which part is wrong.
    pub fn of(words: &CheckWords) -> Result<Self, OrderError> {
        let login: Login = words.login.parse()?;
        let key = KeyName::new(words.key.as_str())?;
        let admin = match &words.admin {
            None if words.admin_key.is_some() => return Err(OrderError::AdminKey),
            None => None,
            Some(admin) => {
                let admin_key = words.admin_key.as_ref().unwrap_or(&words.key);
                Some((admin.parse()?, KeyName::new(admin_key.as_str())?))
            }
        };
        let permit_open = words.permit_open.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(Self { login, key, permit_open, admin })
    }
}

/// Each is a connection that the server tries for us.
const TARGETS_AT_ONCE: usize = 8;

pub(super) async fn check(
    keyring: &dyn Keyring,
    sessions: &dyn SshSessions,
    forwarding: &dyn Forwarding,
    request: &CheckRequest,
) -> CheckReport {
    let target = request.login.with_key(&request.key);
    let key = match keyring.resolve(&request.key).await {
        Ok(key) => key,
        Err(failure) => return report(probe::way(&target, None, Some((Stage::Key, &failure)))),
    };
    sessions.try_at_once(&target);
    let probed = probe::command(sessions, &target).await;
    let refused = probed.as_ref().err().filter(|failure| probe::stage_of(failure.class) <= Stage::Login);
    let mut steps = probe::way(&target, Some(&key), refused.map(|failure| (probe::stage_of(failure.class), failure)));
    // A server that offers no way to log in at all closes the connection.
    let is_refused = refused
        .is_some_and(|failure| matches!(failure.class, FailureClass::Authentication | FailureClass::ConnectionLost));
    let (target, is_out) = (&target, refused.is_some());
    let tunnels = request.permit_open.clone().into_iter().map(|destination| async move {
        if is_out {
            return Step::skipped("forwarding", format!("{destination}: it needs the login"));
        }
        forwarded(forwarding, target, &destination).await
    });
    // Side by side: a target that says nothing takes its whole time.
    let tunnels: Vec<Step> = futures::stream::iter(tunnels).buffered(TARGETS_AT_ONCE).collect().await;
    let command = match (&probed, refused) {
        (_, Some(_)) => Step::skipped("command", "it needs the login"),
        (Ok(step), None) => probe::beside_tunnels(step.clone(), &tunnels),
        (Err(failure), None) => probe::beside_tunnels(Step::failed("command", failure), &tunnels),
    };
    let is_about_login = is_refused || (probed.is_ok() && command.is_failure());
    let wanted = request.permit_open.iter().zip(&tunnels);
    let prohibited: Vec<_> = wanted.filter(|(_, step)| step.is_failure()).map(|(destination, _)| destination).collect();
    steps.push(command);
    steps.extend(tunnels);
    match &request.admin {
        Some(admin) if is_about_login || !prohibited.is_empty() => {
            let judge = |facts: &Facts| {
                let login = if is_about_login { judge::causes(&request.login.user, facts) } else { Vec::new() };
                let tunnels = prohibited.iter().flat_map(|destination| judge::tunnel_causes(destination, facts));
                login.into_iter().chain(tunnels).collect()
            };
            steps.extend(find_causes(sessions, admin, &request.login.user, &key, judge).await);
        }
        None if is_refused => {
            steps.push(Step::skipped("cause", "with `--admin root@host --admin-key K` it is looked for on the server"));
        }
        _ => {}
    }
    report(steps)
}

fn report(steps: Vec<Step>) -> CheckReport {
    CheckReport { ok: !steps.iter().any(Step::is_failure), steps }
}

async fn forwarded(forwarding: &dyn Forwarding, target: &SshTarget, destination: &Destination) -> Step {
    let Some(port) = destination.port() else {
        return Step::skipped("forwarding", format!("{destination}: only a target with a port can be tried"));
    };
    probe::forwarding(destination, forwarding.try_forwarding(target, destination.host(), port).await)
}

/// What the server itself says over an admin's login. A cause is a failed step of its own.
async fn find_causes(
    sessions: &dyn SshSessions,
    (admin, admin_key): &(Login, KeyName),
    user: &str,
    key: &ResolvedKey,
    judge: impl FnOnce(&Facts) -> Vec<Cause>,
) -> Vec<Step> {
    let causes = match ask(sessions, &admin.with_key(admin_key), user, key).await {
        Ok(facts) => judge(&facts),
        Err(failure) => {
            let words = format!("it could not be looked for as {admin}: {}", failure.message);
            return vec![Step::new("cause", Outcome::Failed, words, failure.remedy)];
        }
    };
    if causes.is_empty() {
        let words = "nothing was found wrong with the account, its rights, the key and the settings of sshd";
        return vec![Step::new("cause", Outcome::Warning, words, "look at the log of sshd on the server")];
    }
    causes.into_iter().map(|cause| Step::new("cause", Outcome::Failed, cause.words, cause.remedy)).collect()
}

/// What would refuse the login after a setup, as warnings: it may come from elsewhere. `None` where that could not be looked for.
pub(super) async fn refusals(
    sessions: &dyn SshSessions,
    admin: &SshTarget,
    user: &str,
    key: &ResolvedKey,
) -> Option<Vec<Step>> {
    let facts = ask(sessions, admin, user, key).await.ok()?;
    let warning = |cause: Cause| Step::new("login", Outcome::Warning, cause.words, cause.remedy);
    Some(judge::refusals(user, &facts).into_iter().map(warning).collect())
}

/// Has the facts told on the server.
async fn ask(sessions: &dyn SshSessions, admin: &SshTarget, user: &str, key: &ResolvedKey) -> Result<Facts, Failure> {
    let blob = key.public_line.split_ascii_whitespace().nth(1).unwrap_or_default();
    let printed = run::run(sessions, admin, Platform::Debian, &facts::script(user, blob, "")).await?;
    Facts::read(&printed.text).ok_or_else(|| {
        let said = String::from_utf8_lossy(&printed.end.stderr).trim().to_owned();
        let message = format!("the server did not answer to the end ({said})");
        Failure::new(FailureClass::RemoteCommand, message, "look at the log of sshd on the server")
    })
}
