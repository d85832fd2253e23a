//! Pushing: the commands that go out before the pack, and the report that comes back.
//!
//! Source: `gitprotocol-pack(5)`, sections "Reference Update Request and Packfile Transfer" and "Report Status".

use bytes::Bytes;
use tokio::io::AsyncRead;

use super::advertisement::Capabilities;
use super::error::WireError;
use super::pkt_line::{Packet, PacketReader, Packets, line};
use super::side_band::SideBand;
use super::words;
use crate::domain::ObjectId;
use crate::ports::RefUpdate;

/// A report longer than this is taken for a defect of the server, in bytes.
const MAX_REPORT: usize = 4 << 20;

/// What the server said about a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Why the pack was not stored, if it was not.
    pub(crate) unpack_error: Option<String>,
    /// For each ref that was reported: its name, and why it was not moved, if it was not.
    pub(crate) refs: Vec<(String, Option<String>)>,
    /// What hooks and the server said to people.
    pub(crate) said: String,
}

impl Report {
    /// Whether there is a line about `name`, and what it says.
    pub(crate) fn about(&self, name: &str) -> Option<&Option<String>> {
        self.refs.iter().find(|(known, _)| known == name).map(|(_, reason)| reason)
    }
}

/// The capabilities of a push, among those that the server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    words: Vec<String>,
    /// The report comes inside a side band.
    pub(crate) side_band: bool,
    /// The server can move all refs of a push or none.
    atomic: bool,
}

impl Chosen {
    /// Chooses.
    ///
    /// # Errors
    /// [`WireError::Unexpected`] for a server that cannot report.
    pub(crate) fn from_offered(offered: &Capabilities) -> Result<Self, WireError> {
        let report = ["report-status-v2", "report-status"].into_iter().find(|name| offered.has(name));
        let Some(report) = report else {
            return Err(WireError::Unexpected("a server without the capability report-status".to_owned()));
        };
        let mut words = vec![report.to_owned()];
        let plain = ["side-band-64k", "ofs-delta", "quiet"];
        words.extend(plain.into_iter().filter(|name| offered.has(name)).map(str::to_owned));
        if offered.has("object-format") {
            words.push("object-format=sha1".to_owned());
        }
        if offered.has("agent") {
            words.push(format!("agent={}", super::AGENT));
        }
        Ok(Self { words, side_band: offered.has("side-band-64k"), atomic: offered.has("atomic") })
    }
}

/// The commands for `updates`, with the flush packet that ends them.
///
/// A tag names a commit of the branch that is pushed with it: with a tag, all refs move or none, where the server can do that.
///
/// # Errors
/// [`WireError::TooLong`] for a ref name that does not fit a packet.
pub(crate) fn commands(updates: &[&RefUpdate], chosen: &Chosen) -> Result<Vec<u8>, WireError> {
    let mut packets = Packets::default();
    let tagged = updates.len() > 1 && updates.iter().any(|update| is_tag(update));
    let atomic = if tagged && chosen.atomic { " atomic" } else { "" };
    for (index, update) in updates.iter().enumerate() {
        let old = update.expected.unwrap_or(ObjectId::ZERO);
        let command = format!("{old} {} {}", update.new, update.name);
        if index == 0 {
            packets.data(format!("{command}\0 {}{atomic}", chosen.words.join(" ")))?;
        } else {
            packets.data(command)?;
        }
    }
    packets.flush();
    Ok(packets.into_bytes())
}

/// Whether the update is one of a tag.
pub(crate) fn is_tag(update: &RefUpdate) -> bool {
    update.name.starts_with("refs/tags/")
}

/// Reads the report.
///
/// # Errors
/// [`WireError`]: what became of the push is not known.
pub(crate) async fn read_report<R: AsyncRead + Unpin>(
    reader: &mut PacketReader<R>,
    side_band: bool,
) -> Result<Report, WireError> {
    if !side_band {
        return parse_report(reader).await;
    }
    let mut band = SideBand::default();
    let mut inner = Vec::new();
    loop {
        match reader.expect().await? {
            Packet::Data(payload) => inner.extend_from_slice(&band.take(payload)?.unwrap_or_else(Bytes::new)),
            Packet::Flush => break,
            other => return Err(WireError::Unexpected(format!("{other:?} in a report"))),
        }
        if inner.len() > MAX_REPORT {
            return Err(WireError::Unexpected(format!("a report of more than {MAX_REPORT} bytes")));
        }
    }
    let mut report = parse_report(&mut PacketReader::new(inner.as_slice(), std::time::Duration::MAX)).await?;
    report.said = band.words();
    Ok(report)
}

