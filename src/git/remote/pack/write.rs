//! The pack format, written in one go. Source: `gitformat-pack(5)`.
//!
//! The objects of a few commits go out without a search for deltas, which costs more time than their bytes do: whole, or as what
//! changed of the object of the same place before ([`delta`]). A first push of many objects uses libgit2's packer.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Oid, Repository};
use sha1::{Digest, Sha1};

use super::super::error::ours;
use super::collect::Found;
use super::packed::Packs;
use super::{abandoned, delta};
use crate::domain::Failure;

/// Above this many objects, deltas are worth their time.
const MANY: usize = 2_000;
/// From this size on an object is streamed, in bytes, unless it is a delta in a pack.
const LARGE: usize = 256 << 10;
/// Between these sizes an object is worth comparing with the one before, in bytes.
const COMPARED: std::ops::Range<usize> = 512..(4 << 20);
/// How much of a blob is tried to see whether it compresses, in bytes.
const SAMPLE: usize = 64 * 1024;

/// Writes a pack of `objects`.
///
/// # Errors
/// The repository cannot be read, or `sink` takes no more.
pub(super) fn pack(
    repository: &Repository,
    objects: &[Found],
    deltas: bool,
    sink: &mut dyn Write,
) -> Result<(), Failure> {
    if deltas && objects.len() > MANY {
        with_deltas(repository, objects, sink)
    } else {
        plain(repository, objects, sink)
    }
}

fn with_deltas(repository: &Repository, objects: &[Found], sink: &mut dyn Write) -> Result<(), Failure> {
    let mut write = || -> Result<(), git2::Error> {
        // libgit2 takes this for the size above which no delta is searched; without it large files cost minutes.
        let mut config = repository.config()?.open_level(git2::ConfigLevel::Local)?;
        if config.get_string("pack.deltaCacheSize").is_err() {
            config.set_str("pack.deltaCacheSize", "1m")?;
        }
        let mut builder = repository.packbuilder()?;
        builder.set_threads(1);
        for object in objects {
            builder.insert_object(object.id, None)?;
        }
        builder.foreach(|piece| sink.write_all(piece).is_ok())
    };
    write().map_err(|error| match error.code() {
        git2::ErrorCode::User => abandoned(),
        _ => ours("packing the objects to push", &error),
    })
}

fn plain(repository: &Repository, objects: &[Found], sink: &mut dyn Write) -> Result<(), Failure> {
    let odb = repository.odb().map_err(|error| ours("opening the local repository", &error))?;
    let count = u32::try_from(objects.len()).map_err(|_| Failure::internal("more than 4 billion objects to push"))?;
    let mut pack = Hashing { sink, hash: Sha1::new() };
    let mut header = b"PACK\0\0\0\x02".to_vec();
    header.extend_from_slice(&count.to_be_bytes());
    pack.write_all(&header).map_err(|_| abandoned())?;
    let mut packs = Packs::new(&repository.commondir().join("objects"));
    for found in objects {
        if !changed(&odb, *found, &mut pack)? {
            object(&odb, &mut packs, found.id, &mut pack)?;
        }
    }
    let trailer = pack.hash.finalize();
    sink.write_all(&trailer).map_err(|_| abandoned())
}

fn object(odb: &git2::Odb<'_>, packs: &mut Packs, id: Oid, pack: &mut dyn Write) -> Result<(), Failure> {
    let unreadable = |error: git2::Error| ours(&format!("reading object {id} to push it"), &error);
    let (size, kind) = odb.read_header(id).map_err(unreadable)?;
    pack.write_all(&entry_header(number(kind), size)).map_err(|_| abandoned())?;
    if size >= LARGE {
        if let Some(mut content) = packs.stream(id, size) {
            return deflate(&mut content, size, pack).map_err(|error| read_or_abandoned(&error, id));
        }
        // libgit2 streams loose objects only.
        if let Ok((mut reader, size, _)) = odb.reader(id) {
            return deflate(&mut reader, size, pack).map_err(|error| read_or_abandoned(&error, id));
        }
    }
    let object = odb.read(id).map_err(unreadable)?;
    deflate(&mut object.data(), object.len(), pack).map_err(|error| read_or_abandoned(&error, id))
}

