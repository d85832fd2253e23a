//! Fetching: one request that says what is wanted and what is here, one answer that is a pack.
//!
//! There is no negotiation in rounds: up to [`MAX_HAVES`] commits of ours and `done` go out at once, so that a fetch costs
//! one round trip after the refs are known. The last known tip of the branch is among them, and nearly always the
//! new tip descends from it. If the server knows none of them, the pack is larger than it need be, and still right.
//!
//! Sources: `gitprotocol-pack(5)`, section "Packfile Negotiation"; `gitprotocol-v2(5)`, section "fetch".

use std::path::Path;

use tokio::io::AsyncRead;

use super::advertisement::{Capabilities, Version};
use super::error::{WireError, ours};
use super::indexer::PackIntake;
use super::ls_refs::add_capabilities;
use super::oid;
use super::pkt_line::{Packet, PacketReader, Packets, line};
use super::side_band::SideBand;
use crate::domain::{Failure, FailureClass, ObjectId};

/// Commits of ours that a request names at most (50 bytes each).
const MAX_HAVES: usize = 256;

/// The request for `wants`, at least one, given that `haves` are here.
///
/// # Errors
/// [`WireError::Unexpected`] when the server is too old for us, [`WireError::TooLong`].
pub(crate) fn request(
    version: Version,
    offered: &Capabilities,
    wants: &[ObjectId],
    haves: &[ObjectId],
) -> Result<Vec<u8>, WireError> {
    let mut packets = Packets::default();
    match version {
        Version::V0 => {
            for (index, want) in wants.iter().enumerate() {
                let capabilities = if index == 0 { format!(" {}", chosen(offered)?) } else { String::new() };
                packets.data(format!("want {want}{capabilities}\n"))?;
            }
            packets.flush();
        }
        Version::V2 => {
            packets.data("command=fetch\n")?;
            add_capabilities(&mut packets, Some(offered))?;
            packets.delimiter();
            for line in ["thin-pack\n", "ofs-delta\n", "no-progress\n"] {
                packets.data(line)?;
            }
            for want in wants {
                packets.data(format!("want {want}\n"))?;
            }
        }
    }
    for have in haves {
        packets.data(format!("have {have}\n"))?;
    }
    packets.data("done\n")?;
    if version == Version::V2 {
        packets.flush();
    }
    Ok(packets.into_bytes())
}

/// The capabilities that we use among those offered.
fn chosen(offered: &Capabilities) -> Result<String, WireError> {
    let band = ["side-band-64k", "side-band"].into_iter().find(|name| offered.has(name));
    let Some(band) = band else {
        return Err(WireError::Unexpected("a server without the capability side-band".to_owned()));
    };
    let mut words = vec![band.to_owned()];
    // Some servers (Azure DevOps) refuse clients that do not name it; its many `ACK` lines are skipped like one.
    words.extend(["multi_ack_detailed", "multi_ack"].into_iter().find(|name| offered.has(name)).map(str::to_owned));
    words.extend(
        ["ofs-delta", "thin-pack", "no-progress"].into_iter().filter(|name| offered.has(name)).map(str::to_owned),
    );
    if offered.has("object-format") {
        words.push("object-format=sha1".to_owned());
    }
    if offered.has("agent") {
        words.push(format!("agent={}", super::AGENT));
    }
    Ok(words.join(" "))
}

/// Reads the answer to [`request`] and stores the objects in the repository at `path`.
///
/// # Errors
/// [`WireError`]; nothing is stored then.
pub(crate) async fn receive<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>, path: &Path) -> Result<(), WireError> {
    let mut intake = PackIntake::start(path);
    let mut band = SideBand::default();
    let mut in_pack = false;
    loop {
        let payload = match reader.next().await? {
            Some(Packet::Data(payload)) => payload,
            Some(Packet::Delimiter) if !in_pack => continue,
            None | Some(Packet::Flush | Packet::ResponseEnd) if in_pack => break,
            None => return Err(WireError::Ended),
            Some(other) => return Err(WireError::Unexpected(format!("{other:?} before the pack"))),
        };
        // Before the pack: `ACK`/`NAK` in version 0, section names and their lines in version 2. None starts with a band number.
        if matches!(payload.first(), Some(1..=3)) {
            in_pack = true;
            if let Some(data) = band.take(payload)? {
                intake.take(data).await?;
            }
        } else if in_pack {
            return Err(WireError::Unexpected(format!("{:?} inside the pack", line(&payload))));
        }
    }
    intake.finish().await?;
    Ok(())
}

/// The commits of ours that are worth naming: the tips `likely`, then the newest commits of all refs, then all tips of refs.
///
/// Blocks.
///
/// # Errors
/// Internal or disk: the repository cannot be read.
pub(crate) fn haves(path: &Path, likely: &[ObjectId]) -> Result<Vec<ObjectId>, Failure> {
    let read = || -> Result<Vec<ObjectId>, git2::Error> {
        let repository = git2::Repository::open_bare(path)?;
        let odb = repository.odb()?;
        let mut found: Vec<ObjectId> = likely.iter().copied().filter(|id| odb.exists(oid::to_git(*id))).collect();
        // One certain common commit is enough; a few more help when that tip was rewritten.
        let newest = if found.is_empty() { MAX_HAVES / 2 } else { 16 };
        let mut walk = repository.revwalk()?;
        walk.set_sorting(git2::Sort::TIME)?;
        walk.push_glob("*")?;
        for id in walk.take(newest) {
            found.push(oid::from_git(id?));
        }
        for reference in repository.references()?.take(MAX_HAVES) {
            let commit = reference.ok().and_then(|reference| reference.peel_to_commit().ok());
            found.extend(commit.map(|commit| oid::from_git(commit.id())));
        }
        let mut seen = std::collections::HashSet::new();
        found.retain(|id| seen.insert(*id));
        found.truncate(MAX_HAVES);
        Ok(found)
    };
    read().map_err(|error| ours("looking for the newest commits here", &error))
}

/// Whether the commit `tip` and its root tree are here. Packs are stored whole or not at all, so then all is here.
///
/// Blocks.
///
/// # Errors
/// Internal or disk: the repository cannot be opened.
pub(crate) fn is_here(path: &Path, tip: ObjectId) -> Result<bool, Failure> {
    let repository = git2::Repository::open_bare(path).map_err(|error| ours("opening the local repository", &error))?;
    let tree = repository.find_commit(oid::to_git(tip)).and_then(|commit| commit.tree());
    Ok(tree.is_ok())
}

/// The failure when a server's pack does not hold what was asked for.
pub(crate) fn incomplete(tip: ObjectId) -> Failure {
    let message = format!("the remote sent a pack without the commit {} that was asked for", tip.short());
    Failure::new(FailureClass::Protocol, message, "run `git fsck` on the server's repository")
}
