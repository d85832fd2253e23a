//! The ends of the pipes that a remote process is given.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard, PollSender};

/// The most that one write takes, in bytes: a packet's worth.
const MAX_WRITE_BYTES: usize = 32 << 10;

/// Standard input: hands what is written to the task that sends it, as fast as the peer's window allows.
pub(super) struct Stdin {
    sender: PollSender<Bytes>,
    _dropped: DropGuard,
}

impl Stdin {
    /// Hands its input to `sender`, and lets the guard know when it is dropped.
    pub(super) fn new(sender: mpsc::Sender<Bytes>, dropped: DropGuard) -> Self {
        Self { sender: PollSender::new(sender), _dropped: dropped }
    }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was lost before the end of the output")
}

fn broken_pipe<T>(_: T) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the remote command takes no more input")
}

impl AsyncWrite for Stdin {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let sender = &mut self.get_mut().sender;
        ready!(sender.poll_reserve(cx)).map_err(broken_pipe)?;
        let taken = buf.get(..MAX_WRITE_BYTES).unwrap_or(buf);
        sender.send_item(Bytes::copy_from_slice(taken)).map_err(broken_pipe)?;
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is held back here
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().sender.close();
        Poll::Ready(Ok(()))
    }
}

/// Standard output: an error instead of end-of-file when the connection was lost before the end.
pub(super) struct Stdout {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
    /// Cancelled once the peer has said that there is no more.
    complete: CancellationToken,
}

impl Stdout {
    pub(super) fn new(receiver: mpsc::Receiver<Bytes>, complete: CancellationToken) -> Self {
        Self { receiver, current: Bytes::new(), complete }
    }
}

impl AsyncRead for Stdout {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.current.is_empty() {
            match ready!(this.receiver.poll_recv(cx)) {
                Some(bytes) => this.current = bytes,
                None if this.complete.is_cancelled() => return Poll::Ready(Ok(())),
                None => return Poll::Ready(Err(cut_off())),
            }
        }
        let taken = this.current.split_to(this.current.len().min(buf.remaining()));
        buf.put_slice(&taken);
        Poll::Ready(Ok(()))
    }
}
