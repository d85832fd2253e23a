//! A stream that can be cut from outside.
//!
//! russh drives each connection in a task of its own that can hang in a read or write to a stalled peer, and that no
//! handle ends. Cutting the stream ends it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// `inner`, until the token is cancelled; then every read and write fails.
pub(super) struct Cut<S> {
    inner: S,
    // Two, since a future wakes only the task that polled it last, and reads and writes may be two.
    while_reading: Pin<Box<WaitForCancellationFutureOwned>>,
    while_writing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Cut<S> {
    pub(super) fn new(inner: S, cut: CancellationToken) -> Self {
        let while_reading = Box::pin(cut.clone().cancelled_owned());
        Self { inner, while_reading, while_writing: Box::pin(cut.cancelled_owned()) }
    }
}

fn unless_cut<T>(
    poll: Poll<io::Result<T>>,
    cut: &mut Pin<Box<WaitForCancellationFutureOwned>>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<T>> {
    if poll.is_pending() && cut.as_mut().poll(cx).is_ready() {
        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
    }
    poll
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_read(cx, buf);
        unless_cut(poll, &mut this.while_reading, cx)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_write(cx, buf);
        unless_cut(poll, &mut this.while_writing, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_flush(cx);
        unless_cut(poll, &mut this.while_writing, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_shutdown(cx);
        unless_cut(poll, &mut this.while_writing, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_pending_read_fails_when_the_stream_is_cut() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let cut = CancellationToken::new();
        let mut stream = Cut::new(ours, cut.clone());
        let mut buf = [0; 8];
        let (read, ()) = tokio::join!(stream.read(&mut buf), async { cut.cancel() });
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
