//! What a run is reported as.

use super::watch::{EndedFor, Watched};
use crate::domain::shell::rows::RowsError;
use crate::domain::shell::{HowEnded, SavedCommand};
use crate::domain::{Failure, FailureClass};

type Judged = (HowEnded, Option<String>, Option<Failure>);

/// How it ended, why that counts as failed, and what became of the connection.
pub(super) fn judge(watched: &Watched, command: &SavedCommand, rows: Result<usize, &RowsError>) -> Judged {
    let end = &watched.end;
    if let Some(because) = watched.ended_for {
        let ended = match because {
            EndedFor::TimeOut(_) => HowEnded::TimedOut,
            EndedFor::Stop => HowEnded::Stopped,
        };
        return (ended, Some(ended_from_here(because, watched)), None);
    }
    if end.connection_lost {
        let message = "the connection was lost while the command ran";
        let failure = Failure::new(FailureClass::ConnectionLost, message, "see on the host whether it goes on there");
        return (HowEnded::ConnectionLost, Some(message.to_owned()), Some(failure));
    }
    if let Some(signal) = &end.signal {
        return (HowEnded::Killed, Some(format!("SIG{signal} ended it")), None);
    }
    let Some(code) = end.exit_status else {
        let said = String::from_utf8_lossy(&end.stderr).trim().to_owned();
        if said.is_empty() && watched.has_written() {
            let message = "the server closed the channel without a word about how the command ended";
            return (HowEnded::Failed, Some(message.to_owned()), None);
        }
        let message = if said.is_empty() { "the server did not say how the command ended".to_owned() } else { said };
        let remedy = "see the server's log; it may allow this key no commands";
        let failure = Failure::new(FailureClass::RemoteCommand, message.clone(), remedy);
        return (HowEnded::NotRun, Some(message), Some(failure));
    };
    if let Some(reason) = command.fail.judge(code, &watched.stderr, rows.as_ref().ok().copied()) {
        return (HowEnded::Failed, Some(reason), None);
    }
    match rows {
        Err(problem) => (HowEnded::Failed, Some(problem.to_string()), None),
        Ok(_) => (HowEnded::Ok, None, None),
    }
}

fn ended_from_here(because: EndedFor, watched: &Watched) -> String {
    let why = match because {
        EndedFor::TimeOut(limit) => format!("it took longer than {} s", limit.as_secs()),
        EndedFor::Stop => "appferry was stopped while it ran".to_owned(),
    };
    let left_something = || {
        let exit = watched.end.exit_status.map(|code| format!(" with {code}")).unwrap_or_default();
        format!("it had exited{exit}, but something that it left in the background kept its output open")
    };
    let how = match (&watched.end.signal, watched.end.exit_status, watched.left) {
        _ if watched.exited_before => left_something(),
        (Some(signal), ..) => format!("SIG{signal} ended it"),
        (None, Some(code), _) => format!("it was told to end, and exited with {code}"),
        (None, None, true) => {
            "no signal ended it (servers pass none to root's commands), so its channel was closed; it may go on there"
                .to_owned()
        }
        (None, None, false) => "it was told to end, and did".to_owned(),
    };
    format!("{why}; {how}")
}
