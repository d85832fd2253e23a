//! Where runs are written down: that they begin, and what came of them; later, where the store does not work.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::Failure;
use crate::domain::shell::{Output, RunReport, ShellHost};
use crate::ports::{AuditEntry, NewRun, ShellRecords};

/// How long a run waits to be noted: a store that does not answer must not hold up servers.
const NOTING: Duration = Duration::from_secs(3);
/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Once the service ends, it is tried so often.
const LAST_TRIES: u32 = 3;
/// After so many rounds without success it is said again.
const SAID_AGAIN: u32 = 30;
/// Runs that may wait to be written; each is about a kilobyte without its output.
const MOST: usize = 10_000;

/// The book. Cheap to clone.
#[derive(Clone)]
pub(super) struct Book {
    records: Arc<dyn ShellRecords>,
    /// The instance that has commands run.
    owner: Arc<str>,
    /// This service of it: one is there at a time.
    service: Arc<str>,
    numbers: Arc<AtomicU64>,
    late: Arc<Mutex<Late>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Runs that have ended and are not written down.
#[derive(Default)]
struct Late {
    waiting: VecDeque<Ended>,
    is_worked_on: bool,
}

/// A run, and its number where it is noted.
pub(super) struct Entry {
    id: Option<i64>,
    key: String,
    at_ms: i64,
    until_ms: i64,
    report: RunReport,
    audit: AuditEntry,
}

struct Ended {
    entry: Entry,
    report: RunReport,
    audit: AuditEntry,
}

impl Book {
    pub(super) fn new(
        records: Arc<dyn ShellRecords>,
        owner: Arc<str>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let service = format!("{:016x}-", rand::random::<u64>()).into();
        Self { records, owner, service, numbers: Arc::default(), late: Arc::default(), tasks, stop }
    }

    /// Ends, as not known, the runs that nobody ends any more: those of a service that ran in this one's place and was killed,
    /// and those of other instances whose time is over. What does not work is tried again at the next time.
    pub(super) async fn settle(&self) {
        if let Err(failure) = self.records.settle_runs(&self.owner, &self.service).await {
            tracing::warn!(%failure, "runs that were cut off by a kill still count as running; it is tried again");
        }
    }

    /// A run that begins now and has ended when `longest` is over.
    pub(super) fn entry(&self, host: &ShellHost, report: &RunReport, longest: Duration) -> Entry {
        let at_ms = report.started.parse().map_or(0, Timestamp::as_millisecond);
        let until_ms = at_ms.saturating_add(i64::try_from(longest.as_millis()).unwrap_or(i64::MAX));
        let key = format!("{}{:010}", self.service, self.numbers.fetch_add(1, Ordering::Relaxed));
        Entry { id: None, key, at_ms, until_ms, report: report.clone(), audit: audit_entry(host, report) }
    }

    /// Notes that it begins. What cannot be noted in time runs all the same: a full disk here is no reason to leave a server
    /// alone.
    pub(super) async fn begin(&self, entry: &mut Entry) {
        let host = entry.report.host.clone();
        match timeout(NOTING, self.note(entry)).await {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => tracing::error!(host, %failure, "that a run begins could not be written down"),
            Err(_) => tracing::error!(host, "that a run begins could not be written down: the store does not answer"),
        }
    }

    /// Writes down what came of it, and answers its number. Where that does not work, it is tried again in the background,
    /// without what the command wrote; a run that was not even noted has no number yet.
    pub(super) async fn end(&self, host: &ShellHost, entry: Entry, report: &RunReport) -> Option<i64> {
        let mut ended = Ended { entry, report: report.clone(), audit: audit_entry(host, report) };
        let Err(failure) = self.write(&mut ended).await else { return ended.entry.id };
        tracing::error!(host = report.host, %failure, "what came of a run could not be written down; it is tried again");
        let id = ended.entry.id;
        self.put_off(ended);
        id
    }

    async fn note(&self, entry: &mut Entry) -> Result<i64, Failure> {
        if let Some(id) = entry.id {
            return Ok(id);
        }
        let Entry { key, at_ms, until_ms, report, audit, .. } = &*entry;
        let (at_ms, until_ms, owner) = (*at_ms, *until_ms, &*self.owner);
        let id = self.records.begin_run(&NewRun { key, at_ms, until_ms, owner, report, entry: audit }).await?;
        entry.id = Some(id);
        Ok(id)
    }

    async fn write(&self, ended: &mut Ended) -> Result<(), Failure> {
        let id = self.note(&mut ended.entry).await?;
        self.records.end_run(id, &ended.report, &ended.audit).await
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

    /// Writes what waits, again and again, until nothing does; at the end of the service a few times more.
    async fn catch_up(&self) {
        let (mut rounds, mut last_tries) = (0_u32, 0);
        loop {
            if self.stop.is_cancelled() {
                last_tries += 1;
                sleep(PAUSE).await;
            } else {
                let _stopped = self.stop.run_until_cancelled(sleep(PAUSE)).await;
            }
            let Some(failure) = self.write_late().await else { return };
            let left = self.late().waiting.len();
            rounds += 1;
            if last_tries == LAST_TRIES {
                tracing::error!(left, %failure, "what came of runs was never written down");
                self.late().is_worked_on = false;
                return;
            }
            if rounds.is_multiple_of(SAID_AGAIN) {
                tracing::error!(left, %failure, "what came of runs cannot be written down; it is tried again");
            }
        }
    }

    /// Writes those that wait in turn, until none does, or two in a row could not be written. One that never can be is in
    /// nobody's way.
    async fn write_late(&self) -> Option<Failure> {
        let mut has_failed = false;
        while let Some(mut first) = self.next() {
            let Err(failure) = self.write(&mut first).await else {
                has_failed = false;
                continue;
            };
            self.late().waiting.push_back(first);
            if has_failed {
                return Some(failure);
            }
            has_failed = true;
        }
        None
    }

    /// The first that waits; `None` ends the work.
    fn next(&self) -> Option<Ended> {
        let mut late = self.late();
        late.is_worked_on = !late.waiting.is_empty();
        late.waiting.pop_front()
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
