//! A socket that acknowledges what it has been read empty of at once.
//!
//! sshd leaves Nagle's algorithm (RFC 896) on for a connection that only forwards ports: the last part of an answer, less
//! than a segment, waits there until all before it is acknowledged. The kernel here puts that off by 40 ms (RFC 1122,
//! section 4.2.3.2) when there is nothing to send that could carry it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket.
pub(super) struct Prompt {
    socket: TcpStream,
    /// Something was read, and nobody has told the sender so far.
    unacknowledged: bool,
}

impl Prompt {
    pub(super) const fn new(socket: TcpStream) -> Self {
        Self { socket, unacknowledged: false }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_read(cx, buf);
        if poll.is_pending() && this.unacknowledged {
            // Once for all that has come: the option does not last (tcp(7)). Without it, everything still arrives.
            let _ = rustix::net::sockopt::set_tcp_quickack(&this.socket, true);
        }
        this.unacknowledged = poll.is_ready();
        poll
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt::{set_tcp_quickack, tcp_quickack};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_acknowledged_when_there_is_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        let mut prompt = Prompt::new(ours);
        set_tcp_quickack(&prompt.socket, false).unwrap();
        theirs.write_all(b"answer").await.unwrap();
        let mut buffer = [0; 6];
        prompt.read_exact(&mut buffer).await.unwrap();
        assert!(!tcp_quickack(&prompt.socket).unwrap(), "there may be more");
        let more = futures::poll!(Box::pin(prompt.read(&mut buffer)));
        assert!(more.is_pending());
        assert!(tcp_quickack(&prompt.socket).unwrap());
    }
}
