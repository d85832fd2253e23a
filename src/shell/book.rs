//! Where runs are written down: that they begin, and what came of them; later, where the store does not work.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::shell::{Output, RunReport, ShellHost};
use crate::domain::{Failure, FailureClass};
use crate::ports::{AuditEntry, NewRun, RunRecords};

/// How long is waited.
#[derive(Clone, Copy)]
struct Patience {
    /// For a run to be noted: a store that does not answer must not hold up servers.
    noting: Duration,
    /// For what came of it to be written: longer than a store that works takes to say that others hold it.
    writing: Duration,
    /// After a failure, until it is tried again.
    pause: Duration,
}

const USUAL: Patience =
    Patience { noting: Duration::from_secs(3), writing: Duration::from_secs(20), pause: Duration::from_secs(2) };
/// Once the service ends, it is tried so often.
const LAST_TRIES: u32 = 3;
/// After so many rounds without success it is said again.
const SAID_AGAIN: u32 = 30;
/// Runs that may wait to be written; each is about a kilobyte without its output.
const MOST: usize = 10_000;

/// The book. Cheap to clone.
#[derive(Clone)]
pub(super) struct Book {
    records: Arc<dyn RunRecords>,
    /// The instance that has commands run.
    owner: Arc<str>,
    /// This service of it: one is there at a time.
    service: Arc<str>,
    numbers: Arc<AtomicU64>,
    late: Arc<Mutex<Late>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    patience: Patience,
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
        records: Arc<dyn RunRecords>,
        owner: Arc<str>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let service = format!("{:016x}-", rand::random::<u64>()).into();
        Self { records, owner, service, numbers: Arc::default(), late: Arc::default(), tasks, stop, patience: USUAL }
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
        match timeout(self.patience.noting, self.note(entry)).await {
            Ok(Ok(_)) => {}
            Ok(Err(failure)) => tracing::error!(host, %failure, "that a run begins could not be written down"),
            Err(_) => tracing::error!(host, failure = %silent(), "that a run begins could not be written down"),
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
        let writing = async {
            let id = self.note(&mut ended.entry).await?;
            self.records.end_run(id, &ended.report, &ended.audit).await
        };
        timeout(self.patience.writing, writing).await.unwrap_or_else(|_| Err(silent()))
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
                sleep(self.patience.pause).await;
            } else {
                let _stopped = self.stop.run_until_cancelled(sleep(self.patience.pause)).await;
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

fn silent() -> Failure {
    Failure::new(FailureClass::TimeOut, "the store does not answer", "look after its database; it is tried again")
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use async_trait::async_trait;
    use tokio::sync::watch;

    use super::*;
    use crate::domain::shell::RunsKept;
    use crate::ports::{RunFilter, RunRow};

    /// Answers while it works; never takes the runs of the host `odd`. Its number is that of the run's key.
    #[derive(Default)]
    struct Fake {
        works: AtomicBool,
        is_silent: AtomicBool,
        ended: watch::Sender<Vec<i64>>,
    }

    impl Fake {
        async fn answer(&self) -> Result<(), Failure> {
            if self.is_silent.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.works.load(Ordering::Relaxed) { Ok(()) } else { Err(Failure::internal("broken")) }
        }
    }

    #[async_trait]
    impl RunRecords for Fake {
        async fn begin_run(&self, run: &NewRun<'_>) -> Result<i64, Failure> {
            self.answer().await?;
            if run.report.host == "odd" {
                return Err(Failure::internal("it is odd"));
            }
            Ok(run.key.rsplit('-').next().unwrap().parse().unwrap())
        }

        async fn end_run(&self, id: i64, _: &RunReport, _: &AuditEntry) -> Result<(), Failure> {
            self.answer().await?;
            self.ended.send_modify(|ended| ended.push(id));
            Ok(())
        }

        async fn settle_runs(&self, _: &str, _: &str) -> Result<(), Failure> {
            Ok(())
        }

        async fn forget_runs(&self, _: RunsKept) -> Result<(), Failure> {
            Ok(())
        }

        async fn runs(&self, _: &RunFilter) -> Result<Vec<RunRow>, Failure> {
            Ok(Vec::new())
        }

        async fn run(&self, _: i64) -> Result<Option<RunReport>, Failure> {
            Ok(None)
        }
    }

    fn book(fake: &Arc<Fake>) -> Book {
        let records: Arc<dyn RunRecords> = Arc::<Fake>::clone(fake);
        let short = Duration::from_millis(20);
        let patience = Patience { noting: short, writing: short, pause: Duration::from_millis(5) };
        Book { patience, ..Book::new(records, "me".into(), TaskTracker::new(), CancellationToken::new()) }
    }

    async fn one_run(book: &Book, on: &str) -> Option<i64> {
        let host = r#"{"name":"web","address":"10.0.0.1","user":"ops","key":"k"}"#;
        let host: ShellHost = serde_json::from_str(host).unwrap();
        let report = RunReport { host: on.to_owned(), ..RunReport::default() };
        let mut entry = book.entry(&host, &report, Duration::from_secs(1));
        book.begin(&mut entry).await;
        book.end(&host, entry, &report).await
    }

    #[tokio::test]
    async fn a_silent_store_holds_nothing_up_and_gets_everything_when_it_answers() {
        let fake = Arc::new(Fake { is_silent: true.into(), works: true.into(), ..Fake::default() });
        let book = book(&fake);
        assert_eq!((one_run(&book, "web").await, one_run(&book, "web").await), (None, None));
        fake.is_silent.store(false, Ordering::Relaxed);
        let mut ended = fake.ended.subscribe();
        ended.wait_for(|ended| ended.len() == 2).await.unwrap();
        assert_eq!(one_run(&book, "web").await, Some(2));
    }

    #[tokio::test]
    async fn one_that_is_never_taken_is_in_nobodys_way() {
        let fake = Arc::new(Fake::default());
        let book = book(&fake);
        for on in ["odd", "web", "odd", "web", "odd", "odd", "web"] {
            assert_eq!(one_run(&book, on).await, None);
        }
        fake.works.store(true, Ordering::Relaxed);
        fake.ended.subscribe().wait_for(|ended| ended.len() == 3).await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_is_tried_again_at_the_end_and_the_end_comes() {
        let fake = Arc::new(Fake::default());
        let book = book(&fake);
        one_run(&book, "web").await;
        book.stop.cancel();
        book.tasks.close();
        book.tasks.wait().await; // it gives up
        fake.works.store(true, Ordering::Relaxed);
        one_run(&book, "odd").await; // another that fails begins the work anew
        book.tasks.wait().await;
        assert_eq!(*fake.ended.borrow(), [0]);
    }
}
