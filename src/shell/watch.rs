//! Looks after a process to its end: gathers what it writes, and ends it when it takes too long.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::run::Told;
use crate::domain::shell::output::Gathered;
use crate::ports::{Piece, ProcessEnd, ShellProcess, Step};

/// What is kept of each stream.
const MOST_OUTPUT: usize = 1 << 20;
/// How long a process has to end after each signal.
const GRACE: Duration = Duration::from_secs(2);
/// How long the channel has to close.
const CLOSING: Duration = Duration::from_secs(5);

/// What came of a process.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stdout: Gathered,
    pub(super) stderr: Gathered,
    pub(super) end: ProcessEnd,
    /// Why it was ended from here.
    pub(super) ended_for: Option<EndedFor>,
    /// It had to be left alone: no signal ended it in time.
    pub(super) left: bool,
    /// It had exited before it was ended from here; something else kept the channel open.
    pub(super) exited_before: bool,
}

/// Why a process was ended from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedFor {
    /// It took too long.
    TimeOut(Duration),
    /// The service stops.
    Stop,
}

/// Reads until the process has ended, or was ended after `limit` or at `ending`.
pub(super) async fn look_after(
    process: ShellProcess,
    (limit, ending): (Duration, CancellationToken),
    host: &str,
    tell: impl Fn(Told),
) -> Watched {
    let ShellProcess { mut output, steps, ended } = process;
    let mut watched = Watched {
        stdout: Gathered::new(MOST_OUTPUT),
        stderr: Gathered::new(MOST_OUTPUT),
        end: ProcessEnd::default(),
        ended_for: None,
        left: false,
        exited_before: false,
    };
    let mut at = Instant::now() + limit;
    let mut next = [Step::Terminate, Step::Kill, Step::Close].into_iter();
    loop {
        let because = tokio::select! {
            piece = output.recv() => match piece {
                Some(piece) => {
                    watched.take(&piece, host, &tell);
                    continue;
                }
                None => break,
            },
            () = sleep_until(at) => EndedFor::TimeOut(limit),
            () = ending.cancelled(), if watched.ended_for.is_none() => EndedFor::Stop,
        };
        watched.ended_for.get_or_insert(because);
        // Signals reach nobody any more when it has exited: what is left of it only holds the channel.
        let step = if watched.exited_before { next.by_ref().last() } else { next.next() };
        let Some(step) = step else {
            watched.left = true;
            break;
        };
        watched.left = step == Step::Close;
        let _ = steps.try_send(step); // there is room for each step once
        at = Instant::now() + GRACE;
    }
    drop(output);
    watched.end = timeout(CLOSING, ended).await.unwrap_or_default();
    drop(steps);
    watched
}

impl Watched {
    /// Whether it wrote anything, so that it must have begun.
    pub(super) fn has_written(&self) -> bool {
        !self.stdout.kept().is_empty() || !self.stderr.kept().is_empty()
    }

    /// Keeps a piece up to the limit, and tells what was kept.
    fn take(&mut self, piece: &Piece, host: &str, tell: &impl Fn(Told)) {
        let (gathered, bytes, is_error) = match piece {
            Piece::Stdout(bytes) => (&mut self.stdout, bytes, false),
            Piece::Stderr(bytes) => (&mut self.stderr, bytes, true),
            Piece::Exited => {
                self.exited_before = self.ended_for.is_none();
                return;
            }
        };
        let kept = gathered.push(bytes);
        let Some(bytes) = bytes.get(..kept).filter(|bytes| !bytes.is_empty()) else { return };
        let (host, bytes) = (host.to_owned(), bytes.to_vec());
        tell(if is_error { Told::Stderr(host, bytes) } else { Told::Stdout(host, bytes) });
    }
}
