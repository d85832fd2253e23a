//! Where runs are written down: that they begin, and what came of them; later, where the store does not work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::Failure;
use crate::domain::shell::{Output, RunReport, ShellHost};
use crate::ports::{AuditEntry, NewRun, ShellRecords};

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Runs that may wait to be written; each is about a kilobyte without its output.
const MOST: usize = 10_000;

/// The book. Cheap to clone.
#[derive(Clone)]
pub(super) struct Book {
    records: Arc<dyn ShellRecords>,
    /// Who has commands run: this service, and the one that ran in its place before.
    owner: Arc<str>,
    late: Arc<Mutex<Late>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    pause: Duration,
}

/// Runs that have ended and are not written down.
#[derive(Default)]
struct Late {
    waiting: VecDeque<Ended>,
    is_worked_on: bool,
}

/// A run that was noted, if that was possible.
#[derive(Clone)]
pub(super) struct Begun {
    id: Option<i64>,
    at_ms: i64,
    until_ms: i64,
    report: RunReport,
    entry: AuditEntry,
}

#[derive(Clone)]
struct Ended {
    begun: Begun,
    report: RunReport,
    entry: AuditEntry,
}

impl Book {
    pub(super) fn new(
        records: Arc<dyn ShellRecords>,
        owner: Arc<str>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Self { records, owner, late: Arc::default(), tasks, stop, pause: PAUSE }
    }

    /// Ends, as not known, the runs of a service that ran in this one's place and was killed. Nothing may run yet.
    pub(super) async fn settle_runs_of_before(&self) {
        if let Err(failure) = self.records.settle_runs(Some(&self.owner)).await {
            tracing::warn!(%failure, "runs that were under way when appferry was killed still count as running");
        }
    }

    /// Notes that a run begins, which ends within `longest`. What cannot be noted runs all the same: a full disk here is no
    /// reason to leave a server alone.
    pub(super) async fn begin(&self, host: &ShellHost, report: &RunReport, longest: Duration) -> Begun {
        let at_ms = report.started.parse().map_or(0, Timestamp::as_millisecond);
        let until_ms = at_ms.saturating_add(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX));
        let mut begun = Begun { id: None, at_ms, until_ms, report: report.clone(), entry: audit_entry(host, report) };
        if let Err(failure) = self.note(&mut begun).await {
            tracing::error!(host = report.host, %failure, "that a run begins could not be written down");
        }
        begun
    }

    /// Writes down what came of it, and answers its number. Where that does not work, it is tried again in the background,
    /// without what the command wrote; a run that was not even noted has no number yet.
    pub(super) async fn end(&self, host: &ShellHost, begun: Begun, report: &RunReport) -> Option<i64> {
        let mut ended = Ended { begun, report: report.clone(), entry: audit_entry(host, report) };
        let Err(failure) = self.write(&mut ended).await else { return ended.begun.id };
        tracing::error!(host = report.host, %failure, "what came of a run could not be written down; it is tried again");
        let id = ended.begun.id;
        self.put_off(ended);
        id
    }

    async fn note(&self, begun: &mut Begun) -> Result<i64, Failure> {
        if let Some(id) = begun.id {
            return Ok(id);
        }
        let Begun { at_ms, until_ms, report, entry, .. } = &*begun;
        let run = NewRun { at_ms: *at_ms, until_ms: *until_ms, owner: &self.owner, report, entry };
        let id = self.records.begin_run(&run).await?;
        begun.id = Some(id);
        Ok(id)
    }

    async fn write(&self, ended: &mut Ended) -> Result<(), Failure> {
        let id = self.note(&mut ended.begun).await?;
        self.records.end_run(id, &ended.report, &ended.entry).await
    }

    fn put_off(&self, mut ended: Ended) {
        let report = &mut ended.report;
        report.rows.clear();
        (report.stdout, report.stderr) = (without_text(&report.stdout), without_text(&report.stderr));
        let mut late = self.late();
        if late.waiting.len() >= MOST {
            tracing::error!(host = report.host, "what came of a run is not written down: too many wait");
            return;
        }
        late.waiting.push_back(ended);
        if !late.is_worked_on {
            late.is_worked_on = true;
            let book = self.clone();
            self.tasks.spawn(async move { book.catch_up().await });
        }
    }

    /// Writes what waits, again and again, until nothing does; at the end of the service once more.
    async fn catch_up(&self) {
        loop {
            let stops = self.stop.run_until_cancelled(tokio::time::sleep(self.pause)).await.is_none();
            let mut failed = None;
            while failed.is_none() {
                let Some(mut first) = self.next() else { return };
                failed = self.write(&mut first).await.err();
                let mut late = self.late();
                match late.waiting.front_mut() {
                    Some(front) if failed.is_some() => front.begun = first.begun, // it may have a number by now
                    _ => drop(late.waiting.pop_front()),
                }
            }
            if stops {
                let left = self.late().waiting.len();
                tracing::error!(left, failure = ?failed, "what came of runs was never written down");
                return;
            }
        }
    }

    /// The first that waits; `None` ends the work.
    fn next(&self) -> Option<Ended> {
        let mut late = self.late();
        late.is_worked_on = !late.waiting.is_empty();
        late.waiting.front().cloned()
    }

    fn late(&self) -> MutexGuard<'_, Late> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much there was, and that nothing of it is here.
fn without_text(output: &Output) -> Output {
    Output { bytes: output.bytes, cut_at: (output.bytes > 0).then_some(0), ..Output::default() }
}

fn audit_entry(host: &ShellHost, report: &RunReport) -> AuditEntry {
    let what = report.command.as_deref().unwrap_or("(not saved)");
    let exit = report.exit_code.map(|code| format!(", exit {code}")).unwrap_or_default();
    AuditEntry {
        event: "shell_command_run",
        key_name: Some(host.key.to_string()),
        purpose: Some(format!("{what} on {} ({})", host.name, host.place())),
        outcome: report.ended.words().to_owned(),
        detail: Some(format!("asked by {}{exit}, {} ms", report.by, report.duration_ms)),
        ..AuditEntry::default()
    }
}
