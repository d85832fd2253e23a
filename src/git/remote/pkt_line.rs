//! The framing of Git's wire protocol.
//!
//! Source: `gitprotocol-common(5)`, section "pkt-line Format": four hexadecimal digits of length, which count
//! themselves, then the payload; `0000`, `0001` and `0002` are markers. At most 65,520 bytes in all.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use super::error::WireError;
use super::words;

/// The longest payload, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 65_516;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section (version 2).
    Delimiter,
    /// `0002`: the end of an answer (version 2 over HTTP).
    ResponseEnd,
    /// A payload, as it was sent.
    Data(Bytes),
}

/// Packets to send, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Packets(Vec<u8>);

impl Packets {
    /// Adds a payload.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub(crate) fn data(&mut self, payload: impl AsRef<[u8]>) -> Result<&mut Self, WireError> {
        let payload = payload.as_ref();
        if payload.len() > MAX_PAYLOAD {
            return Err(WireError::TooLong(payload.len()));
        }
        self.0.extend_from_slice(format!("{:04x}", payload.len() + 4).as_bytes());
        self.0.extend_from_slice(payload);
        Ok(self)
    }

    /// Adds a flush packet.
    pub(crate) fn flush(&mut self) -> &mut Self {
        self.0.extend_from_slice(b"0000");
        self
    }

    /// Adds a delimiter packet.
    pub(crate) fn delimiter(&mut self) -> &mut Self {
        self.0.extend_from_slice(b"0001");
        self
    }

    /// The bytes to send.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads packets from a stream. Memory is bounded by one packet and the read-ahead.
#[derive(Debug)]
pub(crate) struct PacketReader<R> {
    stream: BufReader<R>,
    idle: Duration,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    /// Reads from `stream`; gives up when nothing comes for `idle`.
    pub(crate) fn new(stream: R, idle: Duration) -> Self {
        Self { stream: BufReader::with_capacity(64 * 1024, stream), idle }
    }

    /// Changes how long nothing may come.
    pub(crate) const fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// The next packet; `None` when the stream ended between two packets. An `ERR` packet is an error.
    ///
    /// # Errors
    /// [`WireError`]; afterwards the stream must not be read further.
    pub(crate) async fn next(&mut self) -> Result<Option<Packet>, WireError> {
        let limit = self.idle;
        tokio::time::timeout(limit, self.packet()).await.map_err(|_| WireError::Stalled(limit))?
    }

    /// The next packet where the stream may not end.
    ///
    /// # Errors
    /// [`WireError`].
    pub(crate) async fn expect(&mut self) -> Result<Packet, WireError> {
        self.next().await?.ok_or(WireError::Ended)
    }

    /// Waits, however long, until the stream says anything more or ends. Loses nothing when it is dropped.
    pub(crate) async fn disturbed(&mut self) {
        let _ = self.stream.fill_buf().await;
    }

    async fn packet(&mut self) -> Result<Option<Packet>, WireError> {
        let mut digits = [0; 4];
        let first = self.stream.read(&mut digits).await?;
        if first == 0 {
            return Ok(None);
        }
        if let Some(rest) = digits.get_mut(first..) {
            self.stream.read_exact(rest).await.map_err(ended)?;
        }
        let length = match parse_length(digits)? {
            0 => return Ok(Some(Packet::Flush)),
            1 => return Ok(Some(Packet::Delimiter)),
            2 => return Ok(Some(Packet::ResponseEnd)),
            length => length - 4,
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.map_err(ended)?;
        match payload.strip_prefix(b"ERR ") {
            Some(said) => Err(WireError::Server(words::clean(said))),
            None => Ok(Some(Packet::Data(payload.into()))),
        }
    }
}

/// `payload` as text without its line end, for the parts of the protocol that are lines.
pub(crate) fn line(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload.strip_suffix(b"\n").unwrap_or(payload)).into_owned()
}

fn ended(error: std::io::Error) -> WireError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof { WireError::Ended } else { WireError::Io(error) }
}

/// 0, 1, 2, or 4 to 65,520.
fn parse_length(digits: [u8; 4]) -> Result<usize, WireError> {
    let bad = || WireError::Length(String::from_utf8_lossy(&digits).into_owned());
    let hex = digits.iter().all(u8::is_ascii_hexdigit);
    let text = std::str::from_utf8(&digits).ok().filter(|_| hex).ok_or_else(bad)?;
    let length = usize::from_str_radix(text, 16).map_err(|_| bad())?;
    if length == 3 || length > MAX_PAYLOAD + 4 { Err(bad()) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(bytes: &[u8]) -> Result<Vec<Packet>, WireError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let mut reader = PacketReader::new(bytes, Duration::from_secs(5));
            let mut packets = Vec::new();
            while let Some(packet) = reader.next().await? {
                packets.push(packet);
            }
            Ok(packets)
        })
    }

    #[test]
    fn markers_and_payloads_are_told_apart() {
        let packets = read_all(b"0000000100020004000ahello\n").expect("valid");
        let data = |text: &'static str| Packet::Data(Bytes::from_static(text.as_bytes()));
        assert_eq!(packets, [Packet::Flush, Packet::Delimiter, Packet::ResponseEnd, data(""), data("hello\n")]);
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        for bad in [&b"0003"[..], b"fff1", b"+004", b"Welcome to this server", b"000", b"000ahell"] {
            assert!(read_all(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(read_all(b"000cERR no!\n"), Err(WireError::Server(said)) if said == "no!"));
        assert!(Packets::default().data(vec![0; MAX_PAYLOAD + 1]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_all(&bytes);
        }

        #[test]
        fn what_is_written_is_read_again(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8)) {
            prop_assume!(payloads.iter().all(|payload| !payload.starts_with(b"ERR ")));
            let mut packets = Packets::default();
            for payload in &payloads {
                packets.data(payload).expect("short enough");
            }
            let read = read_all(&packets.into_bytes()).expect("valid");
            prop_assert_eq!(read, payloads.into_iter().map(|payload| Packet::Data(payload.into())).collect::<Vec<_>>());
        }
    }
}
