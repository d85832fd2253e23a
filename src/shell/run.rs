//! Runs a command on one host or on several.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use super::aside::aside;
use super::book::{Book, Entry};
use super::error::ShellError;
use super::listener::Listener;
use super::outcome;
use super::service::ShellService;
use super::watch::look_after;
use crate::domain::shell::{CommandError, HowEnded, RunReport, SavedCommand, Shell, ShellHost, ShellName, render};
use crate::domain::{Failure, FailureClass};
use crate::ports::{Input, ShellProcess, ShellSessions, SshTarget};

/// Hosts at once when nobody says, and at most.
const USUAL_LIMIT: usize = 5;
const MOST_LIMIT: usize = 64;
const MOST_HOSTS: usize = 1_000;
/// After so many runs it is looked whether some are to be forgotten.
const TIDY_EVERY: i64 = 50;
/// From the end of its time, a run is ended and written down within so long, as long as the store works.
const ENDING: Duration = Duration::from_mins(5);
/// While others have a turn there, a host that allows no more channels is asked again for so long.
const PATIENCE: Duration = Duration::from_mins(30);

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// May save and run.
    Admin,
    /// May run what is saved.
    Runner,
}

impl Who {
    /// In words.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Runner => "runner",
        }
    }
}

/// Values for the variables of a saved command, and where it runs. Nothing of the values is kept or shown.
#[derive(Clone, Default)]
pub struct RunRequest {
    /// The values by the names of their variables.
    pub values: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// The hosts; none means the command's own.
    pub hosts: Vec<ShellName>,
    /// So many hosts at once.
    pub limit: Option<usize>,
}

/// A script that is not saved.
#[derive(Clone, Debug)]
pub struct AdHoc {
    /// The hosts, at least one.
    pub hosts: Vec<ShellName>,
    /// The command, without variables.
    pub command: SavedCommand,
    /// So many hosts at once.
    pub limit: Option<usize>,
}

/// What is told while commands run.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It began on a host.
    Began(String),
    /// A piece of standard output of a host.
    Stdout(String, Vec<u8>),
    /// A piece of standard error of a host.
    Stderr(String, Vec<u8>),
    /// It ended on a host.
    Ended(Box<RunReport>),
}

type Tell = mpsc::UnboundedSender<Told>;

impl ShellService {
    /// Runs a saved command. What comes is told as it comes; it goes on when nobody listens any more. Who listens slowly
    /// holds up the hosts that have not begun, and no command that runs.
    ///
    /// # Errors
    /// That it cannot begin on any host: no such command or host, or a value that is not as it must be.
    pub async fn run(
        &self,
        name: &ShellName,
        request: RunRequest,
        who: Who,
    ) -> Result<mpsc::Receiver<Told>, ShellError> {
        let (command, known) = self.command_with_hosts(name, !request.hosts.is_empty()).await?;
        let hosts = if request.hosts.is_empty() { vec![command.host.clone()] } else { request.hosts };
        let places = Places { known, hosts, limit: request.limit };
        self.begin(command, Some(name), places, request.values, who).await
    }

    /// Runs a script that is not saved.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn exec(&self, ad_hoc: AdHoc) -> Result<mpsc::Receiver<Told>, ShellError> {
        let places = Places { known: self.hosts().await?, hosts: ad_hoc.hosts, limit: ad_hoc.limit };
        self.begin(ad_hoc.command, None, places, BTreeMap::new(), Who::Admin).await
    }

    async fn begin(
        &self,
        command: SavedCommand,
        name: Option<&ShellName>,
        Places { known, hosts, limit }: Places,
        values: BTreeMap<String, Zeroizing<Vec<u8>>>,
        who: Who,
    ) -> Result<mpsc::Receiver<Told>, ShellError> {
        let Some((sessions, book)) = self.running.clone().filter(|_| !self.stop.is_cancelled()) else {
            return Err(ShellError::Stopping);
        };
        if hosts.is_empty() || hosts.len() > MOST_HOSTS {
            return Err(ShellError::Request(format!(
                "{} hosts are named; name 1 to {MOST_HOSTS} in one run",
                hosts.len()
            )));
        }
        let mut on: Vec<ShellHost> = Vec::with_capacity(hosts.len());
        for host in &hosts {
            if on.iter().any(|other| other.name == *host) {
                return Err(ShellError::Request(format!("the host `{host}` is named twice; leave one out")));
            }
            on.push(Self::among(&known, host)?);
        }
        let command = Arc::new(command);
        // All before the first runs: a wrong value must not run on some hosts only.
        let rendering = aside({
            let command = Arc::clone(&command);
            move || rendered(&command, on, &values)
        });
        let broken = || Failure::internal("the values could not be put into the script");
        let jobs = rendering.await.ok_or_else(broken)??;
        if self.stop.is_cancelled() {
            return Err(ShellError::Stopping); // meanwhile
        }
        let (listener, told) = Listener::new(self.stop.clone());
        let shared = Arc::new(Shared { service: self.clone(), sessions, book, command, name: name.cloned(), who });
        let limit = limit.unwrap_or(USUAL_LIMIT).clamp(1, MOST_LIMIT);
        self.tasks.spawn(async move {
            let run = |job| shared.one(job, &listener);
            futures::stream::iter(jobs).for_each_concurrent(limit, run).await;
        });
        Ok(told)
    }
}

