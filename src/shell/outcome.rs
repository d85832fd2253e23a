//! What a run is reported as.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::aside::aside;
use super::watch::{EndedFor, Watched};
use crate::domain::shell::rows::RowsError;
use crate::domain::shell::{HowEnded, RowsAs, RunReport, SavedCommand};
use crate::domain::{Failure, FailureClass};

/// What is read of more output would hold up others for too long, and does not on a thread of its own.
const LARGE: usize = 64 << 10;
/// The same for a pattern, which may take a step for each of its states at each byte, and look through all of the rest for each row.
const LARGE_FOR_PATTERNS: usize = 1 << 10;
/// Rows that take longer are given up.
const LONGEST: Duration = Duration::from_secs(20);
/// One search cannot be given up. At the end of the service, it is waited for so long.
const AT_THE_END: Duration = Duration::from_secs(1);
/// What is kept of each stream of a past run.
const KEPT_OUTPUT: usize = 64 << 10;
const KEPT_ROWS: usize = 500;

type Judged = (HowEnded, Option<String>, Option<Failure>);

/// Fills a report with what was watched; beside it, as much of it as is kept.
pub(super) async fn report(
    blank: RunReport,
    watched: Watched,
    command: &Arc<SavedCommand>,
    stop: &CancellationToken,
) -> (RunReport, RunReport) {
    let bytes = watched.stdout.kept().len() + watched.stderr.kept().len();
    let by_pattern = matches!(command.rows, RowsAs::Regex(_)) || command.fail.stderr.is_some();
    let give_up = Instant::now() + LONGEST;
    if bytes <= if by_pattern { LARGE_FOR_PATTERNS } else { LARGE } {
        return filled(blank, &watched, command, &|| Instant::now() < give_up);
    }
    let watched = Arc::new(watched);
    let filling = aside({
        let (command, stop, blank, watched) = (Arc::clone(command), stop.clone(), blank.clone(), Arc::clone(&watched));
        move || filled(blank, &watched, &command, &|| Instant::now() < give_up && !stop.is_cancelled())
    });
    let late = async {
        stop.cancelled().await;
        sleep(AT_THE_END).await;
    };
    let reason = tokio::select! {
        filled = filling => match filled {
            Some(filled) => return filled,
            None => "what it wrote could not be read",
        },
        () = late => "appferry was stopped while what it wrote was looked through",
    };
    let report = RunReport {
        exit_code: watched.end.exit_status,
        signal: watched.end.signal.clone(),
        ended: HowEnded::Failed,
        reason: Some(reason.to_owned()),
        ..blank
    };
    with_output(&report, &watched)
}

/// With both streams, and beside it with as much of them as is kept.
fn with_output(report: &RunReport, watched: &Watched) -> (RunReport, RunReport) {
    let with = |limit| RunReport {
        stdout: watched.stdout.output(limit),
        stderr: watched.stderr.output(limit),
        ..report.clone()
    };
    (with(usize::MAX), with(KEPT_OUTPUT))
}

fn filled(
    mut report: RunReport,
    watched: &Watched,
    command: &SavedCommand,
    goes_on: &dyn Fn() -> bool,
) -> (RunReport, RunReport) {
    report.exit_code = watched.end.exit_status;
    report.signal.clone_from(&watched.end.signal);
    let rows = command.rows.of_while(watched.stdout.kept(), watched.stdout.is_cut(), goes_on);
    let judged = judge(watched, command, rows.as_ref().map(Vec::len));
    (report.ended, report.reason, report.failure) = judged;
    let (mut report, mut kept) = with_output(&report, watched);
    report.rows = rows.unwrap_or_default();
    kept.rows = report.rows.iter().take(KEPT_ROWS).cloned().collect();
    if serde_json::to_string(&kept.rows).map_or(usize::MAX, |rows| rows.len()) > KEPT_OUTPUT * 2 {
        kept.rows.clear();
    }
    (report, kept)
}

