//! The half of a TCP client that it reads: cut off unless it was ended.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::sockopt::set_socket_linger;
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What is written to a client. Shutting it down tells the client that this was all; without that it is reset, however its end
/// comes, a killed process included: the first half of a dump must not look like a whole one.
pub(super) struct CutOffUnlessEnded(Option<OwnedWriteHalf>);

impl CutOffUnlessEnded {
    /// Both halves of a client.
    pub(super) fn halves(stream: TcpStream) -> io::Result<(OwnedReadHalf, Self)> {
        set_socket_linger(&stream, Some(std::time::Duration::ZERO))?;
        let (reader, writer) = stream.into_split();
        Ok((reader, Self(Some(writer))))
    }

    fn writer(&mut self) -> io::Result<Pin<&mut OwnedWriteHalf>> {
        self.0.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncWrite for CutOffUnlessEnded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writer()?.poll_write(cx, buf)
    }

    // Else several pieces would go out one by one.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let writer = self.writer()?;
        set_socket_linger(writer.as_ref().get_ref().as_ref(), None)?; // what is on its way still arrives
        writer.poll_shutdown(cx)
    }
}

impl Drop for CutOffUnlessEnded {
    fn drop(&mut self) {
        if let Some(writer) = self.0.take() {
            writer.forget(); // tokio would end it in good order
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn pieces_go_out_in_one_write_and_an_end_that_is_told_is_no_reset() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (reader, mut writer) = CutOffUnlessEnded::halves(listener.accept().await.unwrap().0).unwrap();
        let pieces = [io::IoSlice::new(b"one "), io::IoSlice::new(b"two")];
        assert_eq!((writer.write_vectored(&pieces).await.unwrap(), writer.is_write_vectored()), (7, true));
        writer.shutdown().await.unwrap();
        drop((reader, writer));
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "one two");
    }
}
