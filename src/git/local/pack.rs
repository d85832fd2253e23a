//! Writes packs (version 2, without deltas) and their indexes; see `gitformat-pack(5)`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use sha1::{Digest, Sha1};

use super::buffer::Kind;
use super::durable;
use crate::domain::{Failure, ObjectId};

/// Where an object begins in a pack, and the checksum of its bytes there.
struct Placed {
    id: ObjectId,
    offset: u32,
    crc: u32,
}

/// Writes the objects as one pack that is on the disk for good, and answers its path. Objects beyond the first begin
/// within 2 GiB: the caller keeps packs far smaller than that.
///
/// # Errors
/// Disk: nothing of the pack stays.
pub(super) fn write(folder: &Path, objects: &[(ObjectId, Kind, &[u8])]) -> Result<PathBuf, Failure> {
    let (pack, index) = (folder.join("tmp_pack_new"), folder.join("tmp_idx_new"));
    let written = write_both(&pack, &index, objects).map_err(|e| durable::disk("cannot write a pack in", folder, &e));
    let placed = written.and_then(|name| {
        let path = folder.join(format!("pack-{name}.pack"));
        place(&pack, &index, &path)?;
        Ok(path)
    });
    if placed.is_err() {
        let _ = (durable::remove(&pack), durable::remove(&index));
    }
    placed
}

/// Gives a finished, synced pack and its index their names: the index last, for it makes the pack seen.
pub(super) fn place(pack: &Path, index: &Path, path: &Path) -> Result<(), Failure> {
    durable::rename(pack, path)?;
    durable::rename(index, &path.with_extension("idx"))?;
    path.parent().map_or(Ok(()), durable::sync)
}

fn write_both(pack: &Path, index: &Path, objects: &[(ObjectId, Kind, &[u8])]) -> io::Result<ObjectId> {
    let mut out = Output::new(create(pack)?);
    let count = u32::try_from(objects.len()).map_err(io::Error::other)?;
    out.write_all(b"PACK\0\0\0\x02")?;
    out.write_all(&count.to_be_bytes())?;
    let mut placed = Vec::with_capacity(objects.len());
    for (id, kind, bytes) in objects {
        placed.push(write_object(&mut out, *id, *kind, bytes)?);
    }
    let (name, file) = out.finish()?;
    secure_both(&write_index(create(index)?, placed, &name)?, &file)?;
    Ok(ObjectId::from_bytes(name))
}

/// At once: a journalling file system then writes its journal once for both.
fn secure_both(one: &File, other: &File) -> io::Result<()> {
    std::thread::scope(|scope| {
        let one = scope.spawn(|| one.sync_all());
        let other = other.sync_all();
        one.join().unwrap_or_else(|_| Err(io::Error::other("the thread that secures a file broke"))).and(other)
    })
}

fn create(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)
}

fn write_object<W: Write>(out: &mut Output<W>, id: ObjectId, kind: Kind, bytes: &[u8]) -> io::Result<Placed> {
    let offset =
        u32::try_from(out.written).ok().filter(|offset| *offset < 1 << 31).ok_or(io::ErrorKind::FileTooLarge)?;
    out.crc.reset();
    out.write_all(&entry_header(kind, bytes.len()))?;
    let level = if compresses(bytes)? { Compression::fast() } else { Compression::none() };
    let mut deflate = ZlibEncoder::new(&mut *out, level);
    deflate.write_all(bytes)?;
    deflate.finish()?;
    Ok(Placed { id, offset, crc: out.crc.sum() })
}

/// The type in three bits and the length, lowest bits first: four in the first byte, seven in each further one.
fn entry_header(kind: Kind, length: usize) -> Vec<u8> {
    let kind = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    };
    let mut byte = (kind << 4) | low_bits(length, 0x0f);
    let mut rest = length >> 4;
    let mut header = Vec::with_capacity(4);
    while rest > 0 {
        header.push(byte | 0x80);
        byte = low_bits(rest, 0x7f);
        rest >>= 7;
    }
    header.push(byte);
    header
}

fn low_bits(number: usize, mask: u8) -> u8 {
    number.to_le_bytes().first().copied().unwrap_or_default() & mask
}

/// Whether deflating a large content is worth the time, by its first 64 KiB: pictures and archives are stored.
fn compresses(bytes: &[u8]) -> io::Result<bool> {
    const SAMPLE: usize = 64 << 10;
    let Some(sample) = bytes.get(..SAMPLE) else { return Ok(true) };
    let mut deflate = ZlibEncoder::new(Vec::with_capacity(SAMPLE), Compression::fast());
    deflate.write_all(sample)?;
    Ok(deflate.finish()?.len() < SAMPLE / 20 * 19)
}

/// Index version 2: fan-out, names, checksums, offsets, the pack's name, the checksum of all that.
fn write_index(file: File, mut placed: Vec<Placed>, pack: &[u8; 20]) -> io::Result<File> {
    placed.sort_unstable_by_key(|object| object.id);
    let mut out = Output::new(file);
    out.write_all(b"\xfftOc\0\0\0\x02")?;
    for first in 0..=u8::MAX {
        let upto = placed.partition_point(|object| object.id.as_bytes().first() <= Some(&first));
        out.write_all(&u32::try_from(upto).map_err(io::Error::other)?.to_be_bytes())?;
    }
    for object in &placed {
        out.write_all(object.id.as_bytes())?;
    }
    for object in &placed {
        out.write_all(&object.crc.to_be_bytes())?;
    }
    for object in &placed {
        out.write_all(&object.offset.to_be_bytes())?;
    }
    out.write_all(pack)?;
    Ok(out.finish()?.1)
}

/// Counts and sums up what goes into a file.
struct Output<W: Write> {
    file: BufWriter<W>,
    sha: Sha1,
    crc: Crc,
    written: u64,
}

impl<W: Write> Output<W> {
    fn new(file: W) -> Self {
        Self { file: BufWriter::with_capacity(64 << 10, file), sha: Sha1::new(), crc: Crc::new(), written: 0 }
    }

    /// Appends the checksum of all bytes, and answers it.
    fn finish(mut self) -> io::Result<([u8; 20], W)> {
        let sum: [u8; 20] = self.sha.finalize().into();
        self.file.write_all(&sum)?;
        Ok((sum, self.file.into_inner().map_err(io::IntoInnerError::into_error)?))
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.sha.update(bytes);
        self.crc.update(bytes);
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_the_format_says() {
        assert_eq!(entry_header(Kind::Blob, 0), [0x30]);
        assert_eq!(entry_header(Kind::Commit, 15), [0x1f]);
        assert_eq!(entry_header(Kind::Tree, 16), [0xa0, 0x01]);
        assert_eq!(entry_header(Kind::Blob, 0x0fff), [0xbf, 0xff, 0x01]);
    }
}
