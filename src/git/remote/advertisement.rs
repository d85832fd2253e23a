//! What a server says first: its capabilities and, before version 2, all its refs.
//!
//! Sources: `gitprotocol-pack(5)`, section "Reference Discovery"; `gitprotocol-v2(5)`, section "Initial Client
//! Request"; `gitprotocol-http(5)`, section "Smart Clients", for the `# service=` line.

use tokio::io::AsyncRead;

use super::error::WireError;
use super::pkt_line::{Packet, PacketReader, line};
use crate::domain::{BranchName, ObjectId};
use crate::ports::RemoteTip;

/// More refs than this are taken for a defect of the server.
const MAX_REFS: usize = 2_000_000;

/// A ref of the remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteRef {
    /// The full name, or `.have` for a tip that the server has but does not name.
    pub(crate) name: String,
    /// Where it points.
    pub(crate) id: ObjectId,
}

/// The versions of the protocol that differ for us; version 1 is version 0 with a line before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// All refs come at once.
    V0,
    /// The refs are asked for.
    V2,
}

/// What the server can do, as `name` or `name=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(Vec<String>);

impl Capabilities {
    /// Parses a list that is separated by spaces.
    pub(crate) fn parse(list: &str) -> Self {
        Self(list.split([' ', '\n']).filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// Whether `name` is offered, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|word| word.split('=').next() == Some(name))
    }

    /// The value of `name`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().filter_map(|word| word.split_once('=')).find(|(word, _)| *word == name).map(|(_, value)| value)
    }

    fn check_object_format(&self) -> Result<(), WireError> {
        match self.value("object-format") {
            None | Some("sha1") => Ok(()),
            Some("sha256") => Err(WireError::Sha256),
            Some(other) => Err(WireError::Unexpected(format!("object-format={other}"))),
        }
    }
}

/// The server's first message.
#[derive(Clone, Debug)]
pub(crate) struct Advertisement {
    /// The version it speaks.
    pub(crate) version: Version,
    /// What it can do.
    pub(crate) capabilities: Capabilities,
    /// Its refs; always empty in version 2.
    pub(crate) refs: Vec<RemoteRef>,
}

impl Advertisement {
    /// The commits of which a pack may say what changed: those that it has, unless it takes only whole objects (`no-thin`,
    /// `gitprotocol-capabilities(5)`).
    pub(crate) fn bases_for_deltas(&self) -> Vec<ObjectId> {
        if self.capabilities.has("no-thin") { Vec::new() } else { self.refs.iter().map(|known| known.id).collect() }
    }

    /// Reads it whole.
    ///
    /// # Errors
    /// [`WireError`]; [`WireError::Sha256`] for a repository of that kind.
    pub(crate) async fn read<R: AsyncRead + Unpin>(reader: &mut PacketReader<R>) -> Result<Self, WireError> {
        let mut advertisement = Self { version: Version::V0, capabilities: Capabilities::default(), refs: Vec::new() };
        let mut first = true;
        loop {
            let payload = match reader.expect().await? {
                Packet::Data(payload) => payload,
                Packet::Flush => break,
                other => return Err(WireError::Unexpected(format!("{other:?} among the refs"))),
            };
            let text = line(&payload);
            if text.starts_with("# service=") && first {
                // Only HTTP servers send it, with a flush packet of its own; some send it in version 2 too.
                match reader.expect().await? {
                    Packet::Flush => continue,
                    other => return Err(WireError::Unexpected(format!("{other:?} after the service's name"))),
                }
            }
            match text.as_str() {
                "version 1" if first => continue,
                "version 2" if first => advertisement.version = Version::V2,
                _ if advertisement.version == Version::V2 => advertisement.capabilities.0.push(text),
                _ => advertisement.add_ref(&text, first)?,
            }
            first = false;
        }
        advertisement.capabilities.check_object_format()?;
        Ok(advertisement)
    }

    /// Where the remote's ref `name` points.
    pub(crate) fn find(&self, name: &str) -> Option<ObjectId> {
        self.refs.iter().find(|known| known.name == name).map(|known| known.id)
    }

    fn add_ref(&mut self, text: &str, first: bool) -> Result<(), WireError> {
        let (reference, capabilities) = text.split_once('\0').unwrap_or((text, ""));
        if first {
            self.capabilities = Capabilities::parse(capabilities);
            self.capabilities.check_object_format()?;
        }
        if reference.starts_with("shallow ") {
            return Ok(());
        }
        let found = parse_ref(reference)?;
        // An empty repository sends its capabilities with a ref that is none; peeled tags are of no use to us.
        if found.name != "capabilities^{}" && !found.name.ends_with("^{}") {
            self.refs.push(found);
        }
        if self.refs.len() > MAX_REFS {
            return Err(WireError::Unexpected(format!("more than {MAX_REFS} refs")));
        }
        Ok(())
    }
}

