//! Large objects read from the packs here as a stream, a piece at a time.
//!
//! libgit2 reads a packed object whole, through a mapping of its pack that it keeps: pushing 200 MB took as much memory.
//! Sources: `gitformat-pack(5)`, sections "pack-*.pack files have the following format" and "Version 2 pack-*.idx files".

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::bufread::ZlibDecoder;
use git2::Oid;

const MAGIC_AND_VERSION_2: [u8; 8] = *b"\xfftOc\0\0\0\x02";
/// Where the names begin: behind the magic, the version and the 256 counts.
const NAMES: u64 = 8 + 256 * 4;
const NAME_BYTES: u64 = 20;
/// Set in an offset that is the number of a long one.
const IS_LONG: u32 = 1 << 31;
const READ_AHEAD: usize = 64 * 1024;

/// The packs of a repository, opened when the first object is looked for.
pub(super) struct Packs {
    folder: PathBuf,
    opened: Option<Vec<Index>>,
}

struct Index {
    file: File,
    pack: PathBuf,
}

impl Packs {
    /// The packs of the repository whose folder for objects is `objects`.
    pub(super) fn new(objects: &Path) -> Self {
        Self { folder: objects.join("pack"), opened: None }
    }

    /// The content of an object of `size` bytes, if it lies whole in one of the packs: not as a delta.
    pub(super) fn stream(&mut self, id: Oid, size: usize) -> Option<impl Read + use<>> {
        let folder = &self.folder;
        let indexes = self.opened.get_or_insert_with(|| open_all(folder));
        let (index, offset) = indexes.iter().find_map(|index| Some((index, index.find(id).ok()??)))?;
        content(&index.pack, offset, size).ok()?
    }
}

fn open_all(folder: &Path) -> Vec<Index> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let indexes = entries.filter(|path| path.extension().is_some_and(|kind| kind == "idx"));
    indexes.filter_map(|path| Index::open(&path).ok().flatten()).collect()
}

impl Index {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut start = [0; 8];
        file.read_exact(&mut start)?;
        Ok((start == MAGIC_AND_VERSION_2).then(|| Self { file, pack: path.with_extension("pack") }))
    }

    /// Where in the pack the object begins.
    fn find(&self, id: Oid) -> io::Result<Option<u64>> {
        let id = id.as_bytes();
        let Some(first) = id.first().copied().map(u64::from) else { return Ok(None) };
        let count = u64::from(self.number(8 + 255 * 4)?);
        let mut low = if first == 0 { 0 } else { u64::from(self.number(8 + (first - 1) * 4)?) };
        let mut high = u64::from(self.number(8 + first * 4)?).min(count);
        while low < high {
            let middle = low.midpoint(high);
            let mut name = [0; 20];
            self.file.read_exact_at(&mut name, NAMES + middle * NAME_BYTES)?;
            match name.as_slice().cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return self.offset(middle, count).map(Some),
            }
        }
        Ok(None)
    }

    /// Behind the names come their checksums, then the offsets, then the long offsets.
    fn offset(&self, position: u64, count: u64) -> io::Result<u64> {
        let offsets = NAMES + count * (NAME_BYTES + 4);
        let short = self.number(offsets + position * 4)?;
        if short & IS_LONG == 0 {
            return Ok(u64::from(short));
        }
        let mut long = [0; 8];
        self.file.read_exact_at(&mut long, offsets + count * 4 + u64::from(short & !IS_LONG) * 8)?;
        Ok(u64::from_be_bytes(long))
    }

    fn number(&self, at: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(u32::from_be_bytes(bytes))
    }
}

/// The content of the entry at `offset`; `None` for a delta, and for another size than the one expected.
fn content(pack: &Path, offset: u64, expected: usize) -> io::Result<Option<impl Read + use<>>> {
    let mut file = File::open(pack)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut file = BufReader::with_capacity(READ_AHEAD, file);
    let (kind, size) = entry_header(&mut file)?;
    let whole = (1..=4).contains(&kind) && size == expected as u64;
    Ok(whole.then(|| ZlibDecoder::new(file)))
}

/// Type and size, as they are written in front of an entry.
fn entry_header(file: &mut impl Read) -> io::Result<(u8, u64)> {
    let mut next = || {
        let mut byte = [0];
        file.read_exact(&mut byte).map(|()| byte[0])
    };
    let mut byte = next()?;
    let (kind, mut size, mut shift) = ((byte >> 4) & 7, u64::from(byte & 0x0f), 4);
    while byte & 0x80 != 0 && shift < 60 {
        byte = next()?;
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    Ok((kind, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_in_packs_are_streamed_and_others_are_not_found() {
        let folder = tempfile::tempdir().unwrap();
        let repository = git2::Repository::init_bare(folder.path()).unwrap();
        let blobs: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; 1_000 + usize::from(n) * 997]).collect();
        let ids: Vec<Oid> = blobs.iter().map(|blob| repository.blob(blob).unwrap()).collect();
        let mut packs = Packs::new(&folder.path().join("objects"));
        assert!(packs.stream(ids[0], blobs[0].len()).is_none(), "it is loose");
        let mut builder = repository.packbuilder().unwrap();
        for id in &ids {
            builder.insert_object(*id, None).unwrap();
        }
        builder.write(&folder.path().join("objects/pack"), 0o644).unwrap();
        let mut packs = Packs::new(&folder.path().join("objects"));
        let mut streamed = 0;
        for (id, blob) in ids.iter().zip(&blobs) {
            let Some(mut content) = packs.stream(*id, blob.len()) else { continue }; // a delta
            let mut found = Vec::new();
            content.read_to_end(&mut found).unwrap();
            assert!(found == *blob);
            streamed += 1;
        }
        assert!(streamed > 0);
        assert!(packs.stream(ids[1], 1).is_none(), "of another size");
        let absent = Oid::hash_object(git2::ObjectType::Blob, b"absent").unwrap();
        assert!(packs.stream(absent, 6).is_none());
    }
}
