//! The question for some refs, version 2 only. Source: `gitprotocol-v2(5)`, section "ls-refs".

use tokio::io::AsyncRead;

use super::advertisement::{Capabilities, RemoteRef, parse_ref};
use super::error::WireError;
use super::pkt_line::{Packet, PacketReader, Packets, line};

/// The request for all refs whose names start with `prefix`.
///
/// With `capabilities` of `None` it is sent before the server said what it can do, and then it names nothing that a
/// server might not know.
///
/// # Errors
/// [`WireError::TooLong`].
pub(crate) fn request(prefix: &str, capabilities: Option<&Capabilities>) -> Result<Packets, WireError> {
    let mut packets = Packets::default();
    packets.data("command=ls-refs\n")?;
    add_capabilities(&mut packets, capabilities)?;
    packets.delimiter().data(format!("ref-prefix {prefix}\n"))?.flush();
    Ok(packets)
}

/// Names ourselves and the object format, each only to servers that know it.
///
/// # Errors
/// [`WireError::TooLong`].
pub(crate) fn add_capabilities(packets: &mut Packets, offered: Option<&Capabilities>) -> Result<(), WireError> {
    if offered.is_some_and(|offered| offered.has("agent")) {
        packets.data(format!("agent={}\n", super::AGENT))?;
    }
    if offered.is_some_and(|offered| offered.has("object-format")) {
        packets.data("object-format=sha1\n")?;
    }
    Ok(())
}

/// Reads the answer.
///
/// # Errors
/// [`WireError`].
pub(crate) async fn read<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>) -> Result<Vec<RemoteRef>, WireError> {
    let mut refs = Vec::new();
    loop {
        match reader.expect().await? {
            Packet::Flush | Packet::ResponseEnd => return Ok(refs),
            Packet::Delimiter => return Err(WireError::Unexpected("a delimiter among the refs".to_owned())),
            Packet::Data(payload) => {
                let text = line(&payload);
                if !text.starts_with("unborn ") {
                    refs.push(parse_ref(&text)?);
                }
            }
        }
    }
}
