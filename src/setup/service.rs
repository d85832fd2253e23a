//! The service: finds keys, makes scripts, runs them, checks logins.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::check::{self, CheckReport, CheckRequest};
use super::order::{Order, Platform};
use super::run::{self, SetupRun};
use super::script::script;
use crate::domain::Failure;
use crate::ports::{Forwarding, Keyring, SshSessions};

/// Sets servers up, and checks them.
pub struct HostSetup {
    keyring: Arc<dyn Keyring>,
    sessions: Arc<dyn SshSessions>,
    forwarding: Arc<dyn Forwarding>,
}

/// The script, and what it is about; with `run` also what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupAnswer {
    /// What the server runs.
    #[serde(rename = "for")]
    pub platform: Platform,
    /// The account that is let in.
    pub user: String,
    /// The stored key.
    pub key: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// The lines of `authorized_keys`: the key's, and that of its pair before while it is being rotated.
    pub lines: Vec<String>,
    /// The whole script.
    pub script: String,
    /// What it did, where it was run.
    pub run: Option<SetupRun>,
}

impl HostSetup {
    /// With these keys, over these sessions.
    #[must_use]
    pub fn new(keyring: Arc<dyn Keyring>, sessions: Arc<dyn SshSessions>, forwarding: Arc<dyn Forwarding>) -> Self {
        Self { keyring, sessions, forwarding }
    }

    /// Makes the script, and runs it where the order says so.
    ///
    /// # Errors
    /// That the key cannot be had, or that the admin's login runs nothing. A step that fails is in the answer.
    pub async fn setup(&self, order: &Order) -> Result<SetupAnswer, Failure> {
        let key = self.keyring.resolve(&order.key).await?;
        let lines = order.lines(&key);
        let mut answer = SetupAnswer {
            platform: order.platform,
            user: order.user.to_string(),
            key: order.key.to_string(),
            fingerprint: key.fingerprint.clone(),
            script: script(order, &lines),
            lines,
            run: None,
        };
        if let Some((admin, admin_key)) = &order.run {
            let target = admin.with_key(admin_key);
            let printed = run::run(self.sessions.as_ref(), &target, order.platform, &answer.script)
                .await
                .map_err(Failure::of_one_try)?;
            let mut run = SetupRun::of(admin.to_string(), &printed);
            if run.ok
                && order.platform != Platform::Windows
                && let Some(found) = check::refusals(self.sessions.as_ref(), &target, order.user.as_str(), &key).await
            {
                run = run.with_refusals(found);
            }
            answer.run = Some(run);
        }
        Ok(answer)
    }

    /// Checks a login step by step.
    pub async fn check(&self, request: &CheckRequest) -> CheckReport {
        check::check(self.keyring.as_ref(), self.sessions.as_ref(), self.forwarding.as_ref(), request).await
    }
}
