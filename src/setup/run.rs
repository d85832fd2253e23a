//! Running a script on a server, over somebody's login.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::order::Platform;
use super::script;
use super::step::{Outcome, Step};
use crate::domain::{Failure, FailureClass};
use crate::ports::{ProcessEnd, SessionClass, SshSessions, SshTarget};

/// Windows may have to fetch its SSH server first.
const LIMIT: Duration = Duration::from_mins(5);

/// More than that no script of ours prints.
const MOST_OUTPUT: u64 = 1 << 20;

/// As root, or by sudo without a question. Nothing in it means anything else to another shell.
const AS_ROOT: &str = "sh -c 'if [ \"$(id -u)\" = 0 ]; then exec sh -s; fi; \
                       exec sudo -n env \"SSH_CONNECTION=$SSH_CONNECTION\" sh -s'";

/// What the script did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetupRun {
    /// The login that it ran over.
    pub admin: String,
    /// Whether it came to its end.
    pub ok: bool,
    /// Each step, in order.
    pub steps: Vec<Step>,
}

/// What a script printed, and how it ended.
pub(super) struct Printed {
    pub(super) text: String,
    pub(super) end: ProcessEnd,
}

/// Sends the script and waits for its end.
///
/// # Errors
/// What keeps the login from running anything; a script that ran and failed is an answer.
pub(super) async fn run(
    sessions: &dyn SshSessions,
    target: &SshTarget,
    platform: Platform,
    script: &str,
) -> Result<Printed, Failure> {
    let command = if platform == Platform::Windows { script::encoded_command() } else { AS_ROOT.to_owned() };
    let mut process = sessions.exec(target, SessionClass::Control, &command, &[]).await?;
    let (mut stdin, stdout) = (process.stdin, &mut process.stdout);
    let talk = async {
        let mut printed = Vec::new();
        let send = async {
            // A server that does not read to the end says why at its end.
            let _unread = stdin.write_all(script.as_bytes()).await;
            let _unread = stdin.shutdown().await;
        };
        let mut limited = stdout.take(MOST_OUTPUT);
        let (_sent, _read) = tokio::join!(send, limited.read_to_end(&mut printed));
        printed
    };
    let Ok(printed) = timeout(LIMIT, talk).await else {
        return Err(Failure::new(
            FailureClass::TimeOut,
            format!("the script did not end within {} s", LIMIT.as_secs()),
            "look at what it hangs in on the server; it is safe to run it again",
        ));
    };
    drop(process.stdout);
    let end = timeout(LIMIT, process.ended).await.unwrap_or_default();
    if end.connection_lost {
        return Err(crate::ports::connection_lost("the script ran"));
    }
    let text = String::from_utf8_lossy(&printed).replace('\r', "");
    not_root(target, &text, &end)?;
    Ok(Printed { text, end })
}

fn not_root(target: &SshTarget, text: &str, end: &ProcessEnd) -> Result<(), Failure> {
    if end.exit_status == Some(0) || !text.trim().is_empty() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&end.stderr);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("without a word").trim().to_owned();
    let remedy = if said.contains("sudo") {
        "log in as root, or let this account use sudo without a password"
    } else {
        "give the login of an administrator who may run `sh`"
    };
    let message = format!("{} runs no script as an administrator ({line})", target.user);
    Err(Failure::new(FailureClass::RemoteCommand, message, remedy))
}

impl SetupRun {
    pub(super) fn of(admin: String, printed: &Printed) -> Self {
        let mut steps: Vec<Step> = printed.text.lines().filter_map(Step::read).collect();
        let ended = printed.end.exit_status == Some(0) && steps.last().is_some_and(|step| step.step == "done");
        if !ended && !steps.iter().any(Step::is_failure) {
            let said = String::from_utf8_lossy(&printed.end.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("without a word");
            let words = format!("the script ended before its end: {}", last.trim());
            steps.push(Step::new(
                "script",
                Outcome::Failed,
                words,
                "run the printed script by hand and look at what it says",
            ));
        }
        Self { admin, ok: ended && !steps.iter().any(Step::is_failure), steps }
    }

    /// With what was found out about the login in place of what the script could tell of it, before its last step.
    pub(super) fn with_refusals(mut self, found: Vec<Step>) -> Self {
        self.steps.retain(|step| step.step != "login");
        let end = self.steps.len().saturating_sub(1);
        self.steps.splice(end..end, found);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, status: u32) -> Printed {
        let end = ProcessEnd { exit_status: Some(status), stderr: b"sh: it broke\n".to_vec(), ..ProcessEnd::default() };
        Printed { text: text.to_owned(), end }
    }

    #[test]
    fn only_a_script_that_came_to_its_last_step_is_done() {
        let done = SetupRun::of("root@h:22".into(), &printed("Welcome!\nok       root  x\nok       done  y\n", 0));
        assert!(done.ok && done.steps.len() == 2, "{done:?}");
        let cut = SetupRun::of("root@h:22".into(), &printed("ok       root  x\n", 0));
        assert!(!cut.ok && cut.steps[1].words.contains("it broke"), "{cut:?}");
        let failed = SetupRun::of("root@h:22".into(), &printed("FAIL     home  no; mend it\n", 1));
        assert!(!failed.ok && failed.steps.len() == 1);
    }
}