/// Writes an object as what changed of its base, if it is smaller for that; answers whether.
fn changed(odb: &git2::Odb<'_>, Found { id, base }: Found, pack: &mut dyn Write) -> Result<bool, Failure> {
    let Some(base) = base else { return Ok(false) };
    let worth_comparing = |id| odb.read_header(id).is_ok_and(|(size, _)| COMPARED.contains(&size));
    if !worth_comparing(id) || !worth_comparing(base) {
        return Ok(false);
    }
    let (Ok(old), Ok(new)) = (odb.read(base), odb.read(id)) else { return Ok(false) };
    let delta = match new.kind() {
        ObjectType::Tree => delta::of_trees(old.data(), new.data()),
        _ => delta::of_contents(old.data(), new.data()),
    };
    let Some(delta) = delta else { return Ok(false) };
    pack.write_all(&entry_header(REF_DELTA, delta.len())).map_err(|_| abandoned())?;
    pack.write_all(base.as_bytes()).map_err(|_| abandoned())?;
    deflate(&mut &*delta, delta.len(), pack).map_err(|_| abandoned())?;
    Ok(true)
}

fn read_or_abandoned(error: &io::Error, id: Oid) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return abandoned();
    }
    Failure::internal(format!("reading object {id} to push it: {error}"))
}

/// Compresses exactly `size` bytes of `content`; what does not compress is stored, which is ten times faster.
fn deflate(content: &mut dyn Read, size: usize, pack: &mut dyn Write) -> io::Result<()> {
    let mut sample = Vec::with_capacity(size.min(SAMPLE));
    content.take(SAMPLE.min(size) as u64).read_to_end(&mut sample)?;
    let level = if sample.len() >= SAMPLE && !compresses(&sample)? { Compression::none() } else { Compression::fast() };
    let mut encoder = ZlibEncoder::new(pack, level);
    encoder.write_all(&sample)?;
    let rest = (size - sample.len()) as u64;
    let copied = io::copy(&mut content.take(rest), &mut encoder)?;
    if copied != rest {
        return Err(io::Error::other("it is shorter than its header says"));
    }
    encoder.finish()?;
    Ok(())
}

/// Whether compression takes at least a sixteenth off.
fn compresses(sample: &[u8]) -> io::Result<bool> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(sample)?;
    Ok(encoder.finish()?.len() < sample.len() - sample.len() / 16)
}

/// As what changed of an object whose id follows.
const REF_DELTA: u8 = 7;

fn number(kind: ObjectType) -> u8 {
    match kind {
        ObjectType::Commit => 1,
        ObjectType::Tree => 2,
        ObjectType::Tag => 4,
        _ => 3,
    }
}

/// Type and size: four bits of the size in the first byte, then seven a byte, the lowest first.
fn entry_header(kind: u8, size: usize) -> Vec<u8> {
    let mut rest = size >> 4;
    let mut bytes = vec![(kind << 4) | low_bits(size, 0x0f)];
    while rest > 0 {
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
        }
        bytes.push(low_bits(rest, 0x7f));
        rest >>= 7;
    }
    bytes
}

fn low_bits(value: usize, mask: u8) -> u8 {
    u8::try_from(value & usize::from(mask)).unwrap_or_default()
}

/// Hashes what passes; the hash of all before it ends a pack.
struct Hashing<'a> {
    sink: &'a mut dyn Write,
    hash: Sha1,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_git_reads_them() {
        assert_eq!(entry_header(1, 0), [0x10]);
        assert_eq!(entry_header(3, 15), [0x3f]);
        assert_eq!(entry_header(2, 16), [0xa0, 0x01]);
        assert_eq!(entry_header(3, 0x1234), [0xb4, 0xa3, 0x02]);
    }

    #[test]
    fn noise_is_stored_and_text_is_compressed() {
        let noise: Vec<u8> = (0..SAMPLE)
            .scan(1_u32, |state, _| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                Some(state.to_be_bytes()[0])
            })
            .collect();
        assert!(!compresses(&noise).expect("in memory"));
        assert!(compresses(&b"{\"name\": 1}".repeat(6_000)).expect("in memory"));
    }
}
