//! A command whose two streams come as they are written, and that can be signalled.

use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channel::OpenChannel;
use super::process::{DRAIN, STREAM_STDERR, signal_words, wind_up};
use super::session::InUse;
use crate::ports::{Input, Piece, ProcessEnd, ShellProcess, Step};

/// Pieces that may wait to be read, a packet each.
const PIECES: usize = 16;
/// The steps there are.
const STEPS: usize = 3;
/// The most that one packet of input holds.
const PACKET: usize = 32 << 10;

/// Starts `command` on the channel, and feeds it `input`. When it has ended, a channel is opened for the next command, which then
/// takes a round trip less; the server has `limit` for that.
pub(super) async fn start(
    (channel, preopened, in_use): (OpenChannel, bool, InUse),
    command: &str,
    input: &Input,
    (tracker, stop, limit): (&TaskTracker, CancellationToken, Duration),
) -> Result<ShellProcess, russh::Error> {
    channel.write()?.exec(true, command).await?;
    tracing::debug!(preopened, "started a shell command");
    let (read, write) = channel.take()?; // from here on nothing waits, so that nobody can give up before the task has them
    let (output, pieces) = mpsc::channel(PIECES);
    let (steps, wanted) = mpsc::channel(STEPS);
    let (report, ended) = oneshot::channel();
    let input = input.clone();
    let end = ProcessEnd { unanswered: true, ..ProcessEnd::default() };
    let pump = Pump { read, output, end };
    let session = in_use.session();
    tracker.spawn(async move {
        let all = async {
            pump.run((write, input), wanted, in_use, report).await;
            session.open_ahead(limit).await;
        };
        tokio::select! {
            () = all => {}
            () = stop.cancelled() => {}
        }
    });
    let lost = || ProcessEnd { connection_lost: true, ..ProcessEnd::default() };
    Ok(ShellProcess { output: pieces, steps, ended: Box::pin(async move { ended.await.unwrap_or_else(|_| lost()) }) })
}

struct Pump {
    read: ChannelReadHalf,
    output: mpsc::Sender<Piece>,
    end: ProcessEnd,
}

/// Why reading ended.
#[derive(PartialEq)]
enum Ending {
    Closed,
    Lost,
    /// The channel is open still, and nobody needs it.
    GivenUp,
}

impl Pump {
    async fn run(
        mut self,
        (write, input): (ChannelWriteHalf<Msg>, Input),
        mut wanted: mpsc::Receiver<Step>,
        in_use: InUse,
        report: oneshot::Sender<ProcessEnd>,
    ) {
        let mut is_fed = false;
        let ending = {
            let feeding = feed(&write, input);
            let reading = self.collect(&in_use);
            tokio::pin!(feeding, reading);
            loop {
                tokio::select! {
                    ending = &mut reading => break ending,
                    () = &mut feeding, if !is_fed => is_fed = true,
                    step = wanted.recv() => match step {
                        Some(Step::Terminate) => signal(&write, Sig::TERM).await,
                        Some(Step::Kill) => signal(&write, Sig::KILL).await,
                        Some(Step::Close) | None => break Ending::GivenUp,
                    },
                }
            }
        };
        self.end.connection_lost = ending == Ending::Lost;
        // The channel is given back before its end is told, unless the server still counts it.
        let still_open = (ending == Ending::GivenUp).then_some(in_use);
        drop(self.output);
        let _ = report.send(self.end);
        if let Some(in_use) = still_open {
            // Closed at once, and then as always: a program that goes on must not keep the channel.
            let _ = timeout(DRAIN, write.close()).await;
            tokio::select! {
                () = wind_up(self.read, write, true) => {}
                () = in_use.lost() => {}
            }
        }
    }

    /// Passes on what comes until the channel is closed.
    async fn collect(&mut self, in_use: &InUse) -> Ending {
        loop {
            let message = self.read.wait().await;
            let is_answer = !matches!(
                message,
                None | Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::Eof | ChannelMsg::Close)
            );
            self.end.unanswered &= !is_answer;
            match message {
                Some(ChannelMsg::Data { data }) => self.put(Piece::Stdout(data)).await,
                Some(ChannelMsg::ExtendedData { data, ext: STREAM_STDERR }) => self.put(Piece::Stderr(data)).await,
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.end.exit_status = Some(exit_status);
                    self.put(Piece::Exited).await;
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.end.signal = Some(signal_words(&signal_name));
                    self.put(Piece::Exited).await;
                }
                Some(ChannelMsg::Failure) => {
                    self.end.stderr = b"the server refused to run the command".to_vec();
                    return Ending::GivenUp;
                }
                Some(ChannelMsg::Close) => return Ending::Closed,
                Some(_) => {}
                None => {
                    in_use.lost().await;
                    return Ending::Lost;
                }
            }
        }
    }

    async fn put(&self, piece: Piece) {
        // Nobody reads: what comes is dropped, but the end is waited for.
        let _ = self.output.send(piece).await;
    }
}

/// Sends all of it when it may go, then end-of-file. A command that does not read keeps this waiting, and nothing else.
/// Where a connection is lost in the middle, reading tells.
async fn feed(write: &ChannelWriteHalf<Msg>, Input { bytes: input, mut may_go }: Input) {
    if may_go.wait_for(|may| *may).await.is_err() {
        return;
    }
    for piece in input.chunks(PACKET) {
        if write.data_bytes(Bytes::copy_from_slice(piece)).await.is_err() {
            return;
        }
    }
    let _ = write.eof().await;
}

async fn signal(write: &ChannelWriteHalf<Msg>, signal: Sig) {
    let _ = timeout(DRAIN, write.signal(signal)).await;
}