/// How it ended, why that counts as failed, and what became of the connection.
fn judge(watched: &Watched, command: &SavedCommand, rows: Result<usize, &RowsError>) -> Judged {
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::domain::shell::Pattern;
    use crate::domain::shell::output::Gathered;
    use crate::ports::ProcessEnd;

    fn wrote(bytes: &[u8]) -> Watched {
        let (mut stdout, stderr) = (Gathered::new(1 << 20), Gathered::new(0));
        stdout.push(bytes);
        let end = ProcessEnd { exit_status: Some(0), ..ProcessEnd::default() };
        Watched { stdout, stderr, end, ended_for: None, left: false, exited_before: true }
    }

    fn command(rows: &str) -> Arc<SavedCommand> {
        let saved: SavedCommand = serde_json::from_str(r#"{"name":"c","host":"h","script":"true"}"#).unwrap();
        Arc::new(SavedCommand { rows: rows.parse().unwrap(), ..saved })
    }

    #[tokio::test]
    async fn what_takes_long_to_read_is_read_elsewhere_and_ends_with_the_service() {
        let stop = CancellationToken::new();
        let slow = command("regex:(?<all>a.*b)|(?<one>a)"); // each match is looked for in all of the rest
        let mut reporting = std::pin::pin!(report(RunReport::default(), wrote(&b"a".repeat(1 << 20)), &slow, &stop));
        assert!((&mut reporting).now_or_never().is_none(), "others have their turn meanwhile");
        stop.cancel();
        let (report, kept) = reporting.await;
        assert_eq!((report.ended, report.stdout.text.len()), (HowEnded::Failed, 1 << 20));
        assert!(report.reason.is_some_and(|reason| reason.contains("not found in time")));
        assert_eq!((kept.stdout.text.len(), kept.stdout.cut_at), (KEPT_OUTPUT, Some(KEPT_OUTPUT as u64)));
    }

    /// Each byte is looked at with each state of the pattern.
    const SLOW: &str = "[01]*1[01]{400}2";

    #[tokio::test(flavor = "current_thread")]
    async fn one_long_search_holds_up_neither_others_nor_the_end() {
        let mut seed = 1_u64;
        let mut bit = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if seed >> 63 == 0 { b'0' } else { b'1' }
        };
        let text: Vec<u8> = (0..1 << 20).map(|_| bit()).collect();
        let mut slow = (*command("text")).clone();
        slow.fail.stderr = Some(Pattern::new(SLOW).unwrap());
        let (slow, stop) = (Arc::new(slow), CancellationToken::new());
        let watched = Watched { stderr: wrote(&text).stdout, ..wrote(b"out") };
        let mut reporting = std::pin::pin!(report(RunReport::default(), watched, &slow, &stop));
        assert!((&mut reporting).now_or_never().is_none());
        let (other, _) = report(RunReport::default(), wrote(b"a"), &command("lines"), &stop).await;
        assert_eq!(other.ended, HowEnded::Ok);
        stop.cancel();
        let began = Instant::now();
        let (report, kept) = reporting.await;
        assert!(began.elapsed() < AT_THE_END * 4, "{:?}", began.elapsed());
        assert_eq!((report.stdout.text.as_str(), kept.stderr.text.len()), ("out", KEPT_OUTPUT));
    }

    #[tokio::test]
    async fn little_output_is_read_at_once() {
        let stop = CancellationToken::new();
        for (form, output, rows) in [("text", "", 0), ("lines", "a\nb\n", 2), ("regex:(?<k>.)", "ab", 2)] {
            let (report, kept) =
                report(RunReport::default(), wrote(output.as_bytes()), &command(form), &stop).now_or_never().unwrap();
            assert_eq!((report.ended, report.rows.len()), (HowEnded::Ok, rows), "{form}");
            assert_eq!(report, kept);
        }
    }
}
