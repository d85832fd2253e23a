//! What one command and one channel say about each step on the way there.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::domain::{Failure, FailureClass};
use crate::ports::{Forwarded, ResolvedKey, SessionClass, SshSessions, SshTarget};
use crate::setup::narrow::Destination;
use crate::setup::step::{Outcome, Step};

/// Means the same to `sh`, to PowerShell and to cmd.exe.
const COMMAND: &str = "echo appferry-host-check";
const ANSWER: &str = "appferry-host-check";
const LIMIT: Duration = Duration::from_secs(20);

/// How far the way was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Key,
    NameLookup,
    Connect,
    HostKey,
    Login,
    Command,
}

const STAGES: [(Stage, &str); 5] = [
    (Stage::Key, "key"),
    (Stage::NameLookup, "name-lookup"),
    (Stage::Connect, "connect"),
    (Stage::HostKey, "host-key"),
    (Stage::Login, "login"),
];

pub(super) const fn stage_of(class: FailureClass) -> Stage {
    match class {
        FailureClass::Key => Stage::Key,
        FailureClass::NameLookup => Stage::NameLookup,
        FailureClass::Connect | FailureClass::TimeOut | FailureClass::Protocol => Stage::Connect,
        FailureClass::HostKey => Stage::HostKey,
        FailureClass::Authentication | FailureClass::ConnectionLost => Stage::Login,
        _ => Stage::Command,
    }
}

/// Key to login; `failed` is where the way ended.
pub(super) fn way(target: &SshTarget, key: Option<&ResolvedKey>, failed: Option<(Stage, &Failure)>) -> Vec<Step> {
    let detail = |stage| match stage {
        Stage::Key => {
            key.map(|key| format!("{} ({}, from the {})", key.name, key.fingerprint, key.source)).unwrap_or_default()
        }
        Stage::NameLookup => target.host.clone(),
        Stage::Connect => format!("{} port {}", target.host, target.port),
        Stage::HostKey => "trusted".to_owned(),
        Stage::Login | Stage::Command => format!("as {} with key {}", target.user, target.key),
    };
    let step = |&(stage, name): &(Stage, &str)| match failed {
        Some((_, failure)) if stage == Stage::HostKey && failure.class == FailureClass::ConnectionLost => {
            Step::skipped(name, "not known, see below")
        }
        Some((reached, failure)) if stage == reached => {
            with_own_remedy(Step::failed(name, failure), failure.class, target)
        }
        Some((reached, _)) if stage > reached => Step::skipped(name, "it needs the step before it"),
        _ => Step::ok(name, detail(stage)),
    };
    STAGES.iter().map(step).collect()
}

/// What the sessions say is for any login: here it is known which command mends it.
fn with_own_remedy(step: Step, class: FailureClass, target: &SshTarget) -> Step {
    if class != FailureClass::Authentication {
        return step;
    }
    let remedy = format!("let the key in: `appferry host setup --for … --user {} --key {}`", target.user, target.key);
    Step { remedy, ..step }
}

/// Whether commands run.
///
/// # Errors
/// What keeps the login out, or the channel.
pub(super) async fn command(sessions: &dyn SshSessions, target: &SshTarget) -> Result<Step, Failure> {
    let mut process = sessions.exec(target, SessionClass::Control, COMMAND, &[]).await?;
    drop(process.stdin);
    let mut printed = Vec::new();
    let mut some = (&mut process.stdout).take(64 << 10);
    if timeout(LIMIT, some.read_to_end(&mut printed)).await.is_err() {
        let words =
            "the login is there; what runs in place of the command goes on without an end, as some forced commands do";
        return Ok(Step::new("command", Outcome::Warning, words, ""));
    }
    drop(process.stdout);
    let end = timeout(LIMIT, process.ended).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&printed);
    if text.lines().any(|line| line.trim() == ANSWER) {
        return Ok(Step::ok("command", "commands run"));
    }
    let said = String::from_utf8_lossy(&end.stderr);
    let first = text.lines().chain(said.lines()).find(|line| !line.trim().is_empty());
    let said: String = first.unwrap_or_default().trim().chars().filter(|c| !c.is_control()).take(200).collect();
    if said.contains("not available") {
        let words = format!("the account's shell runs no command: {said}");
        return Ok(Step::new(
            "command",
            Outcome::Failed,
            words,
            format!("on the server, `usermod -s /bin/sh {}`", target.user),
        ));
    }
    if end.exit_status == Some(0) || !said.is_empty() {
        let words = format!("the key is let in, and another command runs in place of what is asked for: {said}");
        return Ok(Step::new("command", Outcome::Ok, words.trim_end_matches(": "), ""));
    }
    let words = match end.exit_status {
        Some(status) => format!("nothing ran, without a word (exit status {status})"),
        None => "the server runs no command for this key".to_owned(),
    };
    let remedy = "look at the shell of the account, and at `command=` in its key line";
    Ok(Step::new("command", Outcome::Failed, words, remedy))
}

/// A command that does not run is no failure where tunnels are asked for, and each of them is let through: some accounts are for that alone.
pub(super) fn beside_tunnels(command: Step, tunnels: &[Step]) -> Step {
    let is_let_through = |step: &Step| matches!(step.outcome, Outcome::Ok | Outcome::Warning);
    if tunnels.is_empty() || !tunnels.iter().all(is_let_through) || !command.is_failure() {
        return command;
    }
    let words = format!("for tunnels alone: {}", command.words);
    Step::new("command", Outcome::Warning, words, format!("only if commands shall run, too: {}", command.remedy))
}

/// Whether a tunnel goes through.
pub(super) fn forwarding(destination: &Destination, tried: Result<Forwarded, Failure>) -> Step {
    let step = |outcome, words: &str, remedy: &str| {
        Step::new("forwarding", outcome, format!("{destination}: {words}"), remedy)
    };
    match tried {
        Ok(Forwarded::Opened) => step(Outcome::Ok, "allowed, and the target answers", ""),
        Ok(Forwarded::TargetFailed(why)) => step(
            Outcome::Warning,
            &format!("allowed, but the target does not answer ({why})"),
            "look whether the target runs, and whether the server may reach it",
        ),
        Ok(Forwarded::Prohibited) => step(
            Outcome::Failed,
            "the server does not let this tunnel through",
            "name the target with `--permit-open` in `appferry host setup`; AllowTcpForwarding and PermitOpen in sshd_config may forbid it, too",
        ),
        Err(failure) => step(Outcome::Failed, &failure.message, &failure.remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::KeyName;

    #[test]
    fn the_class_of_the_failure_names_the_step_that_failed() {
        let target = SshTarget { host: "h".into(), port: 22, user: "dronahq".into(), key: KeyName::new("K").unwrap() };
        for (class, expected) in [
            (FailureClass::Key, "F----"),
            (FailureClass::NameLookup, "oF---"),
            (FailureClass::TimeOut, "ooF--"),
            (FailureClass::HostKey, "oooF-"),
            (FailureClass::Authentication, "ooooF"),
            (FailureClass::ConnectionLost, "ooo-F"),
            (FailureClass::ChannelRefused, "ooooo"),
        ] {
            let failure = Failure::new(class, "no", "mend it");
            let steps = way(&target, None, Some((stage_of(class), &failure)));
            let mark = |step: &Step| match step.outcome {
                Outcome::Ok => 'o',
                Outcome::Failed => 'F',
                _ => '-',
            };
            assert_eq!(steps.iter().map(mark).collect::<String>(), expected, "{class:?}");
        }
    }
}