/// What each host gets: the same for all with the same shell.
fn rendered(
    command: &SavedCommand,
    hosts: Vec<ShellHost>,
    values: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> Result<Vec<Job>, CommandError> {
    let mut jobs: Vec<Job> = Vec::with_capacity(hosts.len());
    for host in hosts {
        let same = jobs.iter().find(|job| job.shell == host.shell).map(|job| Arc::clone(&job.input));
        let input = if let Some(input) = same { input } else { Arc::new(render(command, host.shell, values)?) };
        jobs.push(Job { shell: host.shell, host, input });
    }
    Ok(jobs)
}

/// Where a command runs.
struct Places {
    known: Vec<ShellHost>,
    hosts: Vec<ShellName>,
    limit: Option<usize>,
}

struct Job {
    host: ShellHost,
    shell: Shell,
    input: Arc<Zeroizing<Vec<u8>>>,
}

struct Shared {
    service: ShellService,
    sessions: Arc<dyn ShellSessions>,
    book: Book,
    command: Arc<SavedCommand>,
    name: Option<ShellName>,
    who: Who,
}

impl Shared {
    async fn one(&self, job: Job, listener: &Listener) {
        let (tell, saying) = mpsc::unbounded_channel();
        tokio::join!(self.run(job, tell), listener.pass_on(saying));
    }

    async fn run(&self, job: Job, tell: Tell) {
        let host = &job.host;
        let turns = self.service.turns(host);
        let _turn = turns.acquire().await;
        let asked = Instant::now();
        let blank = self.blank(host);
        let (entry, started) = self.begin(&job, &blank).await;
        let (mut report, kept) = match started {
            Ok(process) => {
                let since = Instant::now();
                let _ = tell.send(Told::Began(host.name.to_string()));
                let limit = Duration::from_secs(self.command.timeout_s);
                let told = |piece| drop(tell.send(piece));
                let watched = look_after(process, (limit, self.service.stop.clone()), host.name.as_str(), told).await;
                let report = RunReport { duration_ms: milliseconds(since), ..blank };
                outcome::report(report, watched, &self.command, &self.service.stop).await
            }
            Err(failure) => {
                let reason = Some(format!("it did not begin: {}", failure.message));
                let failure = Some(failure.of_one_try());
                let duration_ms = milliseconds(asked);
                let report = RunReport { ended: HowEnded::NotRun, reason, failure, duration_ms, ..blank };
                (report.clone(), report)
            }
        };
        tracing::info!(
            command = report.command,
            host = report.host,
            ended = report.ended.words(),
            duration_ms = report.duration_ms,
            "a shell command was run"
        );
        report.id = self.book.end(host, entry, &kept).await;
        if report.id.is_some_and(|id| id % TIDY_EVERY == 0) {
            self.service.tidy_runs().await;
        }
        let _ = tell.send(Told::Ended(Box::new(report)));
    }

    /// Notes that it begins, and starts it: the script is sent when it is noted, so that nothing runs without a trace, and not
    /// at all when the service stops first. (The command of a server that takes no other is out of our hands.)
    async fn begin(&self, job: &Job, blank: &RunReport) -> (Entry, Result<ShellProcess, Failure>) {
        let stop = &self.service.stop;
        let longest = PATIENCE + Duration::from_secs(self.command.timeout_s) + ENDING;
        let mut entry = self.book.entry(&job.host, blank, longest);
        let (may_go, going) = watch::channel(false);
        let input = Input { bytes: Arc::clone(&job.input), may_go: going };
        let noting = async {
            tokio::select! {
                () = self.book.begin(&mut entry) => {}
                () = stop.cancelled() => {}
            }
            may_go.send_replace(!stop.is_cancelled());
        };
        let starting = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => Err(stopping()),
                started = self.start(job, input) => started,
            }
        };
        let started = if job.shell.program().is_some() {
            tokio::join!(noting, starting).1
        } else {
            noting.await; // its line is the command: there is no script to hold back
            starting.await
        };
        let is_let_go = *may_go.borrow();
        (entry, if is_let_go { started } else { started.and(Err(stopping())) })
    }

    /// A server that allows fewer channels than there are turns is asked again, as long as others of ours are there.
    async fn start(&self, job: &Job, input: Input) -> Result<ShellProcess, Failure> {
        let host = &job.host;
        let (address, user, key) = (host.address.clone(), host.user.clone(), host.key.clone());
        let target = SshTarget { host: address, port: host.port, user, key };
        let program = host.shell.program().map(str::to_owned);
        // cmd.exe takes its line as the command; there are no values in it.
        let as_command = || String::from_utf8_lossy(&job.input).trim_end().to_owned();
        let input = if program.is_some() { input } else { Input { bytes: Arc::default(), ..input } };
        let program = program.unwrap_or_else(as_command);
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.sessions.start(&target, &program, input.clone()).await {
                Err(failure)
                    if failure.class == FailureClass::ChannelRefused
                        && self.service.others_run(host)
                        && Instant::now() < give_up => {}
                started => return started,
            }
        }
    }

    fn blank(&self, host: &ShellHost) -> RunReport {
        RunReport {
            command: self.name.as_ref().map(ShellName::to_string),
            host: host.name.to_string(),
            by: self.who.word().to_owned(),
            started: Timestamp::now().to_string(),
            ended: HowEnded::Running,
            ..RunReport::default()
        }
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn stopping() -> Failure {
    Failure::new(FailureClass::ConnectionLost, "appferry is stopping", "run it again when it runs")
}
