//! Bytes between a client and a channel, both ways, each with its own end.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures::FutureExt as _;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::sleep;

use super::backlog::Backlog;
use super::room::Room;
use crate::ports::{ClientReader, ClientWriter, Meter, TunnelChannel};
use crate::ssh::channel::OpenChannel;

/// What is read from a client at once: two of the packets that sshd takes.
const READ_BYTES: usize = 64 << 10;

/// So long what a client sent may still wait for the target to read it when the client's connection has broken.
const GRACE: Duration = Duration::from_secs(3);

/// A channel that is connected to the target.
pub(super) struct Ferry {
    pub(super) channel: OpenChannel,
    pub(super) held_up: Arc<AtomicUsize>,
    pub(super) room: Arc<Room>,
}

/// How a direction came to its end.
#[derive(Clone, Copy, PartialEq)]
enum End {
    /// Its source has no more to say.
    Eof,
    /// The other side closed the channel; some servers say no other end.
    Closed,
    /// The connection is gone.
    Lost,
    /// The client is gone.
    Gone,
}

#[async_trait]
impl TunnelChannel for Ferry {
    async fn ferry(self: Box<Self>, (reader, writer): (ClientReader, ClientWriter), meter: Arc<Meter>) {
        let Self { mut channel, held_up, room } = *self;
        let Ok((read, write)) = channel.halves() else { return };
        let backlog = Backlog::new(room);
        let up = Up { reader, write, meter: &meter };
        let end = both(up, Down { read, writer, backlog, held_up, meter: &meter }).await;
        if matches!(end, End::Closed | End::Lost) {
            drop(channel.take()); // there is nothing left to close
        }
    }
}

/// Runs until the channel can be closed. That the connection is gone is seen by its end of what comes: what has come until
/// then still reaches the client, and a write that russh lets wait for ever is dropped.
async fn both(up: Up<'_>, mut down: Down<'_>) -> End {
    let mut up = pin!(up.run());
    let mut up_ended = false;
    let end = {
        let mut running = pin!(down.run());
        loop {
            tokio::select! {
                end = &mut running => break end,
                end = &mut up, if !up_ended => {
                    up_ended = true;
                    if end == End::Gone {
                        return end;
                    }
                }
            }
        }
    };
    if end != End::Eof {
        return end;
    }
    // The target has ended its half; the client may go on with its own.
    loop {
        if up_ended {
            return End::Eof;
        }
        tokio::select! {
            end = &mut up => match end {
                End::Eof => up_ended = true,
                other => return other,
            },
            message = down.read.wait() => match message {
                None => return End::Lost,
                Some(ChannelMsg::Close) => return End::Closed,
                Some(_) => {}
            },
        }
    }
}

/// From the client to the target.
struct Up<'a> {
    reader: ClientReader,
    write: &'a ChannelWriteHalf<Msg>,
    meter: &'a Meter,
}

impl Up<'_> {
    /// Reads no faster than the other side's window allows.
    async fn run(mut self) -> End {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        loop {
            if buffer.capacity() < READ_BYTES / 2 {
                buffer.reserve(READ_BYTES);
            }
            match self.reader.read_buf(&mut buffer).await {
                Ok(0) => return if self.write.eof().await.is_ok() { End::Eof } else { End::Lost },
                Ok(bytes) => {
                    // Nothing is read meanwhile that would tell, and a target that does not read may never do so.
                    let given_up = async {
                        self.reader.broken().await;
                        sleep(GRACE).await;
                    };
                    let written = tokio::select! {
                        written = self.write.data_bytes(buffer.split().freeze()) => written,
                        () = given_up => return End::Gone,
                    };
                    if written.is_err() {
                        return End::Lost;
                    }
                    self.meter.add_up(bytes);
                }
                Err(_) => return End::Gone,
            }
        }
    }
}

/// From the target to the client.
struct Down<'a> {
    read: &'a mut ChannelReadHalf,
    writer: ClientWriter,
    backlog: Backlog,
    held_up: Arc<AtomicUsize>,
    meter: &'a Meter,
}

impl Down<'_> {
    /// Takes what comes, whether the client reads or not: russh would hold up every channel of the connection.
    async fn run(&mut self) -> End {
        let mut ending = None;
        loop {
            if self.backlog.refill().await.is_err() {
                return End::Gone; // what is lost cannot be made up for
            }
            // What is there already goes out in one write: each of them wakes the client, which costs more than the bytes.
            while ending.is_none()
                && !self.backlog.is_a_full_write()
                && self.backlog.has_room()
                && let Some(message) = self.read.wait().now_or_never()
            {
                ending = self.take(message).await;
            }
            if self.backlog.is_empty()
                && let Some(end) = ending
            {
                if end != End::Lost {
                    let _ = self.writer.shutdown().await;
                }
                return end;
            }
            let room = ending.is_none() && self.backlog.has_room();
            let held_up = (ending.is_none() && !room).then(|| HeldUp::note(&self.held_up));
            let (front, pieces) = self.backlog.front();
            let front = front.get(..pieces).unwrap_or_default();
            let came = tokio::select! {
                message = self.read.wait(), if room => Some(message),
                written = self.writer.write_vectored(front), if !front.is_empty() => match written {
                    Ok(bytes) if bytes > 0 => {
                        self.backlog.consume(bytes);
                        None
                    }
                    _ => return End::Gone,
                },
            };
            drop(held_up);
            if let Some(message) = came {
                ending = self.take(message).await;
            }
        }
    }

    /// Answers how the direction ends, if it does.
    async fn take(&mut self, message: Option<ChannelMsg>) -> Option<End> {
        match message {
            Some(ChannelMsg::Data { data }) => {
                self.meter.add_down(data.len());
                self.backlog.push(data).await;
                None
            }
            Some(ChannelMsg::Eof) => Some(End::Eof),
            Some(ChannelMsg::Close) => Some(End::Closed),
            None => Some(End::Lost),
            Some(_) => None,
        }
    }
}

/// Counts a channel that cannot take more.
struct HeldUp<'a>(&'a AtomicUsize);

impl<'a> HeldUp<'a> {
    fn note(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
