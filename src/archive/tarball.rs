//! Tar, plain and compressed by gzip.

use std::io::{self, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, EntryType, Header};

use super::gather::{Gather, refused};
use super::metered::{Allowance, Metered};
use super::{ArchiveError, Limits, Load, unwritten};
use crate::domain::{AppFile, EntryKind};

const FORM: &str = "tar";
/// What a tar has beside the contents: headers, long names and padding of each entry, and the end.
const BESIDE_EACH: u64 = 8 << 10;
/// What is read between two contents: headers, and long names and notes, which the reader takes into memory as they come.
const BETWEEN: u64 = 1 << 20;

pub(super) fn read(source: impl Read, gather: &mut Gather<'_>) -> Result<(), ArchiveError> {
    read_from(BufReader::new(source), gather).map(|_| ())
}

/// As [`read`]; what comes out of the compression is bounded, whatever the entries say.
pub(super) fn read_compressed(source: impl Read, limits: Limits, gather: &mut Gather<'_>) -> Result<(), ArchiveError> {
    let most = limits.whole + BESIDE_EACH * (limits.entries as u64 + 2);
    let inflated = MultiGzDecoder::new(BufReader::new(source)).take(most);
    let mut rest = read_from(inflated, gather)?;
    // The checksum of what was compressed comes last.
    io::copy(&mut rest, &mut io::sink()).map_err(broken)?;
    if rest.inner.limit() == 0 {
        return Err(ArchiveError::TooLarge("what is compressed in it is larger than an app may be".to_owned()));
    }
    Ok(())
}

fn read_from<R: Read>(source: R, gather: &mut Gather<'_>) -> Result<Metered<R>, ArchiveError> {
    let allowance = Allowance::of(BETWEEN);
    let mut archive = Archive::new(Metered::new(source, &allowance));
    for entry in archive.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let path = entry.path_bytes();
        let Ok(path) = std::str::from_utf8(&path).map(str::to_owned) else {
            return Err(refused(&String::from_utf8_lossy(&path), "its name is not UTF-8"));
        };
        let what = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let executable = entry.header().mode().map_err(broken)? & 0o100 != 0;
                allowance.set(u64::MAX); // it is counted there
                gather.file((FORM, &path), executable, entry)?;
                allowance.set(BETWEEN);
                continue;
            }
            EntryType::Directory => {
                gather.folder(&path)?;
                allowance.set(BETWEEN);
                continue;
            }
            EntryType::XGlobalHeader => {
                allowance.set(BETWEEN);
                continue; // git-archive(1) notes the commit there
            }
            EntryType::Symlink => "it is a symbolic link; send the file itself",
            EntryType::Link => "it is a hard link; send the file itself",
            EntryType::GNUSparse => "it is a sparse file; pack it without `--sparse`",
            _ => "it is neither a file nor a folder",
        };
        return Err(refused(&path, what));
    }
    allowance.set(u64::MAX);
    let rest = archive.into_inner();
    if rest.ended {
        let problem = "its end is missing; it was cut off".to_owned();
        return Err(ArchiveError::Broken { form: FORM, problem });
    }
    Ok(rest)
}

fn broken(error: impl std::fmt::Display) -> ArchiveError {
    ArchiveError::Broken { form: FORM, problem: error.to_string() }
}

pub(super) fn write(files: &[AppFile], load: Load<'_>, target: impl Write) -> Result<(), ArchiveError> {
    write_into(files, load, BufWriter::new(target))?.flush().map_err(unwritten)
}

pub(super) fn write_compressed(files: &[AppFile], load: Load<'_>, target: impl Write) -> Result<(), ArchiveError> {
    let compressed = GzEncoder::new(BufWriter::new(target), Compression::fast());
    let mut target = write_into(files, load, compressed)?.finish().map_err(unwritten)?;
    target.flush().map_err(unwritten)
}

fn write_into<W: Write>(files: &[AppFile], load: Load<'_>, target: W) -> Result<W, ArchiveError> {
    let mut builder = Builder::new(target);
    for file in files {
        let content = load(file.id)?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(if file.kind == EntryKind::Executable { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, &file.path, content.as_slice()).map_err(unwritten)?;
    }
    builder.into_inner().map_err(unwritten)
}
