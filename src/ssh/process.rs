//! A command on a channel: one task moves its input, output and end.

use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::channel::OpenChannel;
use super::process_io::{Stdin, Stdout};
use super::session::InUse;
use crate::ports::{ProcessEnd, RemoteProcess, UsedKey};

/// Pieces of input that may wait to be sent, 32 KiB each at most.
const STDIN_PIECES: usize = 4;

/// Packets of output that may wait to be read, 32 KiB each at most.
const STDOUT_PIECES: usize = 8;

/// How much of standard error is kept.
const STDERR_BYTES: usize = 64 << 10;

/// How long the peer has to close a channel that nobody needs any more. Some servers do not survive end-of-file and close
/// at once.
pub(super) const DRAIN: Duration = Duration::from_secs(2);

pub(super) const STREAM_STDERR: u32 = 1; // SSH_EXTENDED_DATA_STDERR, RFC 4254 section 5.2

/// Starts `command` on the channel, without waiting for the server's consent: what is written next travels right behind.
pub(super) async fn start(
    opened: (OpenChannel, bool, InUse),
    command: &str,
    env: &[(&str, &str)],
    key: UsedKey,
    tracker: &TaskTracker,
    stop: CancellationToken,
) -> Result<RemoteProcess, russh::Error> {
    let (channel, preopened, in_use) = opened;
    for (name, value) in env {
        channel.write()?.set_env(false, *name, *value).await?;
    }
    channel.write()?.exec(true, command).await?;
    let (read, write) = channel.take()?; // from here on nothing waits, so that nobody can give up before the task has them
    let (stdin, input) = mpsc::channel(STDIN_PIECES);
    let (output, stdout) = mpsc::channel(STDOUT_PIECES);
    let (report, ended) = oneshot::channel();
    let unfed = CancellationToken::new();
    let guard = unfed.clone().drop_guard();
    let complete = CancellationToken::new();
    let pump = Pump {
        read,
        output: Some(output),
        complete: complete.clone(),
        report,
        unfed,
        end: ProcessEnd { unanswered: true, ..ProcessEnd::default() },
    };
    tracker.spawn(async move {
        tokio::select! {
            () = pump.run(write, input, in_use) => {}
            () = stop.cancelled() => {}
        }
    });
    Ok(RemoteProcess {
        stdin: Box::pin(Stdin::new(stdin, guard)),
        stdout: Box::pin(Stdout::new(stdout, complete)),
        ended: Box::pin(async { ended.await.unwrap_or_else(|_| lost(ProcessEnd::default())) }),
        preopened,
        key: Some(key),
    })
}

fn lost(end: ProcessEnd) -> ProcessEnd {
    ProcessEnd { connection_lost: true, ..end }
}

struct Pump {
    read: ChannelReadHalf,
    /// `None` after the end of the output.
    output: Option<mpsc::Sender<Bytes>>,
    /// Cancelled when the peer has said that there is no more output.
    complete: CancellationToken,
    report: oneshot::Sender<ProcessEnd>,
    /// Cancelled when nobody holds the standard input any more.
    unfed: CancellationToken,
    end: ProcessEnd,
}

/// How the reading came to its end.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// The peer closed the channel.
    Closed,
    /// The server refuses to run the command.
    Refused,
    /// The connection is gone.
    Lost,
    /// The process was dropped, with all its parts.
    Abandoned,
}

impl Pump {
    async fn run(mut self, write: ChannelWriteHalf<Msg>, input: mpsc::Receiver<Bytes>, in_use: InUse) {
        let halt = CancellationToken::new();
        let reading = async {
            let ending = self.collect(&in_use).await;
            halt.cancel();
            ending
        };
        let (ending, eof_sent) = tokio::join!(reading, feed(&write, input, &halt));
        match ending {
            Ending::Lost => self.end.connection_lost = true,
            Ending::Closed | Ending::Refused => self.complete.cancel(),
            Ending::Abandoned => {}
        }
        // The channel is given back before its end is told: who is told may ask for the next one at once.
        let still_open = matches!(ending, Ending::Refused | Ending::Abandoned).then_some(in_use);
        drop(self.output);
        let _ = self.report.send(self.end);
        if let Some(in_use) = still_open {
            tokio::select! {
                () = wind_up(self.read, write, eof_sent) => {}
                () = in_use.lost() => {}
            }
        }
    }

    /// Passes output on until there is no more, or nobody who wants it.
    async fn collect(&mut self, in_use: &InUse) -> Ending {
        loop {
            let message = tokio::select! {
                message = self.read.wait() => message,
                () = abandoned(self.output.as_ref(), &mut self.report, &self.unfed) => return Ending::Abandoned,
            };
            // dropbear (2022.83, `sesscheckclose`) closes a channel that has no command yet when a command on another one ends.
            let is_answer = !matches!(
                message,
                None | Some(ChannelMsg::WindowAdjusted { .. } | ChannelMsg::Eof | ChannelMsg::Close)
            );
            self.end.unanswered &= !is_answer;
            match message {
                Some(ChannelMsg::Data { data }) => self.put_out(data).await,
                Some(ChannelMsg::Eof) => {
                    self.complete.cancel();
                    self.output = None;
                }
                Some(ChannelMsg::ExtendedData { data, ext: STREAM_STDERR }) => {
                    let room = STDERR_BYTES.saturating_sub(self.end.stderr.len());
                    self.end.stderr.extend_from_slice(data.get(..room).unwrap_or(&data));
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => self.end.exit_status = Some(exit_status),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => self.end.signal = Some(signal_words(&signal_name)),
                Some(ChannelMsg::Failure) => {
                    self.end.stderr = b"the server refused to run the command".to_vec();
                    return Ending::Refused;
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

    async fn put_out(&self, piece: Bytes) {
        if let Some(output) = &self.output {
            // An error means that nobody reads: what comes is dropped, but the end is waited for.
            let _ = output.send(piece).await;
        }
    }
}

async fn abandoned(
    output: Option<&mpsc::Sender<Bytes>>,
    report: &mut oneshot::Sender<ProcessEnd>,
    unfed: &CancellationToken,
) {
    let unread = async {
        if let Some(output) = output {
            output.closed().await;
        }
    };
    tokio::join!(unread, report.closed(), unfed.cancelled());
}

/// Sends input until it ends, then end-of-file, once. Answers whether that was sent.
async fn feed(write: &ChannelWriteHalf<Msg>, mut input: mpsc::Receiver<Bytes>, halt: &CancellationToken) -> bool {
    let send_all = async {
        while let Some(bytes) = input.recv().await {
            write.data_bytes(bytes).await?;
        }
        write.eof().await
    };
    tokio::select! {
        biased;
        () = halt.cancelled() => false,
        sent = send_all => sent.is_ok(),
    }
}

/// Closes a channel from our side: end-of-file, then drain, then close.
pub(super) async fn wind_up(mut read: ChannelReadHalf, write: ChannelWriteHalf<Msg>, eof_sent: bool) {
    let drain = async {
        if !eof_sent {
            let _ = write.eof().await;
        }
        while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {}
    };
    if timeout(DRAIN, drain).await.is_err() {
        drop(read);
        let _ = write.close().await;
    }
}

/// No name of a signal is longer.
const LONGEST_SIGNAL: usize = 64;

pub(super) fn signal_words(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.chars().filter(|c| !c.is_control()).take(LONGEST_SIGNAL).collect(),
        known => format!("{known:?}"), // the variants are called as the signals are, without SIG
    }
}
