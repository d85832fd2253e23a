//! The parsers of a server's answer, for the fuzz targets in `fuzz/`; the tests replay their seeds.

use std::time::Duration;

use super::advertisement::{Advertisement, tip};
use super::error::{Asking, WireError, explain};
use super::pkt_line::{Packet, PacketReader, Packets};
use super::receive_pack::{Chosen, read_report};
use super::{ls_refs, words};
use crate::domain::BranchName;
use crate::ports::ProcessEnd;

const IDLE: Duration = Duration::from_mins(1);

/// Reads `bytes` as each answer that a server may give.
///
/// # Panics
/// When a parser does, or when what was read is not what would be written.
pub fn answer(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    if let Ok(runtime) = runtime {
        runtime.block_on(read_as_everything(bytes));
    }
}

async fn read_as_everything(bytes: &[u8]) {
    let reader = || PacketReader::new(bytes, IDLE);
    packets(bytes).await;
    match Advertisement::read(&mut reader()).await {
        Ok(advertisement) => {
            if let Ok(branch) = BranchName::new("main") {
                let _found = tip(&advertisement.refs, &branch);
            }
            let _found = advertisement.find("refs/heads/main");
            let _chosen = Chosen::from_offered(&advertisement.capabilities);
        }
        Err(error) => explained(error, bytes),
    }
    if let Err(error) = ls_refs::read(&mut reader()).await {
        explained(error, bytes);
    }
    for side_band in [false, true] {
        match read_report(&mut reader(), side_band).await {
            Ok(report) => assert!(report.said.len() <= words::LIMIT + '…'.len_utf8()),
            Err(error) => explained(error, bytes),
        }
    }
}

/// The packets up to the first that is none; what they are written as is read as the same again.
async fn packets(bytes: &[u8]) {
    let found = read_all(bytes).await;
    let mut written = Packets::default();
    for packet in &found {
        match packet {
            Packet::Flush => _ = written.flush(),
            Packet::Delimiter => _ = written.delimiter(),
            Packet::ResponseEnd => return, // never sent by us
            Packet::Data(payload) => assert!(written.data(payload).is_ok()),
        }
    }
    assert_eq!(read_all(&written.into_bytes()).await, found);
}

async fn read_all(bytes: &[u8]) -> Vec<Packet> {
    let mut reader = PacketReader::new(bytes, IDLE);
    let mut found = Vec::new();
    while let Ok(Some(packet)) = reader.next().await {
        found.push(packet);
    }
    found
}

/// An error becomes a failure in words that a terminal may show.
fn explained(error: WireError, said: &[u8]) {
    let end = ProcessEnd { stderr: said.to_vec(), ..ProcessEnd::default() };
    for asking in [Asking::Read, Asking::Write] {
        let again = WireError::Server(error.to_string());
        let failure = explain(again, asking, &end);
        assert!(!failure.message.chars().any(char::is_control), "{failure:?}");
    }
    let failure = explain(error, Asking::Read, &ProcessEnd::default());
    assert!(!failure.message.chars().any(char::is_control), "{failure:?}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_seeds_of_the_fuzz_target_are_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/pkt_line");
        let mut seeds = 0;
        for entry in std::fs::read_dir(folder).expect("the seeds") {
            super::answer(&std::fs::read(entry.expect("a file").path()).expect("readable"));
            seeds += 1;
        }
        assert!(seeds >= 10, "only {seeds} seeds in {folder}");
    }
}