/// Parses `<object name> <ref>`, and leaves what may follow in version 2.
pub(crate) fn parse_ref(text: &str) -> Result<RemoteRef, WireError> {
    let mut words = text.splitn(3, ' ');
    let (id, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if id.len() == 64 && id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(WireError::Sha256);
    }
    match ObjectId::from_hex(id) {
        Some(id) if !name.is_empty() => Ok(RemoteRef { name: name.to_owned(), id }),
        _ => Err(WireError::Unexpected(format!("the line {:?}", super::words::clean(text.as_bytes())))),
    }
}

/// What `refs` say about `branch`; they must hold all branches, unless the branch is among them.
pub(crate) fn tip(refs: &[RemoteRef], branch: &BranchName) -> RemoteTip {
    let full = branch.full_ref();
    if let Some(found) = refs.iter().find(|known| known.name == full) {
        return RemoteTip::At(found.id);
    }
    let mut branches: Vec<String> =
        refs.iter().filter_map(|known| known.name.strip_prefix("refs/heads/")).map(str::to_owned).collect();
    branches.sort();
    if branches.is_empty() { RemoteTip::Unborn } else { RemoteTip::Absent(branches) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    async fn read(lines: &[&str]) -> Result<Advertisement, WireError> {
        let mut packets = super::super::pkt_line::Packets::default();
        for text in lines {
            if text.is_empty() {
                packets.flush();
            } else {
                packets.data(text)?;
            }
        }
        packets.flush();
        Advertisement::read(&mut PacketReader::new(packets.into_bytes().as_slice(), Duration::from_secs(5))).await
    }

    #[tokio::test]
    async fn all_versions_are_told_apart() {
        let lines = [format!("{ID} refs/heads/main\0ofs-delta agent=git/2\n"), format!("{ID} refs/tags/v1^{{}}\n")];
        let v0 = read(&lines.each_ref().map(String::as_str)).await.expect("version 0");
        assert_eq!((v0.version, v0.refs.len(), v0.capabilities.has("agent")), (Version::V0, 1, true));
        assert_eq!(v0.find("refs/heads/main"), ObjectId::from_hex(ID));
        let v1 = read(&["version 1\n", &format!("{ID} refs/heads/main\0ofs-delta\n")]).await.expect("version 1");
        assert_eq!((v1.version, v1.refs.len()), (Version::V0, 1));
        let v2 = read(&["version 2\n", "ls-refs=unborn\n", "object-format=sha1\n"]).await.expect("version 2");
        assert_eq!((v2.version, v2.capabilities.value("ls-refs")), (Version::V2, Some("unborn")));
        let http =
            read(&["# service=git-upload-pack\n", "", &format!("{ID} refs/heads/main\0x\n")]).await.expect("HTTP");
        assert_eq!(http.refs.len(), 1);
    }

    #[tokio::test]
    async fn only_what_was_advertised_is_a_base_and_nothing_where_packs_must_be_whole() {
        let bases = async |words: &str| {
            let read = read(&[&format!("{ID} refs/heads/main\0report-status {words}\n")]).await.unwrap();
            read.bases_for_deltas()
        };
        assert_eq!(bases("ofs-delta").await, [ObjectId::from_hex(ID).unwrap()]);
        assert_eq!(bases("no-thin ofs-delta").await, []);
    }

    #[tokio::test]
    async fn an_empty_repository_has_no_refs() {
        let empty = read(&[&format!("{} capabilities^{{}}\0report-status\n", ObjectId::ZERO)]).await.expect("empty");
        assert!(empty.refs.is_empty() && empty.capabilities.has("report-status"));
        assert!(read(&[]).await.expect("older servers send nothing").refs.is_empty());
    }

    #[tokio::test]
    async fn sha256_is_refused_by_name() {
        assert!(matches!(read(&["version 2\n", "object-format=sha256\n"]).await, Err(WireError::Sha256)));
        assert!(matches!(read(&[&format!("{} refs/heads/a\0x\n", "a".repeat(64))]).await, Err(WireError::Sha256)));
    }

    proptest! {
        #[test]
        fn any_line_is_parsed_without_a_panic(text in ".*") {
            let _ = parse_ref(&text);
        }
    }
}