async fn parse_report<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>) -> Result<Report, WireError> {
    let mut report = Report::default();
    let mut size = 0;
    loop {
        let payload = match reader.expect().await? {
            Packet::Data(payload) => payload,
            Packet::Flush => return Ok(report),
            other => return Err(WireError::Unexpected(format!("{other:?} in a report"))),
        };
        size += payload.len();
        if size > MAX_REPORT {
            return Err(WireError::Unexpected(format!("a report of more than {MAX_REPORT} bytes")));
        }
        let text = line(&payload);
        match text.split_once(' ') {
            // `option`, of report-status-v2, says how a proxying hook changed the update.
            Some(("unpack", "ok") | ("option", _)) => {}
            Some(("unpack", reason)) => report.unpack_error = Some(words::clean(reason.as_bytes())),
            Some(("ok", name)) => report.refs.push((name.to_owned(), None)),
            Some(("ng", rest)) => {
                let (name, reason) = rest.split_once(' ').unwrap_or((rest, "no reason given"));
                report.refs.push((name.to_owned(), Some(words::clean(reason.as_bytes()))));
            }
            _ => {
                return Err(WireError::Unexpected(format!("the line {:?} in a report", words::clean(text.as_bytes()))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn inner(lines: &[&str]) -> Vec<u8> {
        let mut packets = Packets::default();
        for text in lines {
            packets.data(text).expect("short");
        }
        packets.flush();
        packets.into_bytes()
    }

    #[tokio::test]
    async fn a_report_in_a_side_band_brings_the_words_of_hooks() {
        let report = inner(&[
            "unpack ok\n",
            "ok refs/heads/a\n",
            "option refname refs/x\n",
            "ng refs/heads/b pre-receive hook declined\n",
        ]);
        let mut packets = Packets::default();
        packets.data(b"\x02no pushes on friday\n").expect("short");
        // Bands may cut packets anywhere.
        for piece in report.chunks(7) {
            packets.data([b"\x01", piece].concat()).expect("short");
        }
        packets.flush();
        let bytes = packets.into_bytes();
        let report =
            read_report(&mut PacketReader::new(bytes.as_slice(), Duration::from_secs(5)), true).await.expect("valid");
        assert_eq!(report.about("refs/heads/a"), Some(&None));
        assert_eq!(report.about("refs/heads/b"), Some(&Some("pre-receive hook declined".to_owned())));
        assert_eq!((report.unpack_error, report.said.as_str()), (None, "no pushes on friday"));
    }

    #[tokio::test]
    async fn half_a_report_is_none() {
        let bytes = inner(&["unpack ok\n", "ok refs/heads/a\n"]);
        let cut = &bytes[..bytes.len() - 4];
        let read = read_report(&mut PacketReader::new(cut, Duration::from_secs(5)), false).await;
        assert!(matches!(read, Err(WireError::Ended)));
    }

    #[test]
    fn only_what_is_offered_is_asked_for() {
        let old = Capabilities::parse("report-status delete-refs");
        let new = Capabilities::parse(
            "report-status report-status-v2 side-band-64k ofs-delta object-format=sha1 agent=git/2",
        );
        let chosen = Chosen::from_offered(&old).expect("it can report");
        assert_eq!((chosen.words.join(" ").as_str(), chosen.side_band), ("report-status", false));
        let chosen = Chosen::from_offered(&new).expect("it can report");
        assert_eq!((chosen.words.len(), chosen.side_band), (5, true));
        assert!(Chosen::from_offered(&Capabilities::default()).is_err());
    }

    proptest! {
        #[test]
        fn any_report_is_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
            let mut packets = Packets::default();
            packets.data(&bytes).expect("short").flush();
            let bytes = packets.into_bytes();
            for side_band in [false, true] {
                let _ = runtime.block_on(read_report(&mut PacketReader::new(bytes.as_slice(), Duration::from_secs(5)), side_band));
            }
        }
    }
}
